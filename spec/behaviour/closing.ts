/** What `closing-server.ts` and the specs that start it share. */

import { single, streaming } from '../../lib/index.ts'
import type { ServerInit } from '../support/process/server.ts'
import type { Situation } from './closing-server.ts'

export interface ClosingServerInit extends ServerInit {
  readonly situation: Situation
  /** The default grace when it is undefined. */
  readonly graceMs?: number
}

/** What it tells. */
export type ClosingServerEvent =
  | { readonly event: 'listening'; readonly port: number }
  | { readonly event: 'closing' }
  | { readonly event: 'closed'; readonly tookMs: number }
  /** What became of calls: results, or code and delivery (and reason) of errors. */
  | { readonly event: 'newCalls' | 'ownCalls'; readonly outcomes: readonly unknown[] }
  | { readonly event: 'aborted'; readonly codes: readonly unknown[] }

export const closingServer = new URL('./closing-server.ts', import.meta.url)

export const hold = single<void, string>('hold')
export const closeNow = single<void, string>('closeNow')
export const tenfold = streaming<void, number, number>('tenfold', { inCapacity: 4, outCapacity: 4 })
