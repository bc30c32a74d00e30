/**
 * Brings each frame of each batch that arrives to its stream, or to the part of the session that it is for.
 *
 * What a frame does is decided there. A `ProtocolError` thrown from here ends the session.
 */

import { printable } from '../base/text.ts'
import { batchBytes, frameCostBytes, type Limits, loopBytes, loopMs, turnBytes } from '../errors/options.ts'
import type { AdvertisedHandlers } from '../handler/advertised.ts'
import type { LocalHandler } from '../handler/table.ts'
import type { FloodGuard } from '../open/flood.ts'
import type { OpenCalls } from '../open/open-calls.ts'
import type { SessionCounts } from '../report/stats.ts'
import { Responder } from '../responder/responder.ts'
import type { Stream } from '../stream/stream.ts'
import { afterRound, isRoundDue } from '../time/rounds.ts'
import { Flag, FrameType, ResetCode } from '../wire/frame.ts'
import { FrameReader } from '../wire/frame-reader.ts'
import type { Wire } from '../wire/wire.ts'
import type { SessionControl } from './control.ts'

/** A turn may be larger than `turnBytes` behind one that took less: four times as large, it still holds up little. */
const quickMs = loopMs / 4

export interface DispatchInit {
  readonly checksum: boolean
  readonly limits: Readonly<Limits>
  readonly handlers: AdvertisedHandlers
  readonly calls: OpenCalls
  readonly control: SessionControl
  readonly flood: FloodGuard
  readonly counts: SessionCounts
  readonly wire: Pick<Wire, 'outbox' | 'waitingBytes'>
  /** Whether the session takes new streams, refuses them, or is over. */
  readonly state: () => 'starting' | 'ready' | 'draining' | 'ended'
}

export class Dispatch {
  readonly #init: DispatchInit
  readonly #reader = new FrameReader()
  #batchBytes = 0
  /** When to let the event loop go round, in bytes received. */
  #yieldAtBytes = loopBytes
  /** What is left of this turn, over all its batches; 0 before it begins. */
  #turnLeftBytes = 0
  /** When it began, of `performance.now()`. */
  #turnSinceMs = 0
  /** The last turn that was measured took little time. */
  #isQuick = false
  /** This turn has brought messages of streams. */
  #hasStreamed = false
  /** The highest id that the remote end had used before this batch. */
  #idBeforeBatch = 0
  /** Handlers were told to stop, and those that obey at once have not had the chance. */
  #areStopping = false
  /** The frame that was read last is to be handled again, in the next turn. */
  #isHeld = false

  constructor(init: DispatchInit) {
    this.#init = init
  }

  /**
   * Deals with a batch, in turns: at once if it is a small one, else the promise resolves when it is done.
   *
   * @throws {ProtocolError} naming what the peer did wrong; later it is what the promise rejects with
   */
  onBatch(batch: Uint8Array): Promise<void> | undefined {
    const { counts, checksum, calls } = this.#init
    counts.batchesIn++
    counts.bytesIn += batch.length
    this.#idBeforeBatch = calls.streams.lastInboundId
    this.#batchBytes = batch.length
    this.#reader.load(batch, checksum)
    const isTurnOver = this.#dispatchTurn()
    if (isTurnOver || counts.bytesIn >= this.#yieldAtBytes) return this.#dispatchRest(isTurnOver)
    return undefined
  }

  async #dispatchRest(isTurnOver: boolean): Promise<void> {
    const { counts, wire } = this.#init
    for (let more = isTurnOver; more; more = this.#dispatchTurn()) {
      await wire.outbox.turnEnd()
      this.#isQuick = performance.now() - this.#turnSinceMs < quickMs
      if (isRoundDue(0)) await new Promise<void>(afterRound)
    }
    if (counts.bytesIn < this.#yieldAtBytes) return
    // Node reads a socket up to 32 times before it looks at timers and other sockets again: bulk would hold them up.
    await new Promise<void>(afterRound)
    this.#yieldAtBytes = counts.bytesIn + loopBytes
  }

  /**
   * Deals with the frames of the batch until `turnBytes` have been dealt with in this turn, or they have taken too long. Returns
   * whether the turn must end, before this is called again.
   *
   * @throws {ProtocolError} naming what the peer did wrong
   */
  #dispatchTurn(): boolean {
    const { calls, counts, state } = this.#init
    const reader = this.#reader
    const start = reader.position
    if (this.#turnLeftBytes <= 0) this.#beginTurn()
    calls.counter.beginTurn()
    // A handler that was called from here may have ended the session.
    while (state() !== 'ended' && (this.#isHeld || reader.next())) {
      if (!this.#isHeld) counts.framesIn++
      this.#isHeld = false
      this.#handleFrame(reader)
      if (!this.#isHeld && reader.position - start < this.#turnLeftBytes && !isRoundDue(frameCostBytes)) continue
      this.#turnLeftBytes = 0
      calls.counter.endTurn()
      return true
    }
    calls.counter.endTurn()
    this.#turnLeftBytes -= reader.position - start
    return false
  }

  /**
   * Half of what is there, where that is more: the remote end has enough to do with the answers to the other half. Not amid
   * streams, whose messages go on to their consumers between the turns: 64 two-way ones lost a third of their rate.
   */
  #beginTurn(): void {
    const leftBytes = this.#batchBytes - this.#reader.position
    const waitingBytes = this.#isQuick && !this.#hasStreamed ? leftBytes + this.#init.wire.waitingBytes : 0
    this.#turnLeftBytes = Math.min(Math.max(turnBytes, waitingBytes >> 1), batchBytes)
    this.#turnSinceMs = performance.now()
    this.#hasStreamed = false
  }

  /** Nearly all frames are one of the first two. What is rare is apart: V8 optimises only so much as one. */
  #handleFrame(reader: FrameReader): void {
    if (reader.type === FrameType.data) this.#handleData(reader)
    else if (reader.type === FrameType.open) this.#handleOpen(reader)
    else this.#handleOther(reader)
  }

  #handleOther(reader: FrameReader): void {
    switch (reader.type) {
      case FrameType.credit:
        this.#find(reader.streamId)?.onCredit(reader.messages, reader.bytes)
        break
      case FrameType.reset:
        this.#handleReset(reader)
        break
      default:
        this.#init.control.handleFrame(reader, this.#init.counts.bytesIn)
    }
  }

  #handleData(reader: FrameReader): void {
    if ((reader.flags & (Flag.more | Flag.bare)) === 0) this.#init.counts.messagesIn++
    const stream = this.#find(reader.streamId)
    if (stream === undefined) return
    if (!stream.isSingle) this.#hasStreamed = true
    stream.onData(reader)
  }

  #handleOpen(reader: FrameReader): void {
    const { calls, handlers, counts } = this.#init
    if (this.#areStopping && this.#isFull()) {
      this.#areStopping = false
      this.#isHeld = true
      return
    }
    calls.streams.claimInbound(reader.streamId)
    const handler = handlers.at(reader.handler)
    const refusal = this.#findRefusal(reader.metadataLength)
    if (handler === undefined || refusal !== undefined) return this.#refuse(reader, handler, refusal)
    if ((reader.flags & Flag.more) === 0) counts.messagesIn++
    const stream = calls.accept(reader.streamId, reader.timeoutMs)
    stream.isSingle = handler.definition.kind === 'single'
    stream.receiver = stream.owner = new Responder(stream, handler, calls, reader.copyMetadata())
    stream.onData(reader)
  }

  /** That there is no such handler goes before all else. */
  #refuse({ streamId, handler: index }: FrameReader, handler: LocalHandler | undefined, refusal?: number): void {
    const { calls, handlers, control } = this.#init
    const code = handler === undefined || refusal === undefined ? ResetCode.unknownHandler : refusal
    calls.counter.onRefused(code, handlers.entryAt(index))
    control.refuse(streamId, code, index)
  }

  #handleReset(reader: FrameReader): void {
    const { calls, control, flood } = this.#init
    const { streams } = calls
    const id = reader.streamId
    const stream = this.#find(id)
    // A caller that gives up before its open frame is sent leaves out both frames.
    if (streams.isInbound(id) && id > this.#idBeforeBatch) flood.countIdleFrame()
    else flood.countReset(streams.resetsAccountedFor)
    if (stream === undefined) return control.forgetRefusal(id)
    this.#areStopping = true
    stream.onReset(reader.code, printable(reader.readText()))
  }

  /** Why an open is refused, for reasons that have nothing to do with its handler. */
  #findRefusal(metadataBytes: number): number | undefined {
    const { limits, state, calls } = this.#init
    if (state() === 'draining') return ResetCode.goingAway
    if (calls.serving?.hasFailed === true) return ResetCode.busy
    if (this.#isFull()) return ResetCode.tooManyStreams
    return metadataBytes > limits.maxMetadataBytes ? ResetCode.messageTooLarge : undefined
  }

  /** As many handlers run for the peer as may, or calls of this session have answers that wait to be sent. */
  #isFull(): boolean {
    const { limits, calls } = this.#init
    return Math.max(calls.running.count, calls.streams.inbound + calls.untold) >= limits.maxInboundStreams
  }

  /** The stream of a frame; undefined for one that is over, whose late frames are ignored. */
  #find(id: number): Stream | undefined {
    const stream = this.#init.calls.streams.find(id)
    if (stream === undefined) this.#init.calls.counter.ignoreFrame()
    return stream
  }
}
