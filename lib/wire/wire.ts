/**
 * A conn in use: its one reader and its one writer, which handshake and session share.
 *
 * Runs the sink of the conn on an outbox, so that handshake messages and batches are sent in order.
 */

import { isBytes } from '../base/bytes.ts'
import { quietly } from '../base/quietly.ts'
import type { Conn } from '../conn/conn.ts'
import { Inbox } from '../conn/inbox.ts'
import { ClosedError, InvalidOptionError } from '../errors/errors.ts'
import { toError } from '../errors/failure.ts'
import { setDeadline } from '../time/after-reading.ts'
import { Outbox } from './outbox.ts'

/** Time to send what waits when the wire is closed, in ms: a peer that does not read must not delay the end. */
const flushTimeoutMs = 1000
const memoryGivenAway =
  'the conn gave away the memory of a message that its sink had pulled, which others share: copy it'

/** The part of a wire that a handshake needs. */
export interface HandshakeWire {
  readonly conn: Conn
  /** The next message, valid until the next call; `undefined` after the end of the conn. */
  read(): Promise<Uint8Array | undefined>
  write(message: Uint8Array): void
}

export class Wire implements HandshakeWire {
  readonly conn: Conn
  readonly remoteAddress: string
  /** The conn itself protects what it carries. */
  readonly secure: boolean
  readonly outbox = new Outbox(() => this.#count('releasedMessages'))
  readonly inbound: AsyncIterator<Uint8Array>
  readonly #sent: Promise<void>
  #state: 'open' | 'closing' | 'aborted' = 'open'

  /**
   * A conn may come from the user: what it throws here is thrown, and it is cut.
   *
   * @throws {InvalidOptionError} when it is not a conn
   */
  constructor(conn: Conn) {
    this.conn = conn
    this.outbox.writer.onLost = () => this.abort(new ClosedError(memoryGivenAway))
    try {
      checkConn(conn)
      this.secure = conn.secure === true
      this.remoteAddress = String(conn.remoteAddress)
      this.inbound = conn.source[Symbol.asyncIterator]()
      // A sink that fails means that the conn is lost. Its source fails too, and the reader reports that.
      this.#sent = Promise.resolve(conn.sink(this.outbox)).catch((error) => this.abort(toError(error)))
    } catch (error) {
      this.abort(toError(error))
      throw error
    }
  }

  get arrivedBytes(): number {
    return this.#count('arrivedBytes')
  }

  /** Bytes of messages that wait to be read; 0 where the conn is of the user. */
  get waitingBytes(): number {
    return this.inbound instanceof Inbox ? this.inbound.waitingBytes : 0
  }

  async read(): Promise<Uint8Array | undefined> {
    return toMessage(await this.inbound.next())
  }

  write(message: Uint8Array): void {
    this.outbox.sendMessage(message)
  }

  /** Sends what waits, then closes the conn. */
  close(reason: string): void {
    if (this.#state !== 'open') return
    this.#state = 'closing'
    if (!this.outbox.isOver) this.outbox.close()
    const timer = setDeadline(() => this.#closeConn(reason), flushTimeoutMs).unref()
    this.#sent.then(() => {
      clearTimeout(timer)
      if (this.#state === 'closing') this.#closeConn(reason)
    })
  }

  /** Aborts the conn now. */
  abort(error: Error): void {
    if (this.#state === 'aborted') return
    this.#state = 'aborted'
    quietly(() => this.conn.abort(error))
    // Our conns return the outbox when they are over; the sink of a user's conn may still wait for it.
    if (!this.outbox.isOver) this.outbox.abort()
  }

  /** As the conn says; 0 where it cannot. */
  #count(name: 'arrivedBytes' | 'releasedMessages'): number {
    try {
      const count = this.conn[name]
      return Number.isFinite(count) ? (count as number) : 0
    } catch {
      return 0
    }
  }

  /** A conn of the user that cannot even be closed is cut. */
  #closeConn(reason: string): void {
    const close = async () => await this.conn.close(reason)
    close().catch((error) => this.abort(toError(error)))
  }
}

/**
 * What the source of a conn gave: a message, or `undefined` for its end.
 *
 * @throws {TypeError} for anything else
 */
export function toMessage({ done, value }: IteratorResult<Uint8Array, unknown>): Uint8Array | undefined {
  if (done) return undefined
  if (isBytes(value)) return value
  throw new TypeError('the source of the conn gave something else than bytes')
}

function checkConn(conn: Conn): void {
  const isConn =
    typeof conn?.source?.[Symbol.asyncIterator] === 'function' &&
    [conn.sink, conn.close, conn.abort].every((method) => typeof method === 'function')
  if (!isConn)
    throw new InvalidOptionError('not a conn: it needs an async iterable source, sink(), close() and abort()')
}
