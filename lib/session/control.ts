/**
 * The frames of a session that belong to no stream of its own: handler tables, pings, refusals, go-away.
 *
 * What waits here is bounded: one pong, one ping, one go-away, the table, and refusals that the flood limit counts.
 */

import { ProtocolError } from '../base/errors.ts'
import type { Limits } from '../base/options.ts'
import { Rate } from '../base/rate.ts'
import type { LocalHandlers } from '../handler/table.ts'
import { Flag, type HandlerEntry, ResetCode } from '../wire/frame.ts'
import type { FrameWriter } from '../wire/frame-writer.ts'
import type { Outbox, Sender } from '../wire/outbox.ts'

/** Refusals, or entries of the handler table, that are written at a time; with names at their limit they fit a batch. */
const itemsPerTurn = 16

export class SessionControl implements Sender {
  dataQueued = false
  controlQueued = false
  /** Opens of the remote end that were refused, for the stats. */
  refusals = 0
  readonly #outbox: Outbox
  readonly #handlers: LocalHandlers
  readonly #limits: Readonly<Limits>
  readonly #stopListening: () => void
  #advertised = 0
  #tableDue = false
  #pingDue: number | undefined
  #pongDue: number | undefined
  #goAwayDue: { readonly code: number; readonly lastStreamId: number; readonly text: string } | undefined
  /** Stream id, code and handler of each: a peer may make a second's worth of them wait, so they must be small. */
  #refusalsDue: number[] = []
  readonly #idleFrames: Rate
  readonly #callEnds: Rate

  constructor(outbox: Outbox, handlers: LocalHandlers, limits: Readonly<Limits>) {
    this.#outbox = outbox
    this.#handlers = handlers
    this.#limits = limits
    this.#idleFrames = new Rate(limits.maxIdleFramesPerSecond)
    this.#callEnds = new Rate(limits.maxInboundStreams + limits.maxIdleFramesPerSecond)
    this.#stopListening = handlers.onAdded(() => this.#advertise())
  }

  /** Advertises the handlers, none included: the remote end waits for the first table. */
  start(): void {
    this.#advertise()
  }

  /** The session ends: what waits no longer matters, but for the go-away that may follow. */
  stop(): void {
    this.#stopListening()
    this.#tableDue = false
    this.#refusalsDue = []
  }

  ping(token: number): void {
    this.#pingDue = token
    this.#outbox.offerControl(this)
  }

  /** Answers a ping; of several that wait only the last. */
  pong(token: number): void {
    this.countIdleFrame()
    this.#pongDue = token
    this.#outbox.offerControl(this)
  }

  /** Refuses an open of the remote end at its `handler`, with a reset of this code. */
  refuse(streamId: number, code: number, handler: number): void {
    this.refusals++
    this.countCallEnd()
    this.#refusalsDue.push(streamId, code, handler)
    if (this.#refusalsDue.length > 3 * this.#limits.maxIdleFramesPerSecond) throw this.#flood()
    this.#outbox.offerControl(this)
  }

  goAway(code: number, lastStreamId: number, text: string): void {
    this.#goAwayDue = { code, lastStreamId, text }
    this.#outbox.offerControl(this)
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

  #advertise(): void {
    this.#tableDue = true
    this.#outbox.offerControl(this)
  }

  #writeTable(writer: FrameWriter): void {
    const entries: HandlerEntry[] = this.#handlers.entriesFrom(this.#advertised).slice(0, itemsPerTurn)
    this.#advertised += entries.length
    this.#tableDue = this.#advertised < this.#handlers.size
    writer.handlers(this.#tableDue ? Flag.more : 0, entries)
    if (this.#tableDue) this.#outbox.offerControl(this)
  }

  #writeRefusals(writer: FrameWriter): void {
    const due = this.#refusalsDue.splice(0, 3 * itemsPerTurn)
    for (let i = 0; i < due.length; i += 3) {
      const code = due[i + 1] as number
      writer.reset(due[i] as number, code, this.#refusalText(code, due[i + 2] as number))
    }
    if (this.#refusalsDue.length > 0) this.#outbox.offerControl(this)
  }

  #refusalText(code: number, handler: number): string {
    const { maxInboundStreams, maxMetadataBytes } = this.#limits
    if (code === ResetCode.unknownHandler) return `no handler ${handler}`
    if (code === ResetCode.tooManyStreams) return `more than ${maxInboundStreams} calls at once`
    return code === ResetCode.goingAway ? 'going away' : `metadata of more than ${maxMetadataBytes} bytes`
  }

  #flood(): ProtocolError {
    const { maxIdleFramesPerSecond } = this.#limits
    return new ProtocolError(
      `a flood: too many frames that move no call on; ${maxIdleFramesPerSecond} a second are allowed`,
      {
        reason: 'flood'
      }
    )
  }
}
