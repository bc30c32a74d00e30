/**
 * The adapter of one namespace: what Socket.IO does on this server, done on all servers of the grid.
 *
 * What is encoded once goes to every server that runs Socket.IO. None is left out for having no client in a room: what it has
 * told of its rooms would be older than what a client of it knows, who may have joined by now.
 */

import {
  Adapter,
  type BroadcastOptions,
  ClusterAdapter,
  type ClusterMessage,
  type ClusterResponse,
  MessageType,
  type Room
} from 'socket.io-adapter'
import { InvalidOptionError } from '../../index.ts'
import { askClients, askServers, type Question } from './asking.ts'
import type { Cluster } from './cluster.ts'
import { encodeMessage, type Message } from './message.ts'
import { type Listener, maxTimeoutMs } from './questions.ts'
import type { Word } from './words.ts'

/** What a word is made of; the rest is the same for all words of an adapter. */
interface Said {
  readonly type: MessageType
  readonly data: object
}

type Ack = (error: Error | null, responses: readonly unknown[]) => void

/** What each does on this server only. */
const local = Adapter.prototype

export class GridAdapter extends ClusterAdapter implements Listener {
  readonly #cluster: Cluster
  readonly #requestsTimeoutMs: number
  #asked = 0

  /** @throws {InvalidOptionError} when the Socket.IO server is not set up for it */
  constructor(nsp: unknown, cluster: Cluster, requestsTimeoutMs: number) {
    super(nsp)
    this.#cluster = cluster
    this.#requestsTimeoutMs = requestsTimeoutMs
    checkNamespace(this, cluster)
    cluster.open(this.nsp.name, this)
  }

  override close(): void {
    this.#cluster.close(this.nsp.name, this)
  }

  /** How many servers run Socket.IO, with this one, whether or not they have this namespace. */
  override serverCount(): Promise<number> {
    return Promise.resolve(1 + this.#cluster.links.length)
  }

  // At once on this server, and not after the others as in the base class: what follows, follows in the same order.

  override broadcast(packet: unknown, opts: BroadcastOptions): Promise<void> {
    return this.#everywhere({ type: MessageType.BROADCAST, data: { packet, opts: toData(opts) } }, opts, () =>
      local.broadcast.call(this, packet, opts)
    )
  }

  override addSockets(opts: BroadcastOptions, rooms: Room[]): Promise<void> {
    return this.#everywhere({ type: MessageType.SOCKETS_JOIN, data: { opts: toData(opts), rooms } }, opts, () =>
      local.addSockets.call(this, opts, rooms)
    )
  }

  override delSockets(opts: BroadcastOptions, rooms: Room[]): Promise<void> {
    return this.#everywhere({ type: MessageType.SOCKETS_LEAVE, data: { opts: toData(opts), rooms } }, opts, () =>
      local.delSockets.call(this, opts, rooms)
    )
  }

  override disconnectSockets(opts: BroadcastOptions, close: boolean): Promise<void> {
    return this.#everywhere({ type: MessageType.DISCONNECT_SOCKETS, data: { opts: toData(opts), close } }, opts, () =>
      local.disconnectSockets.call(this, opts, close)
    )
  }

  override broadcastWithAck(
    packet: unknown,
    opts: BroadcastOptions,
    clientCountCallback: (clientCount: number) => void,
    ack: (...args: unknown[]) => void
  ): void {
    const { links } = this.#cluster
    const isLocal = opts.flags?.local === true
    const data = { packet, opts: toData(opts) }
    const question = isLocal ? undefined : this.#ask({ type: MessageType.BROADCAST, data }, opts.flags?.timeout)
    local.broadcastWithAck.call(this, packet, opts, clientCountCallback, ack)
    if (question !== undefined) askClients(question, { onServer: clientCountCallback, onAck: ack })
    // Socket.IO waits for as many counts as there are servers.
    else for (const _ of links) clientCountCallback(0)
  }

  override async fetchSockets(opts: BroadcastOptions): ReturnType<ClusterAdapter['fetchSockets']> {
    if (opts.flags?.local === true) return await local.fetchSockets.call(this, opts)
    const question = this.#ask({ type: MessageType.FETCH_SOCKETS, data: { opts: toData(opts) } }, opts.flags?.timeout)
    const [own, { values, error }] = await Promise.all([local.fetchSockets.call(this, opts), askServers(question)])
    if (error !== null) throw error
    return [...own, ...values.flat()]
  }

  /** At the other servers. */
  override serverSideEmit(packet: unknown[]): Promise<void> {
    const given = packet.at(-1)
    if (typeof given !== 'function') return this.#say({ type: MessageType.SERVER_SIDE_EMIT, data: { packet } })
    const data = { packet: packet.slice(0, -1) }
    const answers = askServers(this.#ask({ type: MessageType.SERVER_SIDE_EMIT, data }))
    return answers.then(({ values, error }) => (given as Ack)(error, values))
  }

  /** Of another server. */
  hear(word: Word): void {
    this.onMessage(word)
  }

  protected override doPublish({ type, ...message }: ClusterMessage): Promise<string> {
    this.#say({ type, data: 'data' in message ? message.data : {} })
    return Promise.resolve('')
  }

  protected override doPublishResponse(_uid: string, response: ClusterResponse): Promise<void> {
    this.#cluster.questions.answer(response)
    return Promise.resolve()
  }

  /** What cannot be encoded is done nowhere. */
  #everywhere(said: Said, opts: BroadcastOptions, doHere: () => void): Promise<void> {
    const { links } = this.#cluster
    const message = opts.flags?.local === true || links.length === 0 ? undefined : this.#encode(said)
    doHere()
    if (message !== undefined) for (const link of links) link.say(message)
    return Promise.resolve()
  }

  #say(said: Said): Promise<void> {
    const message = this.#encode(said)
    for (const link of this.#cluster.links) link.say(message)
    return Promise.resolve()
  }

  #ask({ type, data }: Said, givenMs?: number): Question {
    // Socket.IO takes 0 as none. JSON, in which the others are told of it, has no Infinity.
    const timeoutMs = Math.min(givenMs || this.#requestsTimeoutMs, maxTimeoutMs)
    const id = `${this.uid}-${++this.#asked}`
    const message = this.#encode({ type, data: { ...data, requestId: id } }, timeoutMs)
    return { id, message, timeoutMs, links: this.#cluster.links }
  }

  /** @throws {TypeError} when it cannot be encoded; {RangeError} when it is more than may wait for a server */
  #encode(said: Said, within?: number): Message {
    const message = encodeMessage({ uid: this.uid, nsp: this.nsp.name, ...said, within })
    const { maxQueuedBytes } = this.#cluster
    if (message.bytes <= maxQueuedBytes) return message
    throw new RangeError(`${message.bytes} bytes are more than maxQueuedBytes of the adapter, ${maxQueuedBytes}`)
  }
}

function checkNamespace(adapter: GridAdapter, cluster: Cluster): void {
  const { name, server } = adapter.nsp
  if (server.opts.connectionStateRecovery) {
    throw new InvalidOptionError(
      'it-grid/socket.io keeps no missed events, so connectionStateRecovery cannot be kept: leave it out, and let clients that reconnect fetch what they missed'
    )
  }
  const before = cluster.find(name)
  if (before instanceof GridAdapter && before.nsp !== adapter.nsp) {
    throw new InvalidOptionError(
      `another Socket.IO server of this process has ${name} by this adapter: give each a createAdapter() with a subroute of its own`
    )
  }
}

function toData({ rooms, except, flags = {} }: BroadcastOptions) {
  return { rooms: [...rooms], except: [...(except ?? [])], flags }
}
