/**
 * A manager under siege: a raw peer that keeps to no rule, and an honest one that talks with it all the while.
 *
 * The same over memory and over a real WebSocket to an HTTP server on loopback. The raw peer has shaken hands, and has a
 * stream of its own open that is in order (`witness`), to see whether what else it does is held against it.
 */

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { it } from 'node:test'
import { connectWS } from '../../../lib/conn/connect-ws.ts'
import type { HandlerContext } from '../../../lib/hooks/call-info.ts'
import {
  bytes,
  type Connection,
  type DisconnectedError,
  type GridStream,
  type Manager,
  type ManagerOptions,
  memoryPair,
  streaming
} from '../../../lib/index.ts'
import { CloseCode, Flag, FrameType, type HandlerEntry } from '../../../lib/wire/frame.ts'
import { LogBook, nameThat, testManager } from '../grid/manager.ts'
import { assertIdle, closeManagers } from '../grid/nothing-left.ts'
import { TestServer } from '../grid/servers.ts'
import { until } from '../until.ts'
import { enter } from './dialer.ts'
import type { RawFrames } from './frames.ts'
import { credit, data, open, rawSingle, rawStream, table } from './make.ts'
import { connWire, type RawWire, WebSocketWire } from './wire.ts'

export const siegeKinds = ['memory', 'ws'] as const
export type SiegeKind = (typeof siegeKinds)[number]

export type SiegeOptions = Partial<Pick<ManagerOptions, 'limits' | 'keepAlive' | 'checksum' | 'logger'>> & {
  /** What the raw peer says it accepts. */
  readonly rawLimits?: object
}

/** The handlers of the manager, by their index. */
export const at = { echo: 0, wait: 1, each: 2, deaf: 3, feed: 4 } as const
const each = streaming<Uint8Array, Uint8Array, Uint8Array>('each', {
  ...{ payload: bytes(), request: bytes(), response: bytes() },
  ...{ inCapacity: 2, outCapacity: 2 }
})
const deaf = { ...each, id: 'deaf' }
const feed = { ...each, id: 'feed', inCapacity: 0 }

const manager = 'http://manager.test:9000'
const rawName = nameThat('dials', manager, (n) => `http://raw-${n}.test:9000`)
const honestName = nameThat('dials', manager, (n) => `http://honest-${n}.test:9000`)
const witnessId = 1

export class Siege {
  readonly kind: SiegeKind
  readonly log = new LogBook()
  /** Under siege. */
  readonly manager: Manager
  readonly honest: Manager
  /** The connection of the manager to the raw peer. */
  readonly connection: Connection
  /** Of the calls of the raw peer at `wait` and `deaf`, in the order in which they came. */
  readonly contexts: HandlerContext[] = []
  /** The raw peer. */
  raw!: RawFrames
  readonly #server = new TestServer(createServer())
  readonly #rawLimits: object | undefined
  #beats = 0
  #witnessed = 0
  #talk!: GridStream<Uint8Array, Uint8Array>

  private constructor(kind: SiegeKind, { rawLimits, ...options }: SiegeOptions) {
    this.kind = kind
    this.#rawLimits = rawLimits
    const patient = { keepAlive: { intervalMs: 60_000 } }
    const hosts = [manager, rawName, honestName]
    this.manager = testManager({ hosts, ...patient, logger: this.log, ...options, local: manager })
    this.connection = this.manager.connection(rawName)
    this.#handle()
    this.honest = testManager({
      ...{ ...patient, local: honestName, hosts: [manager, honestName] },
      dialer: async (_address, dial) => {
        if (kind === 'ws') return await connectWS()(this.#server.url, dial)
        const [mine, theirs] = memoryPair()
        this.manager.incomingConn(theirs)
        return mine
      }
    })
  }

  /** Both peers are connected, and each has its stream open. */
  static async open(kind: SiegeKind, options: SiegeOptions = {}): Promise<Siege> {
    const siege = new Siege(kind, options)
    await siege.#server.listen()
    siege.manager.attach(siege.#server.http)
    await siege.honest.connection(manager).waitForConnect()
    siege.#talk = siege.honest.connection(manager).newStream(each, new Uint8Array(0))
    await siege.assertHonestPeerUndisturbed()
    await siege.enter()
    return siege
  }

  get url(): string {
    return this.#server.url
  }

  /** What the manager holds for the raw peer. */
  get stats() {
    return this.connection.stats().session
  }

  /** A conn of the raw peer, on which nothing was said yet. */
  async dial(): Promise<RawWire> {
    if (this.kind === 'ws') return await WebSocketWire.open(this.#server.url)
    // Not secure, so that a checksum is wanted as on a plain socket.
    const [mine, theirs] = memoryPair({ secure: false })
    this.manager.incomingConn(theirs)
    return connWire(mine)
  }

  /** The raw peer shakes hands, and says nothing yet. */
  async shakeHands(): Promise<RawFrames> {
    return await enter(await this.dial(), { host: rawName, remote: manager, limits: this.#rawLimits })
  }

  /** The raw peer connects with this handler table, and opens its stream that is in order. */
  async enter(entries: readonly HandlerEntry[] = [rawSingle, rawStream]): Promise<void> {
    this.raw = await this.shakeHands()
    this.raw.send(table(...entries), open(witnessId, at.each, 0))
    await until(() => this.connection.state === 'connected', 'the raw peer is connected')
    this.#witnessed = 0
    await this.assertStreamGoesOn()
  }

  /** The other stream of the raw peer answers as ever. */
  async assertStreamGoesOn(): Promise<void> {
    const text = `witness ${++this.#witnessed}`
    this.raw.send(data(witnessId, 0, Buffer.from(text)))
    const answer = await this.raw.frame(
      FrameType.data,
      (frame) => frame.streamId === witnessId && Buffer.from(frame.payload).toString() === text
    )
    this.raw.send(credit(witnessId, 1, answer.payload.length))
  }

  /** The stream of the honest peer answers as ever, on the conn that it always had; a new call is answered too. */
  async assertHonestPeerUndisturbed(): Promise<void> {
    const connection = this.honest.connection(manager)
    const text = `beat ${++this.#beats}`
    await this.#talk.send(Buffer.from(text))
    const { value } = await this.#talk.responses.next()
    assert.equal(Buffer.from(value as Uint8Array).toString(), text)
    assert.equal(Buffer.from(await connection.request('echo', Buffer.from(text))).toString(), text)
    assert.equal(connection.stats().reconnects, 0)
  }

  /** The manager has closed the conn of the raw peer, has said why, and nobody else has noticed. */
  async assertClosed(reason: keyof typeof CloseCode, text: RegExp): Promise<void> {
    const farewell = await this.raw.frame(FrameType.goAway)
    assert.deepEqual([farewell.code, reason], [CloseCode[reason], reason], farewell.text)
    assert.match(farewell.text, text)
    await this.assertGone(reason, text)
  }

  /** As `assertClosed`, where the conn no longer takes a go-away. */
  async assertGone(reason: string, text: RegExp): Promise<void> {
    await until(() => this.raw.wire.closed, 'the conn is closed')
    await until(() => this.connection.state === 'waiting', 'the connection waits for the next conn')
    const last = this.connection.lastError as DisconnectedError
    // Ten seconds later, on a machine that is so busy, it tells of the silence since, and this is its cause.
    const end = last.reason === 'notConnected' ? (last.cause as DisconnectedError) : last
    assert.match(end.message, text)
    assert.equal(end.reason, reason)
    for (const { signal } of this.contexts) assert.ok(signal.aborted, 'a handler was not told')
    await this.assertHonestPeerUndisturbed()
    // Whoever was closed may come again.
    await this.enter()
  }

  /** The manager has reset this one stream of the raw peer, and nobody else has noticed, not even its other stream. */
  async assertReset(streamId: number, code: number, text: RegExp): Promise<void> {
    const reset = await this.raw.frame(FrameType.reset, (frame) => frame.streamId === streamId)
    assert.equal(reset.code, code, reset.text)
    assert.match(reset.text, text)
    await this.assertNothingHappened()
    assert.equal(this.raw.of(FrameType.reset).filter((frame) => frame.streamId === streamId).length, 1, 'reset once')
  }

  /** The conn lives, and so do the streams of both peers. */
  async assertNothingHappened(): Promise<void> {
    await this.assertStreamGoesOn()
    await this.assertHonestPeerUndisturbed()
    assert.equal(this.raw.of(FrameType.goAway).length, 0)
    assert.equal(this.connection.state, 'connected')
  }

  /** Ends both streams in order; then nothing is left, and everything is closed. */
  async close(): Promise<void> {
    try {
      if (!this.raw.wire.closed) {
        this.raw.wire.resume()
        this.raw.send(data(witnessId, Flag.end | Flag.bare))
        await this.raw.frame(FrameType.data, (frame) => frame.streamId === witnessId && (frame.flags & Flag.end) !== 0)
      }
      this.#talk.requests.end()
      assert.equal((await this.#talk.responses.next()).done, true)
      await assertIdle([this.manager, this.honest])
      await closeManagers([this.manager, this.honest])
      await until(() => this.raw.wire.closed, 'the raw peer is told the end')
    } finally {
      await this.abandon()
    }
  }

  /** Closes everything without a check, after a failure. */
  async abandon(): Promise<void> {
    this.raw?.wire.cut()
    await Promise.all([this.manager.close({ timeout: 1 }), this.honest.close({ timeout: 1 })])
    await this.#server.stop()
  }

  #handle(): void {
    const aborted = ({ signal }: HandlerContext) =>
      new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    this.manager.handle('echo', (payload) => payload)
    this.manager.handle('wait', async (payload, context) => {
      this.contexts.push(context)
      await aborted(context)
      return payload
    })
    this.manager.handle(each, async function* (_payload, requests) {
      for await (const request of requests) yield request
    })
    this.manager.handle(deaf, async (_payload, _requests, context) => {
      this.contexts.push(context)
      await aborted(context)
      return []
    })
    this.manager.handle(feed, async function* () {
      for (;;) yield Buffer.from('x')
    })
  }
}

/** Runs `body` in a siege of its own over each kind of conn; what is left after it is a failure. */
export async function besieged(
  kind: SiegeKind,
  options: SiegeOptions,
  body: (siege: Siege) => Promise<void>
): Promise<void> {
  const siege = await Siege.open(kind, options)
  try {
    await body(siege)
  } catch (error) {
    await siege.abandon()
    throw error
  }
  await siege.close()
}

/** A spec under siege. */
export function siegeItOver(kind: SiegeKind) {
  return (title: string, options: SiegeOptions, body: (siege: Siege) => Promise<void>): void => {
    it(title, () => besieged(kind, options, body))
  }
}
