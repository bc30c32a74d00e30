/**
 * The calls between the servers of the demo: definitions that both ends import.
 *
 * The types at the caller and at the handler follow from these. There is no schema file and no generated code.
 */

import { single, streaming } from '../../lib/index.ts'

/** One request, one response. */
export const introduce = single<{ asker: string }, { name: string; pid: number; greeting: string }>('introduce')

/** Work that lasts until the demo releases it: a call that stays in flight, without guessing how long it takes. */
export const job = single<{ id: string }, { doneBy: string; pid: number }>('job')

/** A server tells another one that it has the read lock. */
export const haveReadLock = single<{ reader: string }, void>('have-read-lock')

export interface Entry {
  path: string
  bytes: number
}

/** A payload in, a stream of entries out, and no requests after the payload. */
export const walk = streaming<{ folder: string }, never, Entry>('disk.walk', { inCapacity: 0, outCapacity: 32 })

/** How many numbers a counting server may be ahead of its consumer. */
export const countWindow = 16
export const count = streaming<{ upTo: number }, never, number>('count', { inCapacity: 0, outCapacity: countWindow })

/** Numbers in. After each of them the total so far goes out, and after the last one a summary. */
export const add = streaming<void, number, string>('add', { inCapacity: 4, outCapacity: 4 })
