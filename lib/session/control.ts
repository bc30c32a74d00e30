/**
 * The frames of a session that belong to no stream of its own, both ways: handler tables, pings, refusals, go-away.
 *
 * What waits here to be sent is bounded: one pong, one ping, one go-away, the table, and as many refusals as a peer may
 * cause. What a pong or a go-away means is for the keep-alive and the session.
 */

import { RareMap } from '../base/rare.ts'
import { printable } from '../base/text.ts'
import { ProtocolError } from '../errors/errors.ts'
import type { Limits } from '../errors/options.ts'
import type { AdvertisedHandlers } from '../handler/advertised.ts'
import { notReadyText } from '../handler/serving.ts'
import type { RemoteHandlers } from '../handler/table.ts'
import type { FloodGuard } from '../open/flood.ts'
import { Flag, FrameType, ResetCode } from '../wire/frame.ts'
import type { FrameReader } from '../wire/frame-reader.ts'
import type { FrameWriter } from '../wire/frame-writer.ts'
import type { Outbox, Sender } from '../wire/outbox.ts'
import type { KeepAlive } from './keepalive.ts'

/** Refusals that are written at a time. */
const refusalsPerTurn = 16

export interface ControlInit {
  readonly outbox: Outbox
  readonly handlers: AdvertisedHandlers
  readonly remoteHandlers: RemoteHandlers
  readonly limits: Readonly<Limits>
  readonly flood: FloodGuard
  /** The remote's whole first handler table, or a later addition, has arrived. */
  readonly onTable: () => void
  /** A whole table was sent, and some handlers were left out: why. */
  readonly onLeftOut: (why: string) => void
  readonly pings: Pick<KeepAlive, 'onPing' | 'onPong'>
  readonly onGoAway: (code: number, lastStreamId: number, graceMs: number | undefined, text: string) => void
}

export class SessionControl implements Sender {
  dataQueued = false
  controlQueued = false
  readonly #init: ControlInit
  readonly #stopListening: () => void
  #handlersThere: RemoteHandlers | undefined
  #tableDue = false
  /** The remote end waits for the end of a table: of the first one, or of one that has begun. */
  #isTableAwaited = true
  #hasRemoteTable = false
  #pingDue: number | undefined
  #pongDue: number | undefined
  #goAwayDue: Parameters<SessionControl['sendGoAway']> | undefined
  /** By stream id: the handler that there is not, or the code, negative. A peer can make many wait, so they must be small. */
  readonly #refusalsDue = new RareMap<number, number>()

  constructor(init: ControlInit) {
    this.#init = init
    this.#stopListening = init.handlers.onChanged(() => this.#advertise())
  }

  /** Advertises the handlers, also when there are none: the remote end waits for the first table. It is filled here if it is `there`. */
  start(there: RemoteHandlers | undefined): void {
    this.#handlersThere = there
    this.#advertise()
  }

  /** The session ends: what waits is dropped but for the refusals. A caller that is not told of one would take it for a loss. */
  stop(): void {
    this.#stopListening()
    this.#tableDue = false
  }

  sendPing(token: number): void {
    this.#pingDue = token
    this.#offer()
  }

  /**
   * Refuses an open of the remote end at its `handler`, with a reset of this code.
   *
   * @throws {ProtocolError} when more refusals wait than the remote end could cause without breaking a rule
   */
  refuse(streamId: number, code: number, handler: number): void {
    const { flood, limits } = this.#init
    // A peer cannot know that too many of its calls run, or that this side goes away. It does know the table and the limits.
    // It cannot know that a handler was withdrawn a moment ago.
    const isMistake = code === ResetCode.unknownHandler && !this.#init.handlers.knows(handler)
    if (isMistake || code === ResetCode.messageTooLarge) flood.countIdleFrame()
    this.#refusalsDue.set(streamId, code === ResetCode.unknownHandler ? handler : -code)
    const most = limits.maxInboundStreams + limits.maxIdleFramesPerSecond
    if (this.#refusalsDue.size > most) {
      throw new ProtocolError(`a flood: more than ${most} refused calls wait to be told`, { reason: 'flood' })
    }
    this.#offer()
  }

  /** The remote end gave up a stream that is over. If that was refused, it need not be told any more. */
  forgetRefusal(streamId: number): void {
    if (this.#refusalsDue.size > 0) this.#refusalsDue.delete(streamId)
  }

  /** `graceMs` is undefined for a remote end that must not be told, and where all running calls may end. */
  sendGoAway(code: number, lastStreamId: number, graceMs: number | undefined, text: string): void {
    this.#goAwayDue = [code, lastStreamId, graceMs, text]
    this.#offer()
  }

  /**
   * A frame of the session arrived: a ping, a pong, a handler table or a go-away.
   *
   * @param bytesIn received so far
   * @throws {ProtocolError} when it breaks a rule, or there are too many of them
   */
  handleFrame(reader: FrameReader, bytesIn: number): void {
    const { flood, outbox, pings, onGoAway } = this.#init
    switch (reader.type) {
      case FrameType.ping:
        // Of several that wait for their answer only the last gets one.
        this.#pongDue = reader.token
        if (flood.countPing(bytesIn)) {
          outbox.offerRider(this)
        } else {
          pings.onPing()
          this.#offer()
        }
        break
      case FrameType.pong:
        if (!pings.onPong(reader.token)) flood.countIdleFrame()
        break
      case FrameType.handlers:
        // Counted only if it is empty: otherwise its entries are limited.
        this.#handleTable(reader)
        break
      default:
        flood.countIdleFrame()
        onGoAway(reader.code, reader.streamId, reader.graceMs, printable(reader.readText()))
    }
  }

  writeData(): boolean {
    return false
  }

  writeControl(writer: FrameWriter): void {
    if (this.#tableDue) this.#writeTable(writer)
    if (this.#pongDue !== undefined) writer.pong(this.#pongDue)
    this.#pongDue = undefined
    // Behind the whole table, so that its answer says that the remote end has that.
    if (this.#pingDue !== undefined && !this.#tableDue) {
      writer.ping(this.#pingDue)
      this.#pingDue = undefined
    }
    this.#writeRefusals(writer)
    if (this.#goAwayDue !== undefined && this.#refusalsDue.size === 0 && !this.#tableDue) {
      writer.goAway(...this.#goAwayDue)
      this.#goAwayDue = undefined
    }
  }

  #handleTable(reader: FrameReader): void {
    const { remoteHandlers, limits, flood, onTable } = this.#init
    if ((reader.flags & Flag.changes) !== 0) {
      flood.countIdleFrame()
      remoteHandlers.change(reader.readChanges(limits.maxHandlers))
      // One that comes between the frames of the first table does not complete that.
      if (this.#hasRemoteTable) onTable()
      return
    }
    const entries = reader.readHandlers(remoteHandlers.room, limits.maxNameBytes, limits.maxHandlers)
    if (entries.length === 0) flood.countIdleFrame()
    remoteHandlers.add(entries)
    if ((reader.flags & Flag.more) !== 0) return
    this.#hasRemoteTable = true
    onTable()
  }

  #offer(): void {
    this.#init.outbox.offerControl(this)
  }

  #advertise(): void {
    if (this.#handlersThere !== undefined) this.#tellAtOnce(this.#handlersThere)
    this.#tableDue = true
    this.#offer()
  }

  /** The remote end is in this process. An empty table then says that there is something new. */
  #tellAtOnce(there: RemoteHandlers): void {
    const { handlers } = this.#init
    there.change(handlers.nextChanges())
    while (!handlers.isComplete) there.add(handlers.next())
    this.#isTableAwaited = true
  }

  #writeTable(writer: FrameWriter): void {
    const { handlers, onLeftOut } = this.#init
    const changes = handlers.nextChanges()
    if (changes.length > 0) writer.handlerChanges(changes)
    const entries = handlers.next()
    this.#tableDue = !handlers.isComplete
    if (entries.length > 0 || this.#isTableAwaited) {
      const flags = (this.#tableDue ? Flag.more : 0) | (handlers.tellsFingerprints ? Flag.fingerprints : 0)
      writer.handlers(flags, entries)
    }
    this.#isTableAwaited = this.#tableDue
    if (this.#tableDue) this.#offer()
    else if (handlers.warning !== undefined) onLeftOut(handlers.warning)
  }

  #writeRefusals(writer: FrameWriter): void {
    if (this.#refusalsDue.size === 0) return
    let left = refusalsPerTurn
    for (const [streamId, what] of this.#refusalsDue) {
      if (left-- === 0) return this.#offer()
      this.#refusalsDue.delete(streamId)
      const code = what < 0 ? -what : ResetCode.unknownHandler
      writer.reset(streamId, code, this.#refusalText(code, what))
    }
  }

  #refusalText(code: number, handler: number): string {
    const { maxInboundStreams, maxMetadataBytes } = this.#init.limits
    if (code === ResetCode.unknownHandler) return `it has no ${this.#init.handlers.nameAt(handler)}`
    if (code === ResetCode.tooManyStreams) return `more than ${maxInboundStreams} calls at once`
    if (code === ResetCode.busy) return notReadyText
    return code === ResetCode.goingAway ? 'going away' : `metadata of more than ${maxMetadataBytes} bytes`
  }
}
