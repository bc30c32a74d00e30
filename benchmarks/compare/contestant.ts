/** What the client of every contestant of the comparison offers: the same few ways to carry messages. */

import type * as contest from '../harness/contest/contestant.ts'

/** One stream of a round; it goes to the server as plain data. */
export interface StreamPlan {
  /** Bytes of each message. */
  readonly bytes: number
  readonly count: number
  /** Index of the first message in the ring of its size, so that no two streams of a round carry the same. */
  readonly first: number
}

/** Takes what arrived on the stream with that index: one whole message, or any piece if `streamsBytes`. */
export type TakeMessage = (stream: number, message: Uint8Array) => void

/** Runs what is planned, on all streams at once. Resolves once all of them ended. */
export type RunStreams = (plans: readonly StreamPlan[], take: TakeMessage) => Promise<void>

/** The near end, connected. A contestant leaves out streams that it has no means for, and its row says why. */
export interface ClientSide {
  /** One payload there and back. Resolves with what came back. */
  request(payload: Uint8Array): Promise<Uint8Array>
  /** The server sends. */
  readonly serverStreams?: RunStreams
  /** The client sends while the conn takes it, and the server sends it back in order. */
  readonly echoStreams?: RunStreams
  /** Its streams keep the order of bytes, but not where a message ends. */
  readonly streamsBytes?: boolean
}

export type Contestants = contest.Contestants<ClientSide>

/** For a contestant that has its streams one by one. */
export function each(run: (plan: StreamPlan, take: (message: Uint8Array) => void) => Promise<void>): RunStreams {
  return async (plans, take) => {
    await Promise.all(plans.map((plan, stream) => run(plan, (message) => take(stream, message))))
  }
}
