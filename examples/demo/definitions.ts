/**
 * What the servers of the demo can ask of each other: definitions that both ends import.
 *
 * The caller's argument types and the handler's follow from these; there is no schema file and no generated code.
 */

import { single, streaming } from '../../lib/index.ts'

/** One question, one answer. */
export const introduce = single<{ asker: string }, { name: string; pid: number; greeting: string }>('introduce')

/** Work that lasts until the demo releases it: what a call in flight looks like, without guessing at times. */
export const job = single<{ id: string }, { doneBy: string; pid: number }>('job')

/** Told by a server that has a read lock to one that wants to know. */
export const haveReadLock = single<{ reader: string }, void>('have-read-lock')

export interface Entry {
  path: string
  bytes: number
}

/** A payload in, a stream of entries out, and no requests after the payload. */
export const walk = streaming<{ folder: string }, never, Entry>('disk.walk', { inCapacity: 0, outCapacity: 32 })

/** How far a counting server may run ahead of whoever takes its numbers. */
export const countWindow = 16
export const count = streaming<{ upTo: number }, never, number>('count', { inCapacity: 0, outCapacity: countWindow })

/** Numbers in, after each of them the total so far out, and a line of summary once no more come in. */
export const add = streaming<void, number, string>('add', { inCapacity: 4, outCapacity: 4 })
