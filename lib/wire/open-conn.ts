/**
 * A conn in use: the one reader and the one writer that handshake and session share.
 *
 * Starts the conn's sink on an outbox, so that handshake messages and batches go the same way, one after the other.
 */

import { afterReading } from '../base/after-reading.ts'
import { errorText } from '../base/text.ts'
import type { Conn } from '../conn/conn.ts'
import { Outbox } from './outbox.ts'

/** Time for what waits to be sent when the conn is closed, in ms; a peer that does not read must not hold us up. */
const flushTimeoutMs = 1000

/** The conn in use, as far as a handshake needs it. */
export interface HandshakeWire {
  readonly conn: Conn
  /** The next message, valid until the next call; `undefined` when the conn ended. */
  read(): Promise<Uint8Array | undefined>
  write(message: Uint8Array): void
}

export class OpenConn implements HandshakeWire {
  readonly conn: Conn
  readonly outbox = new Outbox()
  readonly inbound: AsyncIterator<Uint8Array>
  readonly #sent: Promise<void>
  #state: 'open' | 'closing' | 'aborted' = 'open'

  constructor(conn: Conn) {
    this.conn = conn
    this.inbound = conn.source[Symbol.asyncIterator]()
    // A sink that fails means a conn that is lost; its source says so too, and the reader is who reports it.
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

  /** Sends what waits, then closes. */
  close(reason: string): void {
    if (this.#state !== 'open') return
    this.#state = 'closing'
    if (!this.outbox.isOver) this.outbox.end()
    const timer = setTimeout(() => afterReading(() => this.conn.close(reason)), flushTimeoutMs).unref()
    this.#sent.then(() => {
      clearTimeout(timer)
      if (this.#state === 'closing') this.conn.close(reason)
    })
  }

  /** Cuts the conn now. */
  abort(error: Error): void {
    if (this.#state === 'aborted') return
    this.#state = 'aborted'
    this.conn.abort(error)
    // A conn that is over has given it back by itself; the sink of one that the user made may still wait for it.
    if (!this.outbox.isOver) this.outbox.abort()
  }
}
