/** What an open call waits for, as one end knows it. Types only. */

import type { HandlerName } from './stats.ts'

export interface Room {
  readonly messages: number
  readonly bytes: number
}

/** One half of an open call. */
export interface HalfInfo {
  /**
   * Why nothing moves. Sending: `producer` gives nothing; no `credit`, since the consumer over there does not take; the `conn` is
   * full. Receiving: the `consumer` here does not take what is there; nothing comes from the `peer`.
   */
  readonly waitsFor: 'producer' | 'credit' | 'conn' | 'consumer' | 'peer'
  /** At least so long. It is looked at once per keep-alive interval, and whenever it is asked for. */
  readonly waitedMs: number
  /** Payload bytes so far. */
  readonly totalBytes: number
  /** Messages of a stream so far; receiving, those that are whole. A request has none. */
  readonly totalMessages?: number
  /** The window of a stream: what may still be sent; below zero where a large message has overdrawn it. A request has none. */
  readonly room?: Room
  /** What the window holds when nothing is in it; sending, as far as this end knows. */
  readonly capacity?: Room
  /** Receiving: what is there and was not taken. Sending: what the other end has not granted back. */
  readonly unread?: Room
}

/** One open call, a request too. */
export interface StreamInfo extends HandlerName {
  /** The `id` of its session, the same at both ends. */
  readonly session: string
  /** In its session: odd for those that the dialing side has opened; 0 until it is sent. */
  readonly id: number
  readonly side: 'caller' | 'handler'
  readonly host: string
  readonly ageMs: number
  /** Ms since the epoch. */
  readonly deadline?: number
  /** None once that half has ended. */
  readonly sending?: HalfInfo
  readonly receiving?: HalfInfo
}

export interface StreamsOptions {
  readonly handler?: string
  readonly subroute?: string
  /** The longest waits come first, and streams that are only quiet after them. Default 200. */
  readonly max?: number
}
