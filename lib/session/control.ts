/**
 * The frames of a session that belong to no stream of its own, both ways: handler tables, pings, refusals, go-away.
 *
 * What waits here to be sent is bounded: one pong, one ping, one go-away, the table, and refusals that the flood limit
 * counts. What a pong or a go-away means is for the keep-alive and the session.
 */

import { ProtocolError } from '../base/errors.ts'
import type { Limits } from '../base/options.ts'
import { Rate } from '../base/rate.ts'
import { printable } from '../base/text.ts'
import type { AdvertisedHandlers } from '../handler/advertised.ts'
import type { RemoteHandlers } from '../handler/table.ts'
import { Flag, FrameType, ResetCode } from '../wire/frame.ts'
import type { FrameReader } from '../wire/frame-reader.ts'
import type { FrameWriter } from '../wire/frame-writer.ts'
import type { Outbox, Sender } from '../wire/outbox.ts'

/** Refusals that are written at a time. */
const refusalsPerTurn = 16

export interface ControlInit {
  readonly outbox: Outbox
  readonly handlers: AdvertisedHandlers
  readonly remoteHandlers: RemoteHandlers
  readonly limits: Readonly<Limits>
  /** The remote's whole first handler table, or a later addition, has arrived. */
  readonly onTable: () => void
  /** A whole table was sent, and some handlers were left out: why. */
  readonly onLeftOut: (why: string) => void
  readonly onPong: (token: number) => void
  readonly onGoAway: (code: number, lastStreamId: number, text: string) => void
}

export class SessionControl implements Sender {
  dataQueued = false
  controlQueued = false
  /** Opens of the remote end that were refused, for the stats. */
  refusals = 0
  readonly #init: ControlInit
  readonly #stopListening: () => void
  #tableDue = false
  /** The remote end waits for the end of a table: of the first one, or of one that has begun. */
  #isTableAwaited = true
  #pingDue: number | undefined
  #pongDue: number | undefined
  #goAwayDue: { readonly code: number; readonly lastStreamId: number; readonly text: string } | undefined
  /** Stream id, code and handler of each refusal: a peer may make a second's worth of them wait, so they must be small. */
  #refusalsDue: number[] = []
  readonly #idleFrames: Rate
  readonly #callEnds: Rate

  constructor(init: ControlInit) {
    const { limits } = init
    this.#init = init
    this.#idleFrames = new Rate(limits.maxIdleFramesPerSecond)
    this.#callEnds = new Rate(limits.maxInboundStreams + limits.maxIdleFramesPerSecond)
    this.#stopListening = init.handlers.onAdded(() => this.#advertise())
  }

  /** Advertises the handlers, also when there are none: the remote end waits for the first table. */
  start(): void {
    this.#advertise()
  }

  /** The session ends: drops what waits, so that nothing holds up the go-away that may follow. */
  stop(): void {
    this.#stopListening()
    this.#tableDue = false
    this.#refusalsDue = []
  }

  sendPing(token: number): void {
    this.#pingDue = token
    this.#offer()
  }

  /** Refuses an open of the remote end at its `handler`, with a reset of this code. */
  refuse(streamId: number, code: number, handler: number): void {
    this.refusals++
    this.countCallEnd()
    this.#refusalsDue.push(streamId, code, handler)
    if (this.#refusalsDue.length > 3 * this.#init.limits.maxIdleFramesPerSecond) throw this.#flood()
    this.#offer()
  }

  sendGoAway(code: number, lastStreamId: number, text: string): void {
    this.#goAwayDue = { code, lastStreamId, text }
    this.#offer()
  }

  /**
   * A frame of the session arrived: a ping, a pong, a handler table or a go-away.
   *
   * @throws {ProtocolError} when it breaks a rule, or there are too many of them
   */
  handleFrame(reader: FrameReader): void {
    const { onPong, onGoAway } = this.#init
    // Handlers are counted by their number: an honest peer may register many at once.
    if (reader.type !== FrameType.handlers) this.countIdleFrame()
    switch (reader.type) {
      case FrameType.ping:
        // Of several that wait for their answer only the last gets one.
        this.#pongDue = reader.token
        this.#offer()
        break
      case FrameType.pong:
        onPong(reader.token)
        break
      case FrameType.handlers:
        this.#handleTable(reader)
        break
      default:
        onGoAway(reader.code, reader.streamId, printable(reader.readText()))
    }
  }

  /**
   * A frame arrived that costs us work and moves no call on.
   *
   * @throws {ProtocolError} when there are more of them than `maxIdleFramesPerSecond`
   */
  countIdleFrame(): void {
    if (!this.#idleFrames.count()) throw this.#flood()
  }

  /**
   * The remote end cut a call short, or had one refused.
   *
   * @throws {ProtocolError} when it does that more often than all its calls at once, and some
   */
  countCallEnd(): void {
    if (!this.#callEnds.count()) throw this.#flood()
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
    if (this.#goAwayDue !== undefined && this.#refusalsDue.length === 0 && !this.#tableDue) {
      writer.goAway(this.#goAwayDue.code, this.#goAwayDue.lastStreamId, this.#goAwayDue.text)
      this.#goAwayDue = undefined
    }
  }

  #handleTable(reader: FrameReader): void {
    const { remoteHandlers, limits, onTable } = this.#init
    const entries = reader.readHandlers(remoteHandlers.room, limits.maxNameBytes, limits.maxHandlers)
    if (entries.length === 0) this.countIdleFrame()
    remoteHandlers.add(entries)
    if ((reader.flags & Flag.more) === 0) onTable()
  }

  #offer(): void {
    this.#init.outbox.offerControl(this)
  }

  #advertise(): void {
    this.#tableDue = true
    this.#offer()
  }

  #writeTable(writer: FrameWriter): void {
    const { handlers, onLeftOut } = this.#init
    const entries = handlers.next()
    this.#tableDue = !handlers.isComplete
    if (entries.length > 0 || this.#isTableAwaited) writer.handlers(this.#tableDue ? Flag.more : 0, entries)
    this.#isTableAwaited = this.#tableDue
    if (this.#tableDue) this.#offer()
    else if (handlers.warning !== undefined) onLeftOut(handlers.warning)
  }

  #writeRefusals(writer: FrameWriter): void {
    const due = this.#refusalsDue.splice(0, 3 * refusalsPerTurn)
    for (let i = 0; i < due.length; i += 3) {
      const code = due[i + 1] as number
      writer.reset(due[i] as number, code, this.#refusalText(code, due[i + 2] as number))
    }
    if (this.#refusalsDue.length > 0) this.#offer()
  }

  #refusalText(code: number, handler: number): string {
    const { maxInboundStreams, maxMetadataBytes } = this.#init.limits
    if (code === ResetCode.unknownHandler) return `no handler ${handler}`
    if (code === ResetCode.tooManyStreams) return `more than ${maxInboundStreams} calls at once`
    return code === ResetCode.goingAway ? 'going away' : `metadata of more than ${maxMetadataBytes} bytes`
  }

  #flood(): ProtocolError {
    const { maxIdleFramesPerSecond } = this.#init.limits
    return new ProtocolError(
      `a flood: too many frames that move no call on; ${maxIdleFramesPerSecond} a second are allowed`,
      {
        reason: 'flood'
      }
    )
  }
}
