/**
 * Conns through a NATS server: `connectNats` is a `ConnDialer`, `acceptNats` takes what others dial. No server of the grid has a
 * port of its own.
 *
 * A conn is a Node `Duplex` over two subjects, one for each direction. NATS holds nobody back and may drop messages, so the
 * receiver acknowledges what it has read, the sender waits for that, and a gap ends the conn. All else is done by the grid:
 * credit, keep-alive, checksums, dialing again.
 */

import { Duplex } from 'node:stream'
import { createInbox, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { type ConnDialer, connectDuplex, duplexConn, type Manager } from 'it-grid'

/** Bytes that may be on their way, unread by the other end. */
const windowBytes = 256 * 1024
/** A NATS server takes messages of up to 1 MiB. */
const partBytes = 128 * 1024

/** The first byte of each message. Behind `data` stand its number, 4 bytes, and the bytes; behind `read` how many were read. */
const kinds = { data: 0, read: 1, end: 2, gone: 3 } as const

/** The subject on which a host is dialed. Names have dots, which mean something in subjects. */
function subjectOf(host: string): string {
  return `grid.dial.${Buffer.from(host).toString('base64url')}`
}

/** Dials hosts of a grid through a NATS server. */
export function connectNats(nats: NatsConnection): ConnDialer {
  return connectDuplex(async (host, { signal }) => {
    const own = createInbox()
    const stream = new NatsStream(nats, own)
    signal.addEventListener('abort', () => stream.destroy(), { once: true })
    const gone = new Promise<never>((_resolve, reject) => stream.once('close', () => reject(stream.errored)))
    try {
      // Without a subscriber, NATS says at once that there is none; what is asked while it is away may be lost.
      const answer = await Promise.race([nats.request(subjectOf(host), own, { timeout: 1000 }), gone])
      return stream.to(answer.string())
    } catch (error) {
      stream.destroy()
      throw new Error(`${host} cannot be reached through NATS`, { cause: error })
    }
  })
}

/** Gives a manager the conns that others dial to it. Returns a function that ends this. */
export function acceptNats(nats: NatsConnection, grid: Manager): () => void {
  const subscription = nats.subscribe(subjectOf(grid.local), {
    callback(_error, dial) {
      const own = createInbox()
      grid.incomingConn(duplexConn(new NatsStream(nats, own).to(dial.string())))
      dial.respond(own)
    }
  })
  return () => subscription.unsubscribe()
}

/** Ends the client, after `grid.close()`, once the conns through it have said goodbye. */
export async function closeNats(nats: NatsConnection): Promise<void> {
  await Promise.all([...watch(nats)].map((stream) => new Promise((resolve) => stream.once('close', resolve))))
  await nats.drain()
}

/** The streams of each client, which all end when it loses its server. */
const streamsOf = new WeakMap<NatsConnection, Set<NatsStream>>()

function watch(nats: NatsConnection): Set<NatsStream> {
  const known = streamsOf.get(nats)
  if (known !== undefined) return known
  const streams = new Set<NatsStream>()
  streamsOf.set(nats, streams)
  const endAll = (why: string): void => {
    for (const stream of streams) stream.destroy(new Error(why))
  }
  const follow = async (): Promise<void> => {
    // What was sent meanwhile is lost, so a conn cannot go on where it was.
    for await (const { type } of nats.status()) if (type === 'disconnect') endAll('the NATS server is gone')
  }
  follow()
  nats.closed().then(() => endAll('the NATS client is closed'))
  return streams
}

class NatsStream extends Duplex {
  readonly #nats: NatsConnection
  readonly #subscription: { unsubscribe(): void }
  readonly #streams: Set<NatsStream>
  #remote: string | undefined
  #sent = 0
  #received = 0
  /** Bytes that the other end has not read. */
  #unread = 0
  #onRead: (() => void) | undefined
  /** Bytes that this end has taken and not yet told. */
  #taken = 0

  constructor(nats: NatsConnection, own: string) {
    super({ highWaterMark: partBytes })
    // While it is dialed, nobody else listens yet.
    this.on('error', () => undefined)
    this.#nats = nats
    this.#streams = watch(nats)
    this.#streams.add(this)
    this.#subscription = nats.subscribe(own, { callback: (_error, message) => this.#onMessage(message) })
  }

  /** The other end listens there. */
  to(remote: string): this {
    this.#remote = remote
    return this
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    for (let at = 0; at < chunk.length; at += partBytes) {
      const part = chunk.subarray(at, at + partBytes)
      const head = Buffer.alloc(5)
      head[0] = kinds.data
      head.writeUInt32BE(this.#sent++ >>> 0, 1)
      this.#publish(Buffer.concat([head, part]))
    }
    this.#unread += chunk.length
    if (this.#unread < windowBytes) done()
    else this.#onRead = done
  }

  override _read(): void {
    if (this.#taken === 0) return
    const told = Buffer.alloc(5)
    told[0] = kinds.read
    told.writeUInt32BE(this.#taken, 1)
    this.#taken = 0
    this.#publish(told)
  }

  override _final(done: () => void): void {
    this.#publish(Buffer.of(kinds.end))
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#publish(Buffer.of(kinds.gone))
    this.#subscription.unsubscribe()
    this.#streams.delete(this)
    done(error)
  }

  #publish(bytes: Uint8Array): void {
    const isOver = this.#nats.isClosed() || this.#nats.isDraining()
    if (this.#remote !== undefined && !isOver) this.#nats.publish(this.#remote, bytes)
  }

  #onMessage({ data }: Msg): void {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.length)
    if (bytes[0] === kinds.end) this.push(null)
    else if (bytes[0] === kinds.gone) this.destroy(new Error('the other end is gone'))
    else if (bytes[0] === kinds.read) this.#onTold(bytes.readUInt32BE(1))
    else if (bytes.readUInt32BE(1) !== this.#received++ >>> 0) this.destroy(new Error('NATS has lost a message'))
    else {
      this.#taken += bytes.length - 5
      // Read while there is room; else `_read` tells it later.
      if (this.push(bytes.subarray(5))) this._read()
    }
  }

  #onTold(read: number): void {
    this.#unread -= read
    if (this.#unread >= windowBytes || this.#onRead === undefined) return
    const done = this.#onRead
    this.#onRead = undefined
    done()
  }
}
