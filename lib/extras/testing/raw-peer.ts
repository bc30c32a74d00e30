/**
 * `rawPeer`: a peer of hand-made frames, for what a well-behaved one never sends.
 *
 * It makes the handshake of the protocol page, with a secret that the server knows, and nothing else: what comes behind it are
 * the bytes that a test gives. It answers nothing by itself, pings neither.
 */

import { createHash, randomBytes } from 'node:crypto'
import {
  type Auth,
  canonicalHost,
  DisconnectedError,
  defaultLimits,
  dialerOf,
  type Manager,
  type MemoryConn,
  memoryPair,
  msgpack,
  RejectedError,
  type RejectReason
} from '../../index.ts'
import { invalid, testAuth } from './options.ts'

export interface RawPeerOptions {
  /** Its name: one of the hosts of the server, which by the names is the one that dials. */
  readonly host: string
  /** False says nothing at all: the handshake is the test's, too. Default true. */
  readonly handshake?: boolean
  /** That of the server. Default the one of test grids. */
  readonly auth?: Auth
}

const kinds = { hello: 1, challenge: 2, proof: 3, accept: 4, reject: 5 } as const
const codec = msgpack<Record<string, unknown>>()
const lost = () => new DisconnectedError('lost', 'the conn of the raw peer is over')

/** What the conn pulls, and who waits for that. */
class Outgoing {
  #queue: { readonly message: Uint8Array; readonly done: (error?: Error) => void }[] = []
  #wake: (() => void) | undefined
  #isOver = false

  push(message: Uint8Array): Promise<void> {
    if (this.#isOver) return Promise.reject(lost())
    return new Promise((resolve, reject) => {
      this.#queue.push({ message, done: (error) => (error === undefined ? resolve() : reject(error)) })
      this.#wake?.()
    })
  }

  end(): void {
    this.#isOver = true
    for (const { done } of this.#queue.splice(0)) done(lost())
    this.#wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    while (!this.#isOver) {
      const [head] = this.#queue
      if (head !== undefined) {
        yield head.message
        // The conn has room for another one.
        if (this.#queue[0] === head) this.#queue.shift()
        head.done()
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    }
  }
}

export class RawPeer {
  /** The messages of the server, as bytes: each is a batch of frames. Ends with the conn, and throws when that is lost. */
  readonly received: AsyncIterableIterator<Uint8Array>
  readonly #conn: MemoryConn
  readonly #outgoing = new Outgoing()

  /** @internal by `rawPeer` */
  constructor(conn: MemoryConn) {
    this.#conn = conn
    const source = conn.source[Symbol.asyncIterator]()
    this.received = {
      next: () => source.next(),
      return: async () => ({ done: true, value: undefined }),
      [Symbol.asyncIterator]: () => this.received
    }
    const end = () => this.#outgoing.end()
    conn.sink(this.#outgoing).then(end, end)
  }

  /** Sends the frames in one message. Resolves when the conn has taken it; rejects with a `DisconnectedError` when it is over. */
  send(...frames: readonly Uint8Array[]): Promise<void> {
    return this.#outgoing.push(Buffer.concat(frames))
  }

  /** The conn is lost. */
  close(): void {
    this.#outgoing.end()
    this.#conn.abort(lost())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }
}

/**
 * A raw peer that has dialed `grid`, a server of a test grid or any other.
 *
 * @throws {InvalidOptionError} when an option is wrong, or by the names `grid` is the one that dials
 * @throws {RejectedError} with the reason that the server gives
 */
export async function rawPeer(grid: Manager, options: RawPeerOptions): Promise<RawPeer> {
  if (typeof grid?.incomingConn !== 'function') invalid('rawPeer() takes a Manager first')
  const { handshake = true, auth = testAuth } = options
  const host = canonicalHost(options.host)
  if (dialerOf(host, grid.local) !== host) {
    invalid(`${grid.local} dials ${host}, not the other way round: give the raw peer another name, see dialerOf()`)
  }
  const [mine, theirs] = memoryPair({ capacity: 1000, yields: true })
  const peer = new RawPeer(mine)
  grid.incomingConn(theirs)
  if (!handshake) return peer
  try {
    await shakeHands(peer, mine, auth, { local: host, remote: grid.local })
    return peer
  } catch (error) {
    peer.close()
    throw error
  }
}

async function shakeHands(
  peer: RawPeer,
  conn: MemoryConn,
  auth: Auth,
  { local, remote }: { readonly local: string; readonly remote: string }
): Promise<void> {
  const hello = encode(kinds.hello, {
    ...{ versions: [1], checksum: false, nonce: randomBytes(32), instance: randomBytes(16) },
    ...{ limits: { ...defaultLimits }, host: local, remote }
  })
  await peer.send(hello)
  const challenge = await read(peer, kinds.challenge)
  if (codec.decode(challenge.subarray(1)).checksum === true) {
    invalid('rawPeer() sends no checksums: make the server without checksum: true')
  }
  const { signal } = new AbortController()
  const transcript = hashTranscript(hello, challenge)
  const proof = await auth.prove({ prover: 'dialer', local, remote, transcript, conn, signal })
  await peer.send(encode(kinds.proof, { proof }))
  await read(peer, kinds.accept)
}

function encode(kind: number, fields: Record<string, unknown>): Uint8Array {
  return Buffer.concat([Uint8Array.of(kind), codec.encode(fields)])
}

async function read(peer: RawPeer, kind: number): Promise<Uint8Array> {
  const { value } = await peer.received.next()
  if (value?.[0] === kind) return value
  if (value?.[0] !== kinds.reject) throw lost()
  const { reason, message } = codec.decode(value.subarray(1))
  throw new RejectedError(reason as RejectReason, String(message))
}

/** Both complete messages, each behind its length: docs/protocol.md, section "Handshake". */
function hashTranscript(...messages: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256')
  for (const message of messages) {
    const length = Buffer.alloc(4)
    length.writeUInt32LE(message.length)
    hash.update(length).update(message)
  }
  return new Uint8Array(hash.digest())
}
