/**
 * A live session on a conn that a fuzzer holds the other end of: as cheap as can be, for there are thousands of them.
 *
 * Each batch is delivered by itself; what the session sends is decoded, so it must be valid. The session has handlers of
 * every kind, and calls of its own that are under way.
 */

import { setImmediate as turn } from 'node:timers/promises'
import { GridStream } from '../../../lib/call/grid-stream.ts'
import { sendRequest } from '../../../lib/call/request.ts'
import { StreamCall } from '../../../lib/call/stream-call.ts'
import { rawBytes } from '../../../lib/codec/codec.ts'
import type { Conn } from '../../../lib/conn/conn.ts'
import { GridError } from '../../../lib/errors/errors.ts'
import { defaultLimits, type Limits } from '../../../lib/errors/options.ts'
import { rawSingle, rawStreaming, single } from '../../../lib/handler/definition.ts'
import type { SingleHandler, StreamingHandler } from '../../../lib/handler/handler.ts'
import { LocalHandlers, type RemoteHandler } from '../../../lib/handler/table.ts'
import { fastBatch, fastDecode } from '../codec/fast.ts'
import { errorStack } from '../errors.ts'
import { addHandler } from '../raw/make.ts'
import { type RawPeer, type RawPeerOptions, rawPeer } from '../raw/peer.ts'

/** The fuzzer's table: what the session may call. */
export const peerSingle = { kind: 0, inCapacity: 0, outCapacity: 1, subroute: '', id: 'peer.single' }
export const peerStream = { kind: 1, inCapacity: 2, outCapacity: 3, subroute: '', id: 'peer.stream' }

/** Small, so that each is hit now and then. */
export const fuzzLimits: Limits = {
  ...defaultLimits,
  maxMessageBytes: 100_000,
  maxFragments: 8,
  streamWindowBytes: 8192,
  maxInboundStreams: 32,
  maxHandlers: 64,
  maxNameBytes: 64,
  maxMetadataBytes: 300
}

export class FuzzSession {
  readonly peer: RawPeer
  /** Calls of the session that have not settled. */
  pendingCalls = 0
  /** What the library did that it must not. */
  fault: Error | undefined
  /** The session asks for more, or takes no more. */
  #onIdle = () => {}
  #isOver = false

  constructor(options: Pick<RawPeerOptions, 'role' | 'checksum' | 'limits'>) {
    this.peer = rawPeer({
      ...{ ...options, handlers: fuzzHandlers, capacity: 1, batch: fastBatch, decode: fastDecode },
      over: (conn) => this.#watched(conn),
      onEnd: () => {
        this.#isOver = true
        // What is held is let go, so that the last words arrive; and nobody asks for more.
        this.peer.link.release()
        this.#onIdle()
      }
    })
    this.peer.session.start()
  }

  /** Resolves when the session has dealt with the batch, and sent what came of it. */
  async deliver(batch: Uint8Array): Promise<void> {
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve
    })
    this.peer.sendBytes(batch)
    if (!this.#isOver) await idle
    await turn()
    if (this.fault !== undefined) throw this.fault
  }

  /** The session makes a call; it may end in any way that the library has an error for. */
  call(streaming: boolean, payload: Uint8Array, timeoutMs: number): void {
    const { session } = this.peer
    const entry = streaming ? peerStream : peerSingle
    const handler = session.remoteHandlers.find('', entry.id)
    // The table that came may have been another one.
    if (handler === undefined) return
    this.pendingCalls++
    const work = streaming
      ? this.#stream(handler, payload, timeoutMs)
      : sendRequest(session, handler, payload, rawBytes, timeoutMs, {})
    work.then(
      () => this.pendingCalls--,
      (error) => {
        this.pendingCalls--
        if (!(error instanceof GridError)) this.fault ??= unexpected('a call failed with something else', error)
      }
    )
  }

  async #stream(handler: RemoteHandler, payload: Uint8Array, timeoutMs: number): Promise<void> {
    const call = new StreamCall<unknown, unknown>(rawStreaming(handler.id, 2, 3), true)
    const stream = new GridStream(call)
    call.open(this.peer.session, handler, payload, timeoutMs, {})
    const requests = stream.sink([payload, payload, payload, payload, payload]).catch(() => {})
    let taken = 0
    for await (const _ of stream) if (++taken === 20) break
    await requests
  }

  /** Ends the session as its owner would, and waits until nothing of it is left. */
  async stop(): Promise<void> {
    const { session, link } = this.peer
    link.release()
    session.abort({ reason: 'shutdown', text: 'the round is over' })
    for (let turns = 0; ; turns++) {
      const { runningHandlers, inboundStreams, outboundStreams } = session.stats()
      const left = { runningHandlers, inboundStreams, outboundStreams, calls: this.pendingCalls }
      if (Object.values(left).every((count) => count === 0)) break
      if (turns === 100) throw new Error(`left after the end: ${JSON.stringify(left)}`)
      await turn()
    }
    if (this.fault !== undefined) throw this.fault
  }

  #watched(conn: Conn): Conn {
    const messages = conn.source[Symbol.asyncIterator]()
    const next = () => {
      this.#onIdle()
      return messages.next()
    }
    const source = { [Symbol.asyncIterator]: () => ({ next }) }
    const { secure, remoteAddress, sink } = conn
    return { secure, remoteAddress, sink, source, close: () => conn.close(), abort: (error) => conn.abort(error) }
  }
}

function unexpected(what: string, cause: unknown): Error {
  return new Error(`${what}: ${errorStack(cause)}`, { cause })
}

/** Handlers of every kind, which all end once they are no longer wanted. */
const fuzzHandlers = new LocalHandlers(64)
export const handlerCount = 9

const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))

const singles: Record<string, SingleHandler<unknown, unknown>> = {
  echo: (payload) => payload,
  async late(payload) {
    await turn()
    return payload
  },
  fail() {
    throw Object.assign(new RangeError('it failed'), { details: { at: 7 } })
  },
  stuck: (_, { signal }) => untilAborted(signal),
  metadata: (_, context) => Buffer.from(Object.keys(context.metadata).join())
}

const streams: Record<string, StreamingHandler<unknown, unknown, unknown>> = {
  async *count(payload) {
    for (;;) yield payload
  },
  async *upload(_, requests) {
    let count = 0
    for await (const _ of requests as AsyncIterable<unknown>) count++
    yield Buffer.from(`${count}`)
  },
  async *chat(_, requests) {
    yield* requests as AsyncIterable<unknown>
  }
}

for (const [id, fn] of Object.entries(singles)) addHandler(fuzzHandlers, rawSingle(id), fn)
for (const [id, fn] of Object.entries(streams))
  addHandler(fuzzHandlers, rawStreaming(id, id === 'count' ? 0 : 2, 3), fn)
addHandler(fuzzHandlers, single<unknown, unknown>('typed'), (value) => value)
