/** What the processes of the memory specs say to each other. Types and names only. */

import type { Limits } from '../../../lib/index.ts'

/** In the order in which the victim registers them: their indexes. */
export const victimHandlers = ['echo', 'hold', 'upload', 'download'] as const
/** Requests and responses that wait at the victim's handlers, and at those of the attacker. */
export const capacity = 16
/** Bytes of each response of `download`. */
export const downloadBytes = 64 * 1024

/** What the victim is told. */
export type ToVictim =
  | { readonly is: 'start'; readonly attackers: number; readonly honest: number; readonly limits: Partial<Limits> }
  | { readonly is: 'measure' }
  /** Open that many streams and requests at each attacker, and read nothing of what comes. */
  | { readonly is: 'call'; readonly count: number }

export type FromVictim =
  | { readonly is: 'started'; readonly url: string; readonly attackers: string[]; readonly honest: string[] }
  | ({ readonly is: 'measured' } & Held)
  | { readonly is: 'called' }

/** What the victim holds once garbage is collected. */
export interface Held {
  readonly heapBytes: number
  readonly externalBytes: number
  readonly sessions: number
  readonly inboundStreams: number
  readonly runningHandlers: number
  readonly outboundStreams: number
  /** Of all sessions so far, those that are over included. */
  readonly bytesIn: number
  readonly messagesIn: number
  readonly refusals: number
}

/** What the attackers are told: each of `hosts` attacks the victim in this way, or with `mixed` each in another. */
export interface ToAttacker {
  readonly url: string
  readonly hosts: readonly string[]
  readonly shape: ShapeName | 'mixed' | 'none'
  readonly limits: Limits
}

export const shapeNames = [
  'payloads',
  'windows',
  'beyond',
  'padded',
  'fragments',
  'crumbs',
  'unread',
  'answers',
  'table',
  'slowly',
  'floods',
  'flapping'
] as const
export type ShapeName = (typeof shapeNames)[number]

/** All that can be sent is sent, and the attack goes on as it is until the next one is asked for. */
export type FromAttacker = { readonly is: 'sent' } | { readonly is: 'failed'; readonly text: string }

/** What the honest peers are told: call for so long. */
export interface ToHonest {
  readonly url: string
  readonly hosts: readonly string[]
  readonly everyMs: number
  readonly forMs: number
}

export interface HonestResult {
  readonly calls: number
  readonly answered: number
  readonly failures: string[]
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}
