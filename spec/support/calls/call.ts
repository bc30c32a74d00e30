/**
 * Calls of every kind, and their handlers: each message tells which call it belongs to and its place in it, and its bytes
 * show whether it is whole. Whoever gets another one than it must throws; and what a fault excuses is told by the error.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  bytes,
  type CallOptions,
  type Connection,
  DeadlineError,
  type GridStream,
  type Manager,
  RemoteError,
  single,
  streaming
} from '../../../lib/index.ts'
import { rejection } from '../grid/servers.ts'

interface Item {
  readonly id: string
  readonly n: number
  readonly body: Uint8Array
}

interface Order {
  readonly id: string
  readonly count: number
  readonly bytes: number
  readonly fails: boolean
}

const answer = single<Item, Item & { readonly by: string }>('answer')
const raw = single<Uint8Array, Uint8Array>('raw', { request: bytes(), response: bytes() })
const fail = single<Item, void>('fail')
const hold = single<Item, void>('hold')
const late = single<Item, Item>('late')
const feed = streaming<Order, never, Item>('feed', { inCapacity: 0, outCapacity: 3 })
const gather = streaming<Order, Item, Item>('gather', { inCapacity: 3 })
const chat = streaming<Order, Item, Item>('chat', { inCapacity: 2, outCapacity: 2 })

/** Bytes that no other place of this or another message has. */
function bodyOf(id: string, n: number, length: number): Buffer {
  const body = Buffer.alloc(length, `${id} ${n} `)
  for (let at = 0; at + 4 <= length; at += 1024) body.writeUInt32LE(at, at)
  return body
}

function itemOf(id: string, n: number, length: number): Item {
  return { id, n, body: bodyOf(id, n, length) }
}

/** `item` is message `n` of `id`, and whole. */
function assertIs({ id, n, body }: Item, wantedId: string, wantedN: number, length = body.length): void {
  assert.deepEqual([id, n, body.length], [wantedId, wantedN, length])
  assert.ok(Buffer.compare(body, bodyOf(id, n, length)) === 0, `message ${n} of ${id} is not whole`)
}

/** Checks the messages of a stream as they are taken. */
async function* whole(id: string, items: AsyncIterable<Item>): AsyncGenerator<Item> {
  let n = 0
  for await (const item of items) {
    assertIs(item, id, n++)
    yield item
  }
}

/** Sees handlers begin and end. */
export interface Watch {
  enter(id: string): void
  leave(): void
  /** Resolves when the late calls may end. */
  readonly opened: Promise<void>
}

const nobody: Watch = { enter() {}, leave() {}, opened: Promise.resolve() }

/** Registers the handlers on `manager`; they are seen by the watch that is current when they start. */
export function serveCalls(manager: Manager, current: () => Watch = () => nobody): void {
  const enter = (id: string) => {
    const watch = current()
    watch.enter(id)
    return { opened: watch.opened, [Symbol.dispose]: () => watch.leave() }
  }
  async function* stream(id: string, items: AsyncIterable<Item> | Iterable<Item>) {
    using _ = enter(id)
    yield* items
  }
  manager.handle(answer, async (item) => {
    using _ = enter(item.id)
    assertIs(item, item.id, 0)
    return { ...itemOf(item.id, 1, item.body.length), by: manager.local }
  })
  manager.handle(raw, (request) => Buffer.from(request).reverse())
  manager.handle(fail, async ({ id, n }) => {
    using _ = enter(id)
    throw Object.assign(new RangeError(`number ${n}`), { code: 'E_WANTED', details: { n } })
  })
  manager.handle(hold, async ({ id }, { signal }) => {
    using _ = enter(id)
    if (!signal.aborted) await once(signal, 'abort')
  })
  manager.handle(late, async (item) => {
    using watch = enter(item.id)
    await watch.opened
    return item
  })
  manager.handle(feed, (order) => stream(order.id, made(order)))
  manager.handle(chat, ({ id }, requests) => stream(id, whole(id, requests)))
  manager.handle(gather, ({ id }, requests) => stream(id, gathered(id, requests)))
}

function* made({ id, count, bytes, fails }: Order): Generator<Item> {
  for (let n = 0; n < count; n++) yield itemOf(id, n, bytes)
  if (fails) throw Object.assign(new Error('after all'), { code: 'E_FEED' })
}

async function* gathered(id: string, requests: AsyncIterable<Item>): AsyncGenerator<Item> {
  let [count, sum] = [0, 0]
  for await (const { body } of whole(id, requests)) {
    count++
    sum += body.length
  }
  yield itemOf(id, count, sum)
}

/** What makes one call, of whichever kind; each resolves when it went as it must. */
export type Call = ReturnType<typeof callOn>

export function callOn(peer: Connection, id: string, options: CallOptions) {
  const order = ({ length }: readonly number[]): Order => ({ id, count: length, bytes: 0, fails: false })
  const items = (sizes: readonly number[]) => sizes.map((size, n) => itemOf(id, n, size))

  /** Takes responses of so many bytes each, numbered from `from` on; a stream ends in one way only, whoever is told. */
  async function drain(
    stream: GridStream<never, Item> | GridStream<Item, Item>,
    sizes: readonly number[],
    sent: Promise<unknown> = Promise.resolve(),
    from = 0
  ): Promise<void> {
    const read = async () => {
      let n = 0
      for await (const item of stream) assertIs(item, id, from + n, sizes[n++])
      assert.equal(n, sizes.length, 'the stream ended early')
    }
    const [reading, sending] = await Promise.allSettled([read(), sent])
    if (reading.status === 'rejected' && reading.reason instanceof assert.AssertionError) throw reading.reason
    const { how, error } = await stream.closed
    const seen = reading.status === 'rejected' ? ['failed', reading.reason] : ['ended', undefined]
    assert.deepEqual([how, error], seen, `the stream is ${how}, its reader was told ${seen[0]}`)
    if (how === 'ended') assert.equal(sending.status, 'fulfilled', 'it ended, but its sink rejected')
    if (reading.status === 'rejected') throw reading.reason
  }

  return {
    async request(length: number): Promise<void> {
      const { by, ...item } = await peer.request(answer, itemOf(id, 0, length), options)
      assertIs(item, id, 1, length)
      assert.equal(by, peer.host)
    },

    async raw(length: number): Promise<void> {
      const request = bodyOf(id, 0, length)
      const reply = await peer.request(raw, request, options)
      assert.ok(Buffer.compare(reply, request.reverse()) === 0, `${length} bytes came back changed`)
    },

    async fail(n: number): Promise<void> {
      const error = await rejection(peer.request(fail, itemOf(id, n, 0), options))
      if (!(error instanceof RemoteError)) throw error
      const { code, message, remoteName, details, delivery } = error
      const wanted = ['E_WANTED', `number ${n}`, 'RangeError', { n }, 'ran']
      assert.deepEqual([code, message, remoteName, details, delivery], wanted)
    },

    /** Cancels it when `isTime`, if it has not ended by then. */
    async cancel(isTime: Promise<unknown>): Promise<void> {
      const controller = new AbortController()
      const reason = new Error('no longer wanted')
      const failed = rejection(peer.request(hold, itemOf(id, 0, 0), { ...options, signal: controller.signal }))
      await Promise.race([isTime, failed])
      controller.abort(reason)
      const error = await failed
      if (error !== reason) throw error
    },

    async deadline(timeout: number): Promise<void> {
      const error = await rejection(peer.request(hold, itemOf(id, 0, 0), { timeout }))
      if (!(error instanceof DeadlineError)) throw error
    },

    async late(): Promise<void> {
      assertIs(await peer.request(late, itemOf(id, 0, 0), options), id, 0, 0)
    },

    /** Takes `count` responses, after which the handler ends, or fails. */
    async feed(count: number, bytes: number, fails = false): Promise<void> {
      const all = drain(peer.newStream(feed, { id, count, bytes, fails }, options), new Array(count).fill(bytes))
      if (!fails) return await all
      const error = await rejection(all)
      if (!(error instanceof RemoteError && error.code === 'E_FEED')) throw error
    },

    /** Breaks off after `count` responses of a handler that never ends. */
    async break(count: number): Promise<void> {
      const endless = { id, count: Number.POSITIVE_INFINITY, bytes: 0, fails: false }
      const stream = peer.newStream(feed, endless, options)
      let left = count
      for await (const _ of whole(id, stream)) if (left-- === 0) break
      const { how, error } = await stream.closed
      if (how === 'failed') throw error
      assert.ok(left < 0, 'an endless stream ended')
    },

    /** Sends requests of so many bytes each, of which the one response is the sum. */
    async gather(sizes: readonly number[]): Promise<void> {
      const stream = peer.newStream(gather, order(sizes), options)
      const sum = sizes.reduce((total, size) => total + size, 0)
      await drain(stream, [sum], stream.sink(items(sizes)), sizes.length)
    },

    /** Sends requests of so many bytes each, which all come back. */
    async chat(sizes: readonly number[]): Promise<void> {
      const stream = peer.newStream(chat, order(sizes), options)
      const sending = async () => {
        for (const item of items(sizes)) await stream.send(item)
        stream.requests.end()
      }
      await drain(stream, sizes, sending())
    }
  }
}
