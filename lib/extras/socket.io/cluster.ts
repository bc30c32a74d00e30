/**
 * The Socket.IO servers of a grid, seen from one of them: a link to each other one that is connected and runs Socket.IO, and
 * the adapters of this one's namespaces.
 *
 * It begins with the first namespace and ends with the last, and begins again with the next.
 */

import {
  type Connection,
  type ConnectionEvent,
  channels,
  type Logger,
  type Manager,
  type Messages
} from '../../index.ts'
import { Inbound } from './inbound.ts'
import { Link } from './link.ts'
import { textOf } from './message.ts'
import { type Listener, Questions } from './questions.ts'
import { clusterStream } from './words.ts'

/** A server that is there, but with which a stream has failed, is tried again after so long. */
const retryMs = 1000
const warnEveryMs = 60_000

export interface ClusterInit {
  readonly grid: Manager
  readonly subroute: string
  readonly maxQueuedBytes: number
  readonly logger: Pick<Logger, 'warn' | 'error'>
}

export class Cluster {
  readonly questions = new Questions()
  readonly #init: ClusterInit
  readonly #listeners = new Map<string, Listener>()
  readonly #links = new Map<string, Link>()
  readonly #inbound = new Set<Inbound>()
  /** When the last stream of each host is read. */
  readonly #read = new Map<string, Promise<void>>()
  /** What ends it. */
  readonly #followed = new Map<Connection, () => void>()
  /** When it was warned of each host last. */
  readonly #warnedMs = new Map<string, number>()
  /** Ends what was begun. */
  #end: (() => void) | undefined

  constructor(init: ClusterInit) {
    this.#init = init
  }

  /** To the other servers that are there now. */
  get links(): readonly Link[] {
    return [...this.#links.values()]
  }

  get maxQueuedBytes(): number {
    return this.#init.maxQueuedBytes
  }

  /** @throws {HandlerExistsError} when another Socket.IO server has the subroute; {ClosedError} when the grid is closed */
  open(namespace: string, listener: Listener): void {
    if (this.#end === undefined) this.#start()
    this.#listeners.set(namespace, listener)
  }

  find(namespace: string): Listener | undefined {
    return this.#listeners.get(namespace)
  }

  close(namespace: string, listener: Listener): void {
    if (this.#listeners.get(namespace) === listener) this.#listeners.delete(namespace)
    this.questions.leave(listener)
    if (this.#listeners.size > 0) return
    const end = this.#end
    // First: a link that leaves is not to be followed by another one.
    this.#end = undefined
    end?.()
  }

  #start(): void {
    const { grid, subroute } = this.#init
    const options = { subroute }
    grid.handle(clusterStream, (_nothing, requests, { host }) => this.#receive(requests, host), options)
    const onEvent = (event: ConnectionEvent) => {
      if (event.type === 'state' && event.state === 'connected' && event.local === grid.local) this.#follow(event.host)
    }
    channels.connection.subscribe(onEvent)
    this.#end = () => {
      channels.connection.unsubscribe(onEvent)
      grid.unhandle(clusterStream, options)
      this.#stop()
    }
    for (const { host } of grid.connections) this.#follow(host)
  }

  #stop(): void {
    for (const leave of this.#followed.values()) leave()
    this.#followed.clear()
    for (const link of this.links) link.leave()
    for (const inbound of this.#inbound) inbound.close()
    this.#warnedMs.clear()
  }

  /** A list of hosts changes, and each host that appears has a connection of its own. */
  #follow(host: string): void {
    const connection = this.#init.grid.connections.find((known) => known.host === host)
    if (connection === undefined || this.#followed.has(connection)) return
    for (const [known, leave] of this.#followed) {
      if (known.state !== 'closed') continue
      leave()
      this.#followed.delete(known)
    }
    const onHandlers = () => this.#link(connection)
    connection.on('handlers', onHandlers)
    this.#followed.set(connection, () => connection.off('handlers', onHandlers))
    onHandlers()
  }

  #link(connection: Connection): void {
    const { subroute, maxQueuedBytes } = this.#init
    const { host } = connection
    if (this.#end === undefined || this.#links.has(host) || !isMember(connection, subroute)) return
    const link: Link = new Link({
      ...{ connection, subroute, maxQueuedBytes },
      onLeft: (end) => this.#onLeft(connection, link, end)
    })
    this.#links.set(host, link)
  }

  #onLeft(connection: Connection, link: Link, end?: { readonly fault: Error | undefined }): void {
    if (this.#links.get(link.host) === link) this.#links.delete(link.host)
    if (this.#end === undefined) return
    // Its session is renewed: the next link is read after this one.
    if (end === undefined) return this.#link(connection)
    if (end.fault !== undefined) this.#warn(link.host, end.fault)
    setTimeout(() => this.#link(connection), retryMs).unref()
  }

  /** A stream of a host is read when its streams before are: in order, and never more than one. */
  #receive(requests: Messages<Uint8Array>, host: string) {
    const { maxQueuedBytes } = this.#init
    const inbound = new Inbound({
      ...{ host, maxQueuedBytes, questions: this.questions, find: (namespace) => this.find(namespace) },
      onFault: (text, error) => this.#init.logger.error(`${text}: ${describe(error)}`)
    })
    this.#inbound.add(inbound)
    const read = (this.#read.get(host) ?? Promise.resolve())
      .then(() => inbound.read(requests))
      .then(() => {
        this.#inbound.delete(inbound)
        if (this.#read.get(host) === read) this.#read.delete(host)
      })
    this.#read.set(host, read)
    return inbound.replies()
  }

  /** A server that is slow, or cannot be understood, may be so for long. */
  #warn(host: string, { message }: Error): void {
    const nowMs = performance.now()
    if (nowMs - (this.#warnedMs.get(host) ?? Number.NEGATIVE_INFINITY) < warnEveryMs) return
    this.#warnedMs.set(host, nowMs)
    this.#init.logger.warn(`what waited for ${host} is lost: ${message}`)
  }
}

function isMember({ state, handlers }: Connection, under: string): boolean {
  return (
    state === 'connected' &&
    handlers.some(({ handler, subroute }) => handler === clusterStream.id && subroute === under)
  )
}

function describe(error: unknown): string {
  return error instanceof Error && typeof error.stack === 'string' ? error.stack : textOf(error)
}
