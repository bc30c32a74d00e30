/**
 * A peer that speaks exact frames, in any order, against a real session: for what a well-behaved peer never sends.
 *
 * The session under test is built directly on an in-memory conn, without a handshake; the raw peer holds the other end
 * and keeps every frame that it was sent. For one that meets a whole manager, over memory or a WebSocket, see `siege.ts`.
 */

import { defaultKeepAlive, defaultLimits, type KeepAliveOptions, type Limits } from '../../../lib/base/options.ts'
import type { Conn } from '../../../lib/conn/conn.ts'
import { type MemoryLink, memoryPair } from '../../../lib/conn/memory.ts'
import { LocalHandlers } from '../../../lib/handler/table.ts'
import type { SessionEnd } from '../../../lib/session/end.ts'
import { Session } from '../../../lib/session/session.ts'
import { type Frame, FrameType, type HandlerEntry } from '../../../lib/wire/frame.ts'
import { Wire } from '../../../lib/wire/wire.ts'
import { until } from '../until.ts'
import { RawFrames, type RawFramesOptions } from './frames.ts'
import { rawSingle, rawStream, sessionInit, table } from './make.ts'
import { connWire } from './wire.ts'

export interface RawPeerOptions extends RawFramesOptions {
  /** The role of the session; the raw peer has the other one. Default `listener`. */
  readonly role?: 'dialer' | 'listener'
  readonly limits?: Partial<Limits>
  readonly keepAlive?: Partial<KeepAliveOptions>
  /** What the raw peer says that it understands. Default nothing. */
  readonly remoteUnderstands?: readonly string[]
  /** Messages that the conn holds. Default 1000. */
  readonly capacity?: number
  /** Keeps a copy of each batch that the session sends, in `link.sent`. Default false. */
  readonly log?: boolean
  /** Of the session. Default none, to which a spec adds its own. */
  readonly handlers?: LocalHandlers
  /** Makes the conn of the session of its end of one in memory. */
  readonly over?: (conn: Conn) => Conn
  readonly onDraining?: () => void
  readonly onEnd?: () => void
}

export class RawPeer {
  readonly session: Session
  /** The session's end of the conn. */
  readonly wire: Wire
  readonly handlers: LocalHandlers
  /** How the session ended. */
  end: SessionEnd | undefined
  ready = false
  draining = false
  /** The direction from the session to the raw peer: held, it is a peer that reads nothing. */
  readonly link: MemoryLink
  readonly #raw: RawFrames

  constructor(options: RawPeerOptions = {}) {
    const [mine, theirs] = memoryPair({ capacity: options.capacity ?? 1000, log: options.log ?? false })
    this.#raw = new RawFrames(connWire(mine), options)
    this.handlers = options.handlers ?? new LocalHandlers(defaultLimits.maxNameBytes)
    this.link = theirs.link
    this.wire = new Wire(options.over?.(theirs) ?? theirs)
    const { wire, handlers } = this
    const limits = { ...defaultLimits, ...options.limits }
    const keepAlive = { ...defaultKeepAlive, ...options.keepAlive }
    const { role = 'listener', remoteUnderstands = [], checksum = false } = options
    const init = sessionInit({ wire, handlers, limits, keepAlive, role, remoteUnderstands, checksum })
    this.session = new Session(init, {
      onReady: () => {
        this.ready = true
      },
      onLeftOut: () => {},
      onDraining: () => {
        this.draining = true
        options.onDraining?.()
      },
      onEnd: (end) => {
        this.end = end
        options.onEnd?.()
      }
    })
  }

  /** Starts the session and sends it the handler table it waits for. */
  async start(entries: readonly HandlerEntry[] = [rawSingle, rawStream]): Promise<this> {
    this.session.start()
    this.send(table(...entries))
    await until(() => this.ready && this.of(FrameType.handlers).length > 0, 'the session is ready')
    return this
  }

  /** Every frame that the session sent, pings left out. */
  get frames(): Frame[] {
    return this.#raw.frames
  }

  /** Every ping that the session sent. */
  get pings() {
    return this.#raw.pings
  }

  /** These four as of `RawFrames`. */
  send(...frames: Frame[]): void {
    this.#raw.send(...frames)
  }

  sendBytes(bytes: Uint8Array): void {
    this.#raw.sendBytes(bytes)
  }

  of: RawFrames['of'] = (type) => this.#raw.of(type)
  frame: RawFrames['frame'] = (type, test) => this.#raw.frame(type, test)

  /** Ends the session and waits for it. */
  async stop(): Promise<void> {
    this.session.abort({ reason: 'shutdown', text: 'the spec is over' })
    await until(() => this.end !== undefined, 'the session has ended')
    this.cut()
  }

  /** Closes the conn in an orderly way. */
  close(): void {
    this.#raw.wire.close()
  }

  /** Cuts the conn. */
  cut(): void {
    this.#raw.wire.cut()
  }
}
