/**
 * A live session on a conn that a fuzzer holds the other end of: as cheap as can be, for there are thousands of them.
 *
 * Each batch is delivered by itself; what the session sends is decoded, so it must be valid, and counted. The session
 * has handlers of every kind, and calls of its own that are under way.
 */

import { setImmediate as turn } from 'node:timers/promises'
import { GridError } from '../../../lib/base/errors.ts'
import { defaultLimits, type Limits } from '../../../lib/base/options.ts'
import { GridStream } from '../../../lib/call/grid-stream.ts'
import { sendRequest } from '../../../lib/call/request.ts'
import { rawBytes } from '../../../lib/codec/codec.ts'
import type { Conn } from '../../../lib/conn/conn.ts'
import { rawSingle, rawStreaming, single } from '../../../lib/handler/definition.ts'
import type { SingleHandler, StreamingHandler } from '../../../lib/handler/handler.ts'
import { LocalHandlers, type RemoteHandler } from '../../../lib/handler/table.ts'
import type { SessionEnd } from '../../../lib/session/end.ts'
import { Session, type SessionInit } from '../../../lib/session/session.ts'
import type { Frame } from '../../../lib/wire/frame.ts'
import { Wire } from '../../../lib/wire/wire.ts'
import { fastDecode } from '../codec/fast.ts'
import { errorStack } from '../errors.ts'
import { Gate } from '../gate.ts'
import { addHandler, sessionInit } from '../raw/make.ts'

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

/** One end of a conn in memory; what it delivers is read at once or not yet. */
class FuzzConn implements Conn {
  readonly secure = true
  readonly remoteAddress = 'fuzz'
  readonly source: AsyncGenerator<Uint8Array> = this.#messages()
  readonly sink: (source: AsyncIterable<Uint8Array>) => Promise<void>
  /** While set, nothing that the session sends is taken. */
  hold: Gate | undefined
  /** Undefined ends it. */
  #give!: (message: Uint8Array | undefined) => void
  #next = this.#given()
  #onIdle = () => {}

  constructor(onBatch: (batch: Uint8Array) => void) {
    this.sink = async (source) => {
      for await (const batch of source) {
        onBatch(batch)
        await this.hold?.opened
      }
    }
  }

  /** Resolves when the session asks for more, or takes no more. */
  deliver(message: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.#onIdle = resolve
      this.#give(message)
    })
  }

  close(): void {
    this.#give(undefined)
  }

  abort(): void {
    this.close()
  }

  /** Nothing more is asked for. */
  idle(): void {
    this.#onIdle()
  }

  async *#messages(): AsyncGenerator<Uint8Array> {
    try {
      for (let message = await this.#next; message !== undefined; message = await this.#next) {
        this.#next = this.#given()
        yield message
        this.idle()
      }
    } finally {
      // Whoever delivers later is not kept waiting.
      this.#give = () => this.idle()
      this.idle()
    }
  }

  #given(): Promise<Uint8Array | undefined> {
    return new Promise((resolve) => {
      this.#give = resolve
    })
  }
}

export class FuzzSession {
  readonly session: Session
  readonly checksum: boolean
  end: SessionEnd | undefined
  ready = false
  /** Frames that the session sent, since they were last taken. */
  sent: Frame[] = []
  /** Calls of the session that have not settled. */
  pendingCalls = 0
  /** What the library did that it must not. */
  fault: Error | undefined
  readonly #conn: FuzzConn

  constructor({ role, checksum, limits }: Pick<SessionInit, 'role' | 'checksum' | 'limits'>) {
    this.checksum = checksum
    this.#conn = new FuzzConn((batch) => this.#onBatch(batch))
    const wire = new Wire(this.#conn)
    this.session = new Session(sessionInit({ wire, role, limits, checksum, handlers: fuzzHandlers }), {
      onReady: () => {
        this.ready = true
      },
      onLeftOut: () => {},
      onDraining: () => {},
      onEnd: (end) => {
        this.end = end
        // What is held is let go, so that the last words arrive; and nobody asks for more.
        this.release()
        this.#conn.idle()
      }
    })
    this.session.start()
  }

  /** Resolves when the session has dealt with the batch, and sent what came of it. */
  async deliver(batch: Uint8Array): Promise<void> {
    await this.#conn.deliver(batch)
    await turn()
    if (this.fault !== undefined) throw this.fault
  }

  /** The other end reads nothing, until it is released. */
  hold(): void {
    this.#conn.hold ??= new Gate()
  }

  release(): void {
    this.#conn.hold?.open()
    this.#conn.hold = undefined
  }

  /** The session makes a call; it may end in any way that the library has an error for. */
  call(streaming: boolean, payload: Uint8Array, timeoutMs: number): void {
    const { session } = this
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
    const stream = new GridStream<unknown, unknown>(rawStreaming(handler.id, 2, 3), true)
    stream.open(this.session, handler, payload, timeoutMs, {})
    const requests = stream.sink([payload, payload, payload, payload, payload]).catch(() => {})
    let taken = 0
    for await (const _ of stream) if (++taken === 20) break
    await requests
  }

  /** Ends the session as its owner would, and waits until nothing of it is left. */
  async stop(): Promise<void> {
    this.release()
    this.session.abort({ reason: 'shutdown', text: 'the round is over' })
    for (let turns = 0; ; turns++) {
      const { runningHandlers, inboundStreams, outboundStreams } = this.session.stats()
      const left = { runningHandlers, inboundStreams, outboundStreams, calls: this.pendingCalls }
      if (Object.values(left).every((count) => count === 0)) break
      if (turns === 100) throw new Error(`left after the end: ${JSON.stringify(left)}`)
      await turn()
    }
    if (this.fault !== undefined) throw this.fault
  }

  #onBatch(batch: Uint8Array): void {
    try {
      this.sent.push(...fastDecode(batch, this.checksum))
    } catch (error) {
      this.fault ??= unexpected('the session sent a bad batch', error)
    }
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
