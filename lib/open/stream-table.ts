/**
 * The open streams of one session by id, and the rules of ids. docs/protocol.md, section "Stream ids".
 *
 * Ids rise on each side and are never used again. So a late frame of a stream that is over can be told from a frame of a
 * stream that never was.
 */

import { RareSet } from '../base/rare.ts'
import { ProtocolError } from '../errors/errors.ts'
import type { Stream } from '../stream/stream.ts'
import { IdTable } from './id-table.ts'

export class StreamTable {
  /** Streams open now that the remote end opened. */
  inbound = 0
  /** The highest id that the remote end has used. */
  lastInboundId = 0
  /** Streams that either side has opened so far, those included that were refused. */
  opened = 0
  readonly #streams = new IdTable<Stream>()
  /** Streams of this side whose open frame is not written yet: they have no id. */
  readonly #opening = new RareSet<Stream>()
  readonly #inboundParity: number
  #nextOutboundId: number

  constructor(role: 'dialer' | 'listener') {
    this.#nextOutboundId = role === 'dialer' ? 1 : 2
    this.#inboundParity = role === 'dialer' ? 0 : 1
  }

  /** All open streams. */
  get size(): number {
    return this.#streams.size + this.#opening.size
  }

  /** RESETs that the remote end may send in all: one for each stream that it opened, a `stop` and an end for each of this side. */
  get resetsAccountedFor(): number {
    return this.opened + Math.floor((this.#nextOutboundId - 1) / 2)
  }

  addOpening(stream: Stream): void {
    this.#opening.add(stream)
  }

  /** `stream` is about to write its open frame and gets its id. Returns whether it was among the opening ones. */
  register(stream: Stream): boolean {
    stream.id = this.#nextOutboundId
    this.#nextOutboundId += 2
    this.opened++
    this.#streams.add(stream)
    return this.#opening.size > 0 && this.#opening.delete(stream)
  }

  /**
   * The remote end opens a stream under this id.
   *
   * @throws {ProtocolError} when it may not use the id, or has used it or a higher one before
   */
  claimInbound(id: number): void {
    if (!this.isInbound(id) || id <= this.lastInboundId) throw this.#createClaimError(id)
    this.lastInboundId = id
    this.opened++
  }

  #createClaimError(id: number): ProtocolError {
    const why = this.isInbound(id) ? 'which is not above the last' : 'of the wrong parity'
    return new ProtocolError(`an open with stream id ${id}, ${why}`)
  }

  /** Whether the id is of a stream that the remote end opened. */
  isInbound(id: number): boolean {
    return id % 2 === this.#inboundParity
  }

  addInbound(stream: Stream): void {
    this.#streams.add(stream)
    this.inbound++
  }

  delete(stream: Stream): void {
    if (stream.id === 0) this.#opening.delete(stream)
    else if (this.#streams.delete(stream.id) && !stream.initiator) this.inbound--
  }

  /**
   * The open stream with this id; undefined for one that is over.
   *
   * @throws {ProtocolError} for an id that was never opened
   */
  find(id: number): Stream | undefined {
    return this.#streams.get(id) ?? this.#onMissing(id)
  }

  #onMissing(id: number): undefined {
    const last = this.isInbound(id) ? this.lastInboundId : this.#nextOutboundId - 2
    if (id > last) throw new ProtocolError(`a frame for stream ${id}, which was never opened`)
    return undefined
  }

  list(): Stream[] {
    return [...this.#opening, ...this.#streams.values()]
  }

  /** Streams of this side whose open frame is not written yet. */
  listOpening(): Stream[] {
    return [...this.#opening]
  }

  /** Streams of this side that a remote end which accepted up to `lastId` has not seen. Looks at all that are open. */
  listUnseen(lastId: number): Stream[] {
    return this.list().filter((stream) => stream.initiator && (stream.id === 0 || stream.id > lastId))
  }
}
