/**
 * The connections of a manager to all other servers: one for each host of its list, made, closed, and told when to hurry.
 *
 * It decides which peer is let in, by its name. Who proves a name, and how conns are made, is in `peer/`.
 */

import { setImmediate } from 'node:timers'
import type { AnySignal } from '../base/abort.ts'
import { soon } from '../base/promise.ts'
import { errorText } from '../base/text.ts'
import { Connection } from '../connection/connection.ts'
import type { ConnectionInit } from '../connection/init.ts'
import { describeSilence, type WhileWaiting } from '../connection/silence.ts'
import { ClosedError, RejectedError } from '../errors/errors.ts'
import type { Logger } from '../errors/logger.ts'
import { defaultCloseTimeoutMs, type ReconnectOptions } from '../errors/options.ts'
import type { OpenTally } from '../figures/figures.ts'
import type { GridFigures } from '../figures/grid-figures.ts'
import type { Hooks } from '../hooks/hooks.ts'
import type { CallerInterceptor } from '../hooks/interceptor.ts'
import type { Established, Establisher } from '../peer/establish.ts'
import type { Refusal } from '../peer/handshake.ts'
import { dialerOf, hintAtHost } from '../peer/hosts.ts'
import { addTotals, createTotals, type SessionTotals } from '../report/stats.ts'
import type { SessionEnd } from '../session/end.ts'

/** Many hosts may be silent at once. */
const ownNameEveryMs = 60_000

export interface PeersInit {
  readonly local: string
  readonly reconnect: Readonly<ReconnectOptions>
  readonly figures: GridFigures
  readonly logger: Logger
  readonly establisher: Establisher
  /** Conns can arrive at this server. */
  readonly isAttached: () => boolean
  /** What stands around the calls that this server makes. */
  readonly hooks: Hooks<CallerInterceptor>
}

/** What all connections are made with: there may be thousands. */
type CommonInit = Omit<ConnectionInit, 'host' | 'dials'>

export class Peers {
  readonly #init: PeersInit
  readonly #common: CommonInit
  readonly #connections = new Map<string, Connection>()
  /** Connections to removed hosts, while their running calls end. */
  readonly #leaving = new Set<Connection>()
  /** Of those that have ended. */
  readonly #removed = createTotals()
  /** When the next connection hurries the others, of `performance.now()`. */
  #hurryNextMs = 0
  /** When this server may dial its own name again, of `performance.now()`. */
  #ownNameNextMs = 0

  readonly #waits = new Set<{ readonly onChange: () => void; readonly onClosed: (error: ClosedError) => void }>()

  constructor(init: PeersInit) {
    this.#init = init
    this.#common = this.#createCommon(init)
  }

  get connections(): Connection[] {
    return [...this.#connections.values()]
  }

  find(name: string): Connection | undefined {
    return this.#connections.get(name)
  }

  /** From now on there is a connection to each of `names`, which are canonical and those of others, and to no other host. */
  set(names: ReadonlySet<string>): void {
    const { local, logger } = this.#init
    for (const [name, connection] of this.#connections) {
      if (names.has(name)) continue
      this.#connections.delete(name)
      this.#leaving.add(connection)
      const end = { reason: 'hostRemoved', text: `${name} is no longer among the hosts of ${local}` } as const
      connection
        .close(end, defaultCloseTimeoutMs)
        .catch((error) => logger.error(errorText(error)))
        .finally(() => this.#leave(connection))
    }
    for (const name of names) if (!this.#connections.has(name)) this.#add(name)
    // Only then is the list in force.
    soon(() => this.#tellWaits())
  }

  /** What the connections to hosts that were removed have counted. `tally` takes what is open on them. */
  removedTotals(tally: OpenTally): SessionTotals {
    const totals = { ...this.#removed }
    for (const connection of this.#leaving) addTotals(totals, connection.read(tally).totals)
    return totals
  }

  #leave(connection: Connection): void {
    this.#leaving.delete(connection)
    addTotals(this.#removed, connection.stats().totals)
  }

  /** Calls `onChange` when a peer is connected, or offers others handlers, or the list has changed; `onClosed` at the end; returns what ends this. */
  onChange(onChange: () => void, onClosed: (error: ClosedError) => void): () => void {
    const wait = { onChange, onClosed }
    this.#waits.add(wait)
    return () => this.#waits.delete(wait)
  }

  /** No new calls on any of them; those that run go on. */
  refuse(end: SessionEnd): void {
    for (const connection of this.#connections.values()) connection.refuse(end)
    for (const { onClosed } of this.#waits) onClosed(new ClosedError(`the manager is closed: ${end.text}`))
  }

  /** All hosts, or the network, may be there again. */
  hurry(): void {
    for (const connection of this.#connections.values()) connection.hurry()
  }

  /** @throws {RejectedError} when the host was removed after it was admitted */
  adopt(host: string, established: Established): void {
    const connection = this.#connections.get(host)
    if (connection === undefined) throw new RejectedError('unknownHost', `${host} is no longer among the hosts`)
    connection.adopt(established)
  }

  /** Why a peer that has proved its name is refused; undefined when it is not. */
  admit(host: string, instance: string): Refusal | undefined {
    const { local } = this.#init
    const connection = this.#connections.get(host)
    if (connection === undefined) {
      const hint = hintAtHost(host, this.#connections.keys())
      return { reason: 'unknownHost', message: `${host} is not among the hosts of ${local}${hint}` }
    }
    if (dialerOf(local, host) === local) {
      connection.onKnock(instance)
      return { reason: 'wrongDirection', message: `${local} dials ${host}, not the other way round` }
    }
    return undefined
  }

  /** Running calls may end within `graceMs`. */
  async close(end: SessionEnd, graceMs: number): Promise<void> {
    await Promise.all([...this.connections, ...this.#leaving].map((connection) => connection.close(end, graceMs)))
  }

  #add(name: string): void {
    const { local } = this.#init
    const dials = dialerOf(local, name) === local
    const connection = new Connection({ host: name, dials, ...this.#common })
    this.#connections.set(name, connection)
    // In the next turn, so that handlers registered in this one are in the first table.
    setImmediate(() => connection.start())
  }

  #createCommon({ reconnect, logger, figures, hooks, establisher }: PeersInit): CommonInit {
    return {
      ...{ reconnect, logger, calls: { figures, hooks }, whileWaiting: this.#createWhileWaiting() },
      dial: (host, signal, renews) => establisher.dial(host, signal, renews),
      shared: {
        isBusy: () => establisher.isBusy,
        onConnected: () => this.#onConnected(),
        onHandlers: () => this.#tellWaits(),
        clash: establisher.clash
      }
    }
  }

  #createWhileWaiting(): WhileWaiting {
    const { local, establisher, isAttached } = this.#init
    return {
      describeSilence: (name, ago) => {
        const known = { isAttached: isAttached(), conns: establisher.arrived, ...establisher.refusalsOf(name) }
        return describeSilence(name, local, { ...known, ...ago })
      },
      knock: (host, signal) => establisher.knock(host, signal),
      onSilent: (signal) => this.#dialOwnName(signal)
    }
  }

  /** It should lead to this process. If it leads to another one with its name, both learn that. */
  #dialOwnName(signal: AnySignal): void {
    if (performance.now() < this.#ownNameNextMs) return
    this.#ownNameNextMs = performance.now() + ownNameEveryMs
    // It need not lead anywhere from here.
    this.#init.establisher.knock(this.#init.local, signal).catch(() => undefined)
  }

  /** A host is there again: so may be others, if it was the network that was away. Rarely, for others may be away for long. */
  #onConnected(): void {
    if (performance.now() < this.#hurryNextMs) return
    this.#hurryNextMs = performance.now() + this.#init.reconnect.maxDelayMs
    this.hurry()
  }

  #tellWaits(): void {
    for (const { onChange } of this.#waits) onChange()
  }
}
