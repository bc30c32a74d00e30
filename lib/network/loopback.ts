/**
 * The connection of a server to itself, so that code which calls all servers of a grid does not need a special case for it.
 *
 * A session over memory with both ends here: calls have the same deadlines, windows and errors as others. It needs no
 * handshake, since nothing else can be at the other end, and it knows of each handler at once.
 */

import { randomBytes } from 'node:crypto'
import { memoryPair } from '../conn/memory.ts'
import { Connection } from '../connection/connection.ts'
import type { Logger } from '../errors/logger.ts'
import { maxLimit, maxTimeoutMs, type ReconnectOptions } from '../errors/options.ts'
import type { OpenTally } from '../figures/figures.ts'
import { LocalHandlers, RemoteHandlers } from '../handler/table.ts'
import type { Hooks } from '../hooks/hooks.ts'
import type { CallerInterceptor } from '../hooks/interceptor.ts'
import type { Established } from '../peer/establish.ts'
import { understood } from '../peer/hello.ts'
import type { SessionEnd } from '../session/end.ts'
import { Session, type SessionInit } from '../session/session.ts'
import { Wire } from '../wire/wire.ts'

export interface LoopbackInit {
  readonly local: string
  /** In hex. */
  readonly instance: string
  /** What all sessions of this server have in common. */
  readonly session: Pick<SessionInit, 'limits' | 'beat' | 'handlers'>
  readonly reconnect: Readonly<ReconnectOptions>
  readonly logger: Logger
  readonly hooks: Hooks<CallerInterceptor>
}

export class Loopback {
  readonly connection: Connection
  readonly #init: LoopbackInit
  /** The end that answers. */
  #responder: Session | undefined

  constructor(init: LoopbackInit) {
    const { local, reconnect, logger, session, hooks } = init
    const { figures } = session.handlers
    this.#init = init
    const dial = async () => this.#dial()
    const calls = { figures, hooks, wait: true }
    this.connection = new Connection({ host: local, dials: true, dial, reconnect, logger, calls })
  }

  /** `tally` takes what is open at both ends. */
  addOpen(tally: OpenTally): void {
    this.connection.read(tally)
    this.#responder?.stats(tally)
  }

  /** Both ends take no new calls. Running calls may end within `graceMs`. */
  async close(end: SessionEnd, graceMs: number): Promise<void> {
    const responder = this.#responder
    // The one of the callers ends with the other one, so that handlers hear of a shutdown of this server and not of a lost caller.
    const ownMs = responder === undefined ? graceMs : maxTimeoutMs
    await Promise.all([responder?.close(end, graceMs), this.connection.close(end, graceMs, ownMs)])
  }

  #dial(): Established {
    const { local: host, instance, session: common } = this.#init
    const id = randomBytes(8).toString('hex')
    const identity = Object.freeze({})
    const remote = Object.freeze({ host, role: 'host', instance, session: id, identity, address: 'memory' } as const)
    // A server may call all of its handlers, however few it accepts of others.
    const limits = { ...common.limits, maxHandlers: maxLimit }
    const session = { ...common, limits, remote, remoteLimits: limits, remoteUnderstands: understood, checksum: false }
    // Yields, or a server that calls itself in a loop would do nothing else.
    const [near, far] = memoryPair({ yields: true })
    const ignore = () => {}
    this.#responder = new Session(
      { ...session, wire: new Wire(far), role: 'listener' },
      { onReady: ignore, onHandlers: ignore, onLeftOut: ignore, onDraining: ignore, onEnd: ignore }
    )
    const remoteHandlers = new RemoteHandlers(maxLimit, true, host)
    this.#responder.start(remoteHandlers)
    const deadlineMs = performance.now() + limits.handshakeTimeoutMs
    const none = new LocalHandlers(limits.maxNameBytes, undefined, common.handlers.figures)
    return {
      session: { ...session, wire: new Wire(near), role: 'dialer', handlers: none },
      ...{ remoteHandlers, deadlineMs, renews: false, renewBefore: undefined }
    }
  }
}
