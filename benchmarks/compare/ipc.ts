/** What the coordinator and the two processes of a contestant tell each other. */

import type { Workload } from './workloads.ts'

/** To the server: tell your CPU time. To the client: run this. To both: go. */
export type Command = 'cpu' | 'close' | { readonly workload: Workload; readonly ms: number }

/** What one run of a workload came to, as its client saw it. */
export interface ClientRound {
  /** Requests answered or messages arrived; with `latency`, messages of the bulk. */
  readonly operations: number
  readonly elapsedMs: number
  readonly cpuUs: number
  /** With `latency`: of each request, from the moment it was due. With `operation`: of each, from when it began. */
  readonly latenciesMs?: readonly number[]
}

export type Reply =
  | { readonly address: string }
  | { readonly isConnected: true; readonly version?: string | undefined }
  | { readonly cpuUs: number }
  | { readonly round: ClientRound }
  | { readonly failure: string; readonly isWrongAnswer: boolean }
