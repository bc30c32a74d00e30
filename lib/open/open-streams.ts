/**
 * Which calls are open on one session, and what each half waits for, since when.
 *
 * Calls note no times when they move: they are looked at now and then, and whoever has not moved since waits. So a call that
 * is over before the next look costs nothing.
 */

import { toHandlerName } from '../handler/info.ts'
import type { HalfInfo, StreamInfo } from '../report/stream-info.ts'
import { canReceive, canSend } from '../stream/state.ts'
import type { Stream } from '../stream/stream.ts'
import { ticksToMs, toTicks } from '../time/ticks.ts'

/** What a stream had moved when it was looked at, and since when it has not moved more. */
interface Look {
  sent: number
  received: number
  unread: number
  sentTicks: number
  receivedTicks: number
}

export class OpenStreams {
  readonly #list: () => Stream[]
  /** Of streams that were open when they were looked at last. */
  readonly #looks = new Map<Stream, Look>()

  constructor(list: () => Stream[]) {
    this.#list = list
  }

  /** Notes which streams have moved. Requests have nothing to note: each half is one message. */
  look(): void {
    const nowTicks = toTicks(performance.now())
    for (const stream of this.#looks.keys()) if (stream.state === 'closed') this.#looks.delete(stream)
    for (const stream of this.#list()) if (!stream.isSingle) update(this.#lookAt(stream), stream, nowTicks)
  }

  /** An open stream has one that is written again: thousands may be open. */
  #lookAt(stream: Stream): Look {
    const known = this.#looks.get(stream)
    if (known !== undefined) return known
    const { startTicks } = stream
    const look = { sent: 0, received: 0, unread: 0, sentTicks: startTicks, receivedTicks: startTicks }
    this.#looks.set(stream, look)
    return look
  }

  describe(): StreamInfo[] {
    this.look()
    return this.#list().flatMap((stream) => this.#describe(stream) ?? [])
  }

  #describe(stream: Stream): StreamInfo | undefined {
    const { owner, id, initiator, startTicks, deadlineMs, port } = stream
    if (owner?.entry === undefined) return undefined
    const nowMs = performance.now()
    const { sentTicks, receivedTicks } = this.#looks.get(stream) ?? { sentTicks: startTicks, receivedTicks: startTicks }
    const since = (ticks: number) => Math.max(0, nowMs - ticksToMs(ticks))
    const sending = describeSending(stream, since(sentTicks))
    const receiving = describeReceiving(stream, since(receivedTicks))
    return {
      id,
      ...{ ...toHandlerName(owner.entry), side: initiator ? 'caller' : 'handler', host: port.remote.host },
      ageMs: since(startTicks),
      ...(deadlineMs === 0 ? {} : { deadline: Date.now() + deadlineMs - nowMs }),
      ...(sending === undefined ? {} : { sending }),
      ...(receiving === undefined ? {} : { receiving })
    }
  }
}

function update(look: Look, { bytesIn, bytesOut, receiveWindow }: Stream, nowTicks: number): void {
  const unread = receiveWindow?.unread.messages ?? 0
  if (bytesOut !== look.sent) look.sentTicks = nowTicks
  if (bytesIn !== look.received || unread !== look.unread) look.receivedTicks = nowTicks
  look.sent = bytesOut
  look.received = bytesIn
  look.unread = unread
}

function describeSending({ state, canTake, sendWindow, bytesOut }: Stream, waitedMs: number): HalfInfo | undefined {
  if (!canSend(state)) return undefined
  const isQueued = !canTake
  const hasCredit = sendWindow === undefined || (isQueued ? !sendWindow.isBlocked : sendWindow.canSend)
  const waitsFor = !hasCredit ? 'credit' : isQueued ? 'conn' : 'producer'
  const window = sendWindow === undefined ? {} : { room: sendWindow.room }
  return { waitsFor, waitedMs, totalBytes: bytesOut, ...window }
}

function describeReceiving({ state, receiveWindow, bytesIn }: Stream, waitedMs: number): HalfInfo | undefined {
  if (!canReceive(state)) return undefined
  if (receiveWindow === undefined) return { waitsFor: 'peer', waitedMs, totalBytes: bytesIn }
  const { room, capacity, unread } = receiveWindow
  return { waitsFor: unread.messages > 0 ? 'consumer' : 'peer', waitedMs, totalBytes: bytesIn, room, capacity, unread }
}
