/** What `closing-server.ts` and the spec that starts it share. */

import { single, streaming } from '../../../lib/index.ts'

export type Situation =
  | 'idle'
  | 'requests'
  | 'streams'
  | 'hanging'
  | 'silentPeers'
  | 'twice'
  | 'insideHandler'
  | 'insideHandlerThatWaits'
  | 'beforeConnecting'
  | 'connecting'
  | 'waiting'

export interface ClosingServerInit {
  readonly local: string
  readonly peers: readonly string[]
  /** Where the peers are. */
  readonly urls: Readonly<Record<string, string>>
  readonly situation: Situation
  /** The default grace when it is undefined. */
  readonly graceMs?: number
}

/** What it prints. */
export type ClosingServerEvent =
  | { readonly event: 'listening'; readonly port: number }
  | { readonly event: 'ready' | 'closing' }
  | { readonly event: 'closed'; readonly tookMs: number }
  /** What became of calls: results, or code and delivery (and reason) of errors. */
  | { readonly event: 'newCalls' | 'ownCalls'; readonly outcomes: readonly unknown[] }
  | { readonly event: 'aborted'; readonly codes: readonly unknown[] }

export const hold = single<void, string>('hold')
export const closeNow = single<void, string>('closeNow')
export const tenfold = streaming<void, number, number>('tenfold', { inCapacity: 4, outCapacity: 4 })
