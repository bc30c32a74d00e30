/**
 * A peer that speaks exact frames, in any order, against a real session: for what a well-behaved peer never sends.
 *
 * The session under test is built directly on an in-memory conn, without a handshake; the raw peer holds the other end
 * and keeps every frame that it was sent. For one that meets a whole manager, over memory or a WebSocket, see `siege.ts`.
 */

import type { Conn } from '../../../lib/conn/conn.ts'
import { memoryPair } from '../../../lib/conn/memory.ts'
import { defaultKeepAlive, defaultLimits, type KeepAliveOptions, type Limits } from '../../../lib/errors/options.ts'
import { LocalHandlers } from '../../../lib/handler/table.ts'
import { Beat } from '../../../lib/session/beat.ts'
import type { SessionEnd } from '../../../lib/session/end.ts'
import { Session } from '../../../lib/session/session.ts'
import { FrameType, type HandlerEntry } from '../../../lib/wire/frame.ts'
import { Wire } from '../../../lib/wire/wire.ts'
import { until } from '../until.ts'
import { type RawFramesOptions, rawFrames } from './frames.ts'
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

export type RawPeer = ReturnType<typeof rawPeer>

export function rawPeer(options: RawPeerOptions = {}) {
  const { capacity = 1000, log = false, role = 'listener', remoteUnderstands = [], checksum = false } = options
  const { handlers = new LocalHandlers(defaultLimits.maxNameBytes) } = options
  const [mine, theirs] = memoryPair({ capacity, log })
  const raw = rawFrames(connWire(mine), options)
  const wire = new Wire(options.over?.(theirs) ?? theirs)
  const limits = { ...defaultLimits, ...options.limits }
  const beat = new Beat(options.keepAlive?.intervalMs ?? defaultKeepAlive.intervalMs)
  const init = sessionInit({ wire, handlers, limits, beat, role, remoteUnderstands, checksum })
  const session = new Session(init, {
    onHandlers: () => undefined,
    onReady: () => {
      peer.ready = true
    },
    onLeftOut: () => {},
    onDraining: () => {
      peer.draining = true
      options.onDraining?.()
    },
    onEnd: (end) => {
      peer.end = end
      options.onEnd?.()
    }
  })
  const peer = {
    ...raw,
    ...{ session, handlers, ready: false, draining: false },
    /** The session's end of the conn. */
    wire,
    /** How the session ended. */
    end: undefined as SessionEnd | undefined,
    /** The direction from the session to the raw peer: held, it is a peer that reads nothing. */
    link: theirs.link,

    /** Starts the session and sends it the handler table it waits for. */
    async start(entries: readonly HandlerEntry[] = [rawSingle, rawStream]) {
      session.start()
      raw.send(table(...entries))
      await until(() => peer.ready && raw.of(FrameType.handlers).length > 0, 'the session is ready')
      return peer
    },

    /** Ends the session and waits for it. */
    async stop(): Promise<void> {
      session.abort({ reason: 'shutdown', text: 'the spec is over' })
      await until(() => peer.end !== undefined, 'the session has ended')
      raw.wire.cut()
    },

    /** Closes the conn in an orderly way. */
    close: () => raw.wire.close(),

    /** Cuts the conn. */
    cut: () => raw.wire.cut()
  }
  return peer
}
