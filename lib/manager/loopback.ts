/**
 * The connection of a server to itself, so that code which calls all servers of a grid needs no case of its own for this one.
 *
 * A session over memory like any other, both ends of which are here: calls have the same deadlines, windows and errors.
 * It needs no handshake, for nobody else can be at the other end.
 */

import type { Logger } from '../base/logger.ts'
import type { KeepAliveOptions, Limits, ReconnectOptions } from '../base/options.ts'
import { memoryPair } from '../conn/memory.ts'
import { Connection } from '../connection/connection.ts'
import { LocalHandlers } from '../handler/table.ts'
import type { Established } from '../peer/establish.ts'
import type { SessionEnd } from '../session/end.ts'
import { Session } from '../session/session.ts'
import { Wire } from '../wire/wire.ts'

export interface LoopbackInit {
  readonly local: string
  /** In hex. */
  readonly instance: string
  readonly limits: Readonly<Limits>
  readonly keepAlive: Readonly<KeepAliveOptions>
  readonly reconnect: Readonly<ReconnectOptions>
  /** Of this server: what it can ask itself. */
  readonly handlers: LocalHandlers
  readonly logger: Logger
}

export class Loopback {
  readonly connection: Connection
  readonly #init: LoopbackInit
  /** The end that answers. */
  #responder: Session | undefined

  constructor(init: LoopbackInit) {
    const { local, reconnect, logger } = init
    this.#init = init
    const dial = async () => this.#dial()
    this.connection = new Connection({ host: local, dials: true, dial, reconnect, logger, callsWait: true })
  }

  /** Both ends take no new calls; running ones may end within `graceMs`. */
  async close(end: SessionEnd, graceMs: number): Promise<void> {
    await Promise.all([this.connection.close(end, graceMs), this.#responder?.close(end, graceMs)])
  }

  #dial(): Established {
    const { local: host, instance, limits, keepAlive, handlers } = this.#init
    const remote = Object.freeze({ host, instance, identity: Object.freeze({}), address: 'memory' })
    const session = { remote, limits, remoteLimits: limits, keepAlive, checksum: false }
    // Or a server that calls itself without end would do nothing else.
    const [near, far] = memoryPair({ yields: true })
    const unheard = () => {}
    this.#responder = new Session(
      { ...session, wire: new Wire(far), role: 'listener', handlers },
      { onReady: unheard, onDraining: unheard, onEnd: unheard }
    )
    this.#responder.start()
    const deadlineMs = performance.now() + limits.handshakeTimeoutMs
    const none = new LocalHandlers(limits.maxNameBytes)
    return {
      session: { ...session, wire: new Wire(near), role: 'dialer', handlers: none },
      ...{ deadlineMs, renews: false, renewBefore: undefined }
    }
  }
}
