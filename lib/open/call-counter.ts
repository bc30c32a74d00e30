/**
 * Counts the calls of one session as they end: in the figures of their handler, and in those of the peer.
 *
 * The clock is looked at once per turn and not once per call. A call of this side has ended when its answer arrived, with
 * the turn that brought it; a call of the peer when its answer is given to the conn, at the end of the turn. So a handler
 * that holds up the event loop is seen, and what a caller does with its answer is not.
 */

import { readRefusal } from '../codec/remote-error.ts'
import { RejectedError } from '../errors/errors.ts'
import type { Failure } from '../errors/failure.ts'
import { slowTurnMs } from '../figures/event-log.ts'
import { type Figures, failureCode, type OpenTally, toBucket } from '../figures/figures.ts'
import type { PeerFigures } from '../figures/grid-figures.ts'
import { toHandlerName } from '../handler/info.ts'
import type { LocalHandler } from '../handler/table.ts'
import type { RejectReason } from '../report/reasons.ts'
import type { HandlerName, SessionCounts } from '../report/stats.ts'
import { ownRefusalText } from '../rules/refusal-text.ts'
import type { StreamCounter } from '../stream/port.ts'
import type { Stream } from '../stream/stream.ts'
import { ticksToMs, toTicks } from '../time/ticks.ts'
import { type HandlerEntry, ResetCode } from '../wire/frame.ts'
import type { Outbox } from '../wire/outbox.ts'

/** Why a call is refused, by the code that says so. */
const refusals: ReadonlyMap<number, RejectReason> = new Map([
  [ResetCode.unknownHandler, 'unknownHandler'],
  [ResetCode.tooManyStreams, 'tooManyStreams'],
  [ResetCode.goingAway, 'goingAway'],
  [ResetCode.busy, 'busy']
])

/** The word of the protocol page for a reset code. */
function toWord(code: number): string {
  return Object.entries(ResetCode).find(([, known]) => known === code)?.[0] ?? `code ${code}`
}

const slowTicks = toTicks(slowTurnMs)

/** Places for calls that end in one turn. */
const maxKept = 1024

export class CallCounter implements StreamCounter<Stream> {
  readonly #peer: PeerFigures
  readonly #counts: SessionCounts
  readonly #outbox: Pick<Outbox, 'onTurnEnd' | 'endTurn'>
  /** Frames that have arrived are being dealt with. */
  #isTurn = false
  /** When the time was asked for first in this turn; 0 when it was not. In ticks, too. */
  #turnMs = 0
  #turnTicks = 0
  /** When frames were dealt with of which one was a call of the peer, until the end of that turn; 0 in all others. */
  #servedTicks = 0
  /** The first so many are calls of the peer that have ended in this turn. */
  readonly #ended: (Stream | undefined)[] = []
  #endedCount = 0

  constructor(peer: PeerFigures, outbox: Pick<Outbox, 'onTurnEnd' | 'endTurn'>, counts: SessionCounts) {
    this.#peer = peer
    this.#counts = counts
    this.#outbox = outbox
    outbox.onTurnEnd = () => {
      if (this.#endedCount > 0 || this.#servedTicks !== 0) this.#endTurn()
    }
  }

  /** From now on frames are dealt with that have arrived at once. */
  beginTurn(): void {
    this.#isTurn = true
    this.#turnTicks = 0
  }

  endTurn(): void {
    this.#isTurn = false
  }

  /** Now; while frames are dealt with, when that began. */
  get nowTicks(): number {
    if (!this.#isTurn) return toTicks(performance.now())
    if (this.#turnTicks === 0) this.#look()
    return this.#turnTicks
  }

  /** The same, of `performance.now()`. */
  get nowMs(): number {
    if (!this.#isTurn) return performance.now()
    if (this.#turnTicks === 0) this.#look()
    return this.#turnMs
  }

  /** When a call of the peer begins that a frame has brought: its handler may hold up this turn. */
  beginServing(): number {
    const ticks = this.nowTicks
    if (this.#servedTicks === 0 && this.#isTurn) {
      this.#servedTicks = ticks
      this.#outbox.endTurn()
    }
    return ticks
  }

  /** A stream has closed. */
  onClosed(stream: Stream, failure: Failure | undefined, isFailed: boolean): void {
    const figures = stream.owner?.figures
    if (figures === undefined) return
    if (failure !== undefined) this.#onFailed(stream, failure, isFailed)
    if (stream.initiator) return this.#count(stream, figures, this.nowTicks)
    if (this.#endedCount === 0) this.#outbox.endTurn()
    this.#ended[this.#endedCount++] = stream
  }

  #onFailed(stream: Stream, failure: Failure, isFailed: boolean): void {
    if (!isFailed) this.countError(stream, failure.code ?? failureCode(failure.reason))
  }

  ignoreFrame(): void {
    this.#counts.ignoredFrames++
  }

  countError({ initiator, owner }: Stream, code: string): void {
    owner?.figures?.addError(code)
    this.#of(initiator).addError(code)
  }

  onReset({ owner }: Stream, code: number, direction: 'inbound' | 'outbound'): void {
    // A handler that takes no more requests is no failure.
    if (owner?.entry === undefined || code === ResetCode.stop) return
    const name = toHandlerName(owner.entry)
    const refusal = direction === 'inbound' ? refusals.get(code) : undefined
    if (refusal === undefined) this.#peer.events.add({ type: 'reset', ...name, direction, reason: toWord(code) })
    else this.#addRefused('outbound', refusal, name)
  }

  onRejected({ owner, initiator }: Stream, error: unknown): void {
    if (!initiator) this.#counts.refusals++
    if (owner?.entry === undefined || !RejectedError.is(error)) return
    const name = toHandlerName(owner.entry)
    this.#addRefused(initiator ? 'outbound' : 'inbound', readRefusal(error), name, ownRefusalText(error))
  }

  /** A call of the peer is refused with this code. */
  onRefused(code: number, entry: HandlerEntry | undefined): void {
    this.#counts.refusals++
    const reason = refusals.get(code)
    if (reason !== undefined) this.#addRefused('inbound', reason, entry === undefined ? {} : toHandlerName(entry))
  }

  #addRefused(
    direction: 'inbound' | 'outbound',
    reason: RejectReason,
    { handler, subroute }: Partial<HandlerName>,
    message = ''
  ): void {
    const name = handler === undefined || subroute === undefined ? {} : { handler, subroute }
    this.#peer.events.add({ type: 'refused', direction, reason, message, ...name })
  }

  countMistake({ figures }: LocalHandler): void {
    if (figures !== undefined) figures.mistakes++
    this.#peer.served.mistakes++
  }

  /** Adds what is open to a tally. */
  addOpen(streams: Iterable<Stream>, tally: OpenTally): void {
    for (const stream of streams) {
      const { owner, initiator, startTicks, bytesIn, bytesOut } = stream
      if (owner?.figures === undefined) continue
      tally.add(owner.figures, startTicks, bytesIn, bytesOut)
      tally.add(this.#of(initiator), startTicks, bytesIn, bytesOut)
    }
    // Those have ended, and are not counted yet.
    this.#countEnded(toTicks(performance.now()))
  }

  #endTurn(): void {
    const nowTicks = toTicks(performance.now())
    const ticks = nowTicks - this.#servedTicks
    if (this.#servedTicks !== 0 && ticks >= slowTicks) this.#peer.events.onTurn(ticksToMs(ticks))
    this.#servedTicks = 0
    this.#countEnded(nowTicks)
  }

  #countEnded(nowTicks: number): void {
    // The array keeps its memory for the next turn, unless that is much, and holds no stream.
    for (let at = 0; at < this.#endedCount; at++) {
      const stream = this.#ended[at] as Stream
      this.#count(stream, stream.owner?.figures, nowTicks)
      this.#ended[at] = undefined
    }
    this.#endedCount = 0
    if (this.#ended.length > maxKept) this.#ended.length = 0
  }

  #look(): void {
    const nowMs = performance.now()
    this.#turnMs = nowMs
    this.#turnTicks = toTicks(nowMs)
  }

  #count(stream: Stream, figures: Figures | undefined, nowTicks: number): void {
    const { initiator, startTicks, bytesIn, bytesOut } = stream
    // A call that was made within the turn, and is over within it, began after the one look at the clock.
    const ticks = (nowTicks < startTicks ? toTicks(performance.now()) : nowTicks) - startTicks
    const bucket = toBucket(ticks)
    figures?.add(bucket, ticks, bytesIn, bytesOut)
    this.#of(initiator).add(bucket, ticks, bytesIn, bytesOut)
  }

  #of(initiator: boolean) {
    return initiator ? this.#peer.called : this.#peer.served
  }
}
