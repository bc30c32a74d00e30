/**
 * A peer that speaks exact frames, in any order, against a real session: for what a well-behaved peer never sends.
 *
 * The session under test is built directly on an in-memory conn, without a handshake; the raw peer holds the other end
 * and keeps every frame that it was sent.
 */

import { type Frame, FrameType, type HandlerEntry, HandlerKind } from '../../lib/frame.ts'
import { LocalHandlers } from '../../lib/handlers.ts'
import { type MemoryLink, memoryPair } from '../../lib/memory.ts'
import { OpenConn } from '../../lib/open-conn.ts'
import { defaultKeepAlive, defaultLimits, type KeepAliveOptions, type Limits } from '../../lib/options.ts'
import { Session } from '../../lib/session.ts'
import type { SessionEnd } from '../../lib/session-end.ts'
import { naiveBatch, naiveDecode } from './naive-codec.ts'
import { until } from './until.ts'

export interface RawPeerOptions {
  /** The role of the session; the raw peer has the other one. Default `listener`. */
  readonly role?: 'dialer' | 'listener'
  readonly limits?: Partial<Limits>
  readonly keepAlive?: Partial<KeepAliveOptions>
  /** Messages that the conn holds. Default 1000. */
  readonly capacity?: number
}

const noChecksum = false

export const rawSingle: HandlerEntry = {
  kind: HandlerKind.single,
  inCapacity: 0,
  outCapacity: 1,
  subroute: '',
  id: 'raw.single'
}
export const rawStream: HandlerEntry = {
  kind: HandlerKind.streaming,
  inCapacity: 2,
  outCapacity: 2,
  subroute: '',
  id: 'raw.stream'
}

export class RawPeer {
  readonly session: Session
  readonly handlers = new LocalHandlers(defaultLimits.maxNameBytes)
  /** Every frame that the session sent, pings left out. */
  readonly frames: Frame[] = []
  /** How the session ended. */
  end: SessionEnd | undefined
  ready = false
  draining = false
  /** The direction from the session to the raw peer: held, it is a peer that reads nothing. */
  readonly link: MemoryLink
  readonly #wire: OpenConn

  constructor(options: RawPeerOptions = {}) {
    const [mine, theirs] = memoryPair({ capacity: options.capacity ?? 1000 })
    this.#wire = new OpenConn(mine)
    this.link = theirs.link
    const limits = { ...defaultLimits, ...options.limits }
    this.session = new Session({
      wire: new OpenConn(theirs),
      role: options.role ?? 'listener',
      remote: { host: 'http://raw', instance: '00', identity: {}, address: 'memory' },
      remoteLimits: limits,
      limits,
      keepAlive: { ...defaultKeepAlive, ...options.keepAlive },
      handlers: this.handlers,
      checksum: noChecksum,
      onReady: () => {
        this.ready = true
      },
      onDraining: () => {
        this.draining = true
      },
      onEnd: (end) => {
        this.end = end
      }
    })
    const done = this.#read()
    done.catch((error) => {
      this.end ??= { reason: 'lost', text: String(error) }
    })
  }

  /** Starts the session and sends it the handler table it waits for. */
  async start(entries: readonly HandlerEntry[] = [rawSingle, rawStream]): Promise<this> {
    this.session.start()
    this.send({ type: FrameType.handlers, flags: 0, entries: [...entries] })
    await until(() => this.ready && this.of(FrameType.handlers).length > 0, 'the session is ready')
    return this
  }

  /** Sends the frames in one batch. */
  send(...frames: Frame[]): void {
    this.#wire.write(naiveBatch(frames, noChecksum))
  }

  /** Sends bytes as one message of the conn. */
  sendBytes(bytes: Uint8Array): void {
    this.#wire.write(bytes)
  }

  /** The frames of one type that arrived so far. */
  of<Type extends Frame['type']>(type: Type): Extract<Frame, { type: Type }>[] {
    return this.frames.filter((frame): frame is Extract<Frame, { type: Type }> => frame.type === type)
  }

  /** Resolves with the first frame of `type` that satisfies `test`. */
  async frame<Type extends Frame['type']>(
    type: Type,
    test: (frame: Extract<Frame, { type: Type }>) => boolean = () => true
  ): Promise<Extract<Frame, { type: Type }>> {
    await until(() => this.of(type).some(test), `a frame of type ${type}`)
    return this.of(type).find(test) as Extract<Frame, { type: Type }>
  }

  /** Ends the session and waits for it. */
  async stop(): Promise<void> {
    this.session.end({ reason: 'shutdown', text: 'the spec is over' })
    await until(() => this.end !== undefined, 'the session has ended')
    this.#wire.abort(new Error('the spec is over'))
  }

  /** Cuts the conn. */
  cut(): void {
    this.#wire.abort(new Error('cut'))
  }

  async #read(): Promise<void> {
    for (let batch = await this.#wire.read(); batch !== undefined; batch = await this.#wire.read()) {
      for (const frame of naiveDecode(batch, noChecksum)) if (frame.type !== FrameType.ping) this.frames.push(frame)
    }
  }
}
