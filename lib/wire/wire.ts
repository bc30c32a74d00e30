/**
 * A conn in use: its one reader and its one writer, which handshake and session share.
 *
 * Runs the sink of the conn on an outbox, so that handshake messages and batches are sent in order.
 */

import { afterReading } from '../base/after-reading.ts'
import { errorText } from '../base/text.ts'
import type { Conn } from '../conn/conn.ts'
import { Outbox } from './outbox.ts'

/** Time to send what waits when the wire is closed, in ms: a peer that does not read must not delay the end. */
const flushTimeoutMs = 1000

/** The part of a wire that a handshake needs. */
export interface HandshakeWire {
  readonly conn: Conn
  /** The next message, valid until the next call; `undefined` after the end of the conn. */
  read(): Promise<Uint8Array | undefined>
  write(message: Uint8Array): void
}

export class Wire implements HandshakeWire {
  readonly conn: Conn
  readonly outbox = new Outbox()
  readonly inbound: AsyncIterator<Uint8Array>
  readonly #sent: Promise<void>
  #state: 'open' | 'closing' | 'aborted' = 'open'

  constructor(conn: Conn) {
    this.conn = conn
    this.inbound = conn.source[Symbol.asyncIterator]()
    // A sink that fails means that the conn is lost. Its source fails too, and the reader reports that.
    this.#sent = conn
      .sink(this.outbox)
      .catch((error) => this.abort(error instanceof Error ? error : new Error(errorText(error), { cause: error })))
  }

  async read(): Promise<Uint8Array | undefined> {
    const { done, value } = await this.inbound.next()
    return done === true ? undefined : value
  }

  write(message: Uint8Array): void {
    this.outbox.sendMessage(message)
  }

  /** Sends what waits, then closes the conn. */
  close(reason: string): void {
    if (this.#state !== 'open') return
    this.#state = 'closing'
    if (!this.outbox.isOver) this.outbox.close()
    const timer = setTimeout(() => afterReading(() => this.conn.close(reason)), flushTimeoutMs).unref()
    this.#sent.then(() => {
      clearTimeout(timer)
      if (this.#state === 'closing') this.conn.close(reason)
    })
  }

  /** Aborts the conn now. */
  abort(error: Error): void {
    if (this.#state === 'aborted') return
    this.#state = 'aborted'
    this.conn.abort(error)
    // Our conns return the outbox when they are over; the sink of a user's conn may still wait for it.
    if (!this.outbox.isOver) this.outbox.abort()
  }
}
