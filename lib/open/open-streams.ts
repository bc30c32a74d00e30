/**
 * Which calls are open on one session, and what each half waits for, since when.
 *
 * Calls note no times when they move: they are looked at now and then, and whoever has not moved since waits. So a call that
 * is over before the next look costs nothing.
 */

import { RareMap } from '../base/rare.ts'
import { toHandlerName } from '../handler/info.ts'
import type { FailedCalls } from '../report/events.ts'
import type { ConnectionWaits } from '../report/stats.ts'
import type { HalfInfo, StreamInfo } from '../report/stream-info.ts'
import { canReceive, canSend } from '../stream/state.ts'
import type { Stream } from '../stream/stream.ts'
import { ticksToMs, toTicks } from '../time/ticks.ts'
import type { StreamTable } from './stream-table.ts'

/** What a stream had moved when it was looked at, and since when it has not moved more. */
interface Look {
  sent: number
  received: number
  unread: number
  sentTicks: number
  receivedTicks: number
}

export class OpenStreams {
  readonly #session: string
  readonly #streams: Pick<StreamTable, 'list'>
  /** Of streams that were open when they were looked at last. */
  readonly #looks = new RareMap<Stream, Look>()

  /** @param session its id */
  constructor(session: string, streams: Pick<StreamTable, 'list'>) {
    this.#session = session
    this.#streams = streams
  }

  /** Notes which streams have moved. Requests have nothing to note: each half is one message. */
  look(): void {
    const nowTicks = toTicks(performance.now())
    for (const stream of this.#looks.keys()) if (stream.state === 'closed') this.#looks.delete(stream)
    for (const stream of this.#streams.list()) if (!stream.isSingle) update(this.#lookAt(stream), stream, nowTicks)
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
    return this.#streams.list().flatMap((stream) => this.#describe(stream) ?? [])
  }

  /** Counts what waits, and since when. Many may be open: nothing is made for each. */
  addWaits(waits: ConnectionWaits): void {
    this.look()
    const nowMs = performance.now()
    const count = (into: { count: number; oldestMs?: number }, ticks: number) => {
      const waitedMs = Math.max(0, nowMs - ticksToMs(ticks))
      if (into.count++ === 0 || waitedMs > (into.oldestMs ?? 0)) into.oldestMs = waitedMs
    }
    for (const stream of this.#streams.list()) {
      if (stream.owner?.entry === undefined) continue
      const look = stream.isSingle ? undefined : this.#looks.get(stream)
      const sends = sendingWait(stream)
      if (sends === 'credit' || sends === 'conn') count(waits[sends], look?.sentTicks ?? stream.startTicks)
      if (stream.isSingle) count(stream.initiator ? waits.called : waits.served, stream.startTicks)
      else if (receivingWait(stream) === 'consumer') count(waits.consumer, look?.receivedTicks ?? stream.startTicks)
    }
  }

  /** Calls of this side. */
  countCalls(): FailedCalls {
    const deliveries = this.#streams.list().map(({ delivery }) => delivery)
    const count = (delivery: keyof FailedCalls) => deliveries.filter((each) => each === delivery).length
    return { notSent: count('notSent'), maybeRan: count('maybeRan') }
  }

  #sinceOf(stream: Stream): Pick<Look, 'sentTicks' | 'receivedTicks'> {
    const { startTicks } = stream
    return this.#looks.get(stream) ?? { sentTicks: startTicks, receivedTicks: startTicks }
  }

  #describe(stream: Stream): StreamInfo | undefined {
    const { owner, id, initiator, startTicks, deadlineMs, port } = stream
    if (owner?.entry === undefined) return undefined
    const nowMs = performance.now()
    const { sentTicks, receivedTicks } = this.#sinceOf(stream)
    const since = (ticks: number) => Math.max(0, nowMs - ticksToMs(ticks))
    const sending = describeSending(stream, since(sentTicks))
    const receiving = describeReceiving(stream, since(receivedTicks))
    return {
      session: this.#session,
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
  const unread = receiveWindow?.unreadMessages ?? 0
  if (bytesOut !== look.sent) look.sentTicks = nowTicks
  if (bytesIn !== look.received || unread !== look.unread) look.receivedTicks = nowTicks
  look.sent = bytesOut
  look.received = bytesIn
  look.unread = unread
}

/** Undefined for a half that has ended. */
function sendingWait({ state, canTake, sendWindow }: Stream): 'credit' | 'conn' | 'producer' | undefined {
  if (!canSend(state)) return undefined
  const hasCredit = sendWindow === undefined || (canTake ? sendWindow.canSend : !sendWindow.isBlocked)
  if (!hasCredit) return 'credit'
  return canTake ? 'producer' : 'conn'
}

/** Undefined for a half that has ended. */
function receivingWait({ state, receiveWindow }: Stream): 'consumer' | 'peer' | undefined {
  if (!canReceive(state)) return undefined
  return receiveWindow !== undefined && receiveWindow.unreadMessages > 0 ? 'consumer' : 'peer'
}

function describeSending(stream: Stream, waitedMs: number): HalfInfo | undefined {
  const waitsFor = sendingWait(stream)
  if (waitsFor === undefined) return undefined
  return { waitsFor, waitedMs, totalBytes: stream.bytesOut, ...stream.sendWindow?.describe() }
}

function describeReceiving(stream: Stream, waitedMs: number): HalfInfo | undefined {
  const waitsFor = receivingWait(stream)
  if (waitsFor === undefined) return undefined
  return { waitsFor, waitedMs, totalBytes: stream.bytesIn, ...stream.receiveWindow?.describe() }
}
