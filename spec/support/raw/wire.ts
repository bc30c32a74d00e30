/**
 * Whole messages, to and from the end under test: what a raw peer stands on.
 *
 * A bare WebSocket to a real server, or the other end of any `Conn`. Nothing here knows handshakes or frames.
 */

import { on, once } from 'node:events'
import { WebSocket } from 'ws'
import type { Conn } from '../../../lib/conn/conn.ts'
import { subprotocol } from '../../../lib/errors/options.ts'
import { Wire } from '../../../lib/wire/wire.ts'

export interface RawWire {
  /** The other end has closed, or the conn is lost. */
  readonly closed: boolean
  /** The code of the WebSocket that the other end closed with; 1000 where a conn has none. */
  readonly closeCode: number | undefined
  write(message: Uint8Array): void
  /** The next message; undefined when the conn is over. */
  read(): Promise<Uint8Array | undefined>
  /** Reads nothing more, so that the other end finds no room to send. */
  pause(): void
  resume(): void
  /** Closes in an orderly way, behind what was written. */
  close(): void
  cut(): void
}

/** Over the other end of a conn, such as one of a `memoryPair()`. */
export function connWire(conn: Conn): RawWire {
  const open = new Wire(conn)
  let closed = false
  let resume = () => {}
  let resumed: Promise<void> | undefined
  return {
    get closed() {
      return closed
    },
    get closeCode() {
      return closed ? 1000 : undefined
    },
    write: (message) => open.write(message),
    async read() {
      if (resumed !== undefined) await resumed
      try {
        const message = await open.read()
        closed ||= message === undefined
        return message
      } catch {
        closed = true
        return undefined
      }
    },
    pause() {
      resumed = new Promise((resolve) => {
        resume = resolve
      })
    },
    resume: () => resume(),
    close: () => open.close('bye'),
    cut: () => open.abort(new Error('cut'))
  }
}

/** A WebSocket that reads message by message. */
export class WebSocketWire implements RawWire {
  readonly ws: WebSocket
  closed = false
  closeCode: number | undefined
  readonly #messages: AsyncIterator<Uint8Array[]>

  private constructor(ws: WebSocket) {
    this.ws = ws
    this.#messages = on(ws, 'message', { close: ['close'] })
    ws.on('error', () => ws.terminate())
    ws.on('close', (code) => {
      this.closed = true
      this.closeCode = code
    })
  }

  /** Resolves when the upgrade is done. */
  static async open(url: string): Promise<WebSocketWire> {
    const ws = new WebSocket(`${url.replace('http', 'ws')}/grid/v1`, subprotocol)
    await once(ws, 'open')
    return new WebSocketWire(ws)
  }

  write(message: Uint8Array): void {
    if (this.ws.readyState === WebSocket.OPEN) this.ws.send(message)
  }

  async read(): Promise<Uint8Array | undefined> {
    const { value } = await this.#messages.next().catch(() => ({ value: undefined }))
    return value?.[0]
  }

  pause(): void {
    this.ws.pause()
  }

  resume(): void {
    this.ws.resume()
  }

  close(): void {
    this.ws.close(1000)
  }

  cut(): void {
    this.ws.terminate()
  }
}
