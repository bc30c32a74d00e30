/**
 * Which calls are open on one session, and what each half waits for, since when.
 *
 * Calls note no times when they move: they are looked at now and then, and whoever has not moved since waits. So a call that
 * is over before the next look costs nothing.
 */

import type { HalfInfo, StreamInfo } from '../base/stream-info.ts'
import { ticksToMs, toTicks } from '../base/ticks.ts'
import { toHandlerName } from '../handler/info.ts'
import { canReceive, canSend } from '../stream/state.ts'
import type { Stream } from '../stream/stream.ts'

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
  #looks = new Map<Stream, Look>()

  constructor(list: () => Stream[]) {
    this.#list = list
  }

  /** Notes which streams have moved. Requests have nothing to note: each half is one message. */
  look(): void {
    const nowTicks = toTicks(performance.now())
    const looks = new Map<Stream, Look>()
    for (const stream of this.#list()) {
      if (!stream.isSingle) looks.set(stream, toLook(stream, this.#looks.get(stream), nowTicks))
    }
    this.#looks = looks
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
      ...{ id, ...toHandlerName(owner.entry), side: initiator ? 'caller' : 'handler', host: port.remote.host },
      ageMs: since(startTicks),
      ...(deadlineMs === 0 ? {} : { deadline: Date.now() + deadlineMs - nowMs }),
      ...(sending === undefined ? {} : { sending }),
      ...(receiving === undefined ? {} : { receiving })
    }
  }
}

function toLook(
  { bytesIn, bytesOut, receiveWindow, startTicks }: Stream,
  last: Look | undefined,
  nowTicks: number
): Look {
  const unread = receiveWindow?.unread.messages ?? 0
  const hasSent = bytesOut !== (last?.sent ?? 0)
  const hasReceived = bytesIn !== (last?.received ?? 0) || unread !== (last?.unread ?? 0)
  return {
    ...{ sent: bytesOut, received: bytesIn, unread },
    sentTicks: hasSent ? nowTicks : (last?.sentTicks ?? startTicks),
    receivedTicks: hasReceived ? nowTicks : (last?.receivedTicks ?? startTicks)
  }
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
