/**
 * Types from end to end: what a definition says is what callers must pass and get, and what handlers get and must give.
 *
 * `tsc` is what runs most of this: a mistake that is no longer one fails it, as does one that has become one.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { expectTypeOf } from 'expect-type'
import map from 'it-map'
import type { Pushable } from 'it-pushable'
import {
  type Answer,
  type AnyDefinition,
  type AnySingle,
  type AnyStreaming,
  authorize,
  bytes,
  type CallArguments,
  type Callable,
  type CallerInterceptor,
  type CallOptions,
  type Codec,
  type Connection,
  contract,
  type GridStream,
  type HandlerContext,
  type HandlerInterceptor,
  type HandlerOf,
  type Interceptor,
  type Manager,
  type Many,
  type Messages,
  msgpack,
  type PayloadOf,
  type Quorum,
  type RequestOf,
  type ResponseOf,
  retries,
  retry,
  type SingleDefinition,
  type StreamEnd,
  type StreamingDefinition,
  type StreamOf,
  single,
  streaming
} from '../../lib/index.ts'

interface LockArgs {
  resource: string
  ttlMs?: number
}

interface LockReply {
  granted: boolean
}

const lock = single<LockArgs, LockReply>('lock')
const ping = single('ping')
const now = single<void, number>('now')
const maybe = single<string | undefined, string>('maybe')
const file = single<Uint8Array, Uint8Array>('file', { request: bytes(), response: bytes() })
const walk = streaming<{ path: string }, never, { name: string }>('walk', { inCapacity: 0, outCapacity: 32 })
const chat = streaming<string, number, boolean>('chat')
const tail = streaming<void, never, string>('tail', { inCapacity: 0 })
const upload = streaming<{ name: string }, Uint8Array>('upload', { request: bytes() })

// Never called: `tsc` alone looks at it.
export function calls(peer: Connection): void {
  expectTypeOf(peer.request(lock, { resource: 'a' })).toEqualTypeOf<Promise<LockReply>>()
  expectTypeOf(peer.request(lock, { resource: 'a', ttlMs: 1 }, { timeout: 1 })).toEqualTypeOf<Promise<LockReply>>()
  expectTypeOf(peer.request(ping)).toEqualTypeOf<Promise<void>>()
  expectTypeOf(peer.request(now)).toEqualTypeOf<Promise<number>>()
  expectTypeOf(peer.request(now, undefined, { timeout: 1 })).toEqualTypeOf<Promise<number>>()
  expectTypeOf(peer.request(maybe)).toEqualTypeOf<Promise<string>>()
  expectTypeOf(peer.request(maybe, 'text')).toEqualTypeOf<Promise<string>>()
  expectTypeOf(peer.request(file, Uint8Array.of(1))).toEqualTypeOf<Promise<Uint8Array>>()
  expectTypeOf(peer.subroute('a').subroute('b')).toEqualTypeOf<Callable>()
  expectTypeOf(peer.subroute('a').request(lock, { resource: 'a' })).toEqualTypeOf<Promise<LockReply>>()

  // @ts-expect-error the payload is missing
  peer.request(lock)
  // @ts-expect-error a property is missing
  peer.request(lock, {})
  // @ts-expect-error a property has another type
  peer.request(lock, { resource: 1 })
  // @ts-expect-error a property that there is not
  peer.request(lock, { resource: 'a', owner: 'b' })
  // @ts-expect-error no payload is taken
  peer.request(now, 1)
  // @ts-expect-error options are no payload
  peer.request(lock, { timeout: 1 })
  // @ts-expect-error an option that there is not
  peer.request(lock, { resource: 'a' }, { timeoutMs: 1 })
  // @ts-expect-error a stream is not requested
  peer.request(walk, { path: '/' })
  // @ts-expect-error a single handler is not streamed
  peer.newStream(lock, { resource: 'a' })
}

export async function manyPeers(grid: Manager): Promise<void> {
  expectTypeOf(grid.all(lock, { resource: 'a' })).toEqualTypeOf<Messages<Answer<LockReply>>>()
  expectTypeOf(grid.all(now)).toEqualTypeOf<Messages<Answer<number>>>()
  expectTypeOf(grid.all(walk, { path: '/' }, { hosts: new Set(['http://a']) })).toEqualTypeOf<
    Messages<Answer<{ name: string }>>
  >()
  expectTypeOf(grid.all('raw')).toEqualTypeOf<Messages<Answer<Uint8Array>>>()
  grid.all(chat, 'room', { requests: (host) => [host.length] })
  for await (const answer of grid.all(lock, { resource: 'a' })) {
    if (answer.error === undefined) expectTypeOf(answer.value).toEqualTypeOf<LockReply>()
    else expectTypeOf(answer.error).toEqualTypeOf<Error>()
  }
  const quorum = grid.quorum(
    lock,
    { resource: 'a' },
    { need: 2, accept: ({ granted }, host) => granted && host !== '' }
  )
  expectTypeOf(quorum).toEqualTypeOf<Promise<Quorum<LockReply>>>()
  grid.quorum(ping, undefined, { need: 1, undo: ({ host, error }) => error?.message ?? host })
  // @ts-expect-error an answer of another type
  grid.quorum(lock, { resource: 'a' }, { need: 1, accept: (granted: boolean) => granted })
  // @ts-expect-error accept answers at once
  grid.quorum(lock, { resource: 'a' }, { need: 1, accept: async () => true })
  expectTypeOf(grid.any(lock, { resource: 'a' }, { hedgeAfterMs: 5 })).toEqualTypeOf<Promise<LockReply>>()
  expectTypeOf(grid.any('raw')).toEqualTypeOf<Promise<Uint8Array>>()
  expectTypeOf(grid.any(walk, { path: '/' }, { pick: ([peer]) => peer })).toEqualTypeOf<StreamOf<typeof walk>>()
  // @ts-expect-error a stream is opened once
  grid.any(walk, { path: '/' }, { hedgeAfterMs: 5 })
  // @ts-expect-error a stream does not wait
  grid.any(walk, { path: '/' }, { waitForReady: true })
  // @ts-expect-error the payload is missing
  grid.all(lock)
  // @ts-expect-error requests of another type
  grid.all(chat, 'room', { requests: () => ['text'] })
  // @ts-expect-error requests of a single definition
  grid.all(lock, { resource: 'a' }, { requests: () => [] })
}

export function contracts(peer: Callable, grid: Manager): void {
  const both = contract({ lock, walk, now }, { subroute: 'a' })
  const calls = both.on(peer, { timeout: 1 })
  expectTypeOf(calls.lock({ resource: 'a' })).toEqualTypeOf<Promise<LockReply>>()
  expectTypeOf(calls.now()).toEqualTypeOf<Promise<number>>()
  expectTypeOf(calls.walk({ path: '/' }, { timeout: 1 })).toEqualTypeOf<StreamOf<typeof walk>>()
  grid.implement(both, {
    lock: ({ resource }, { remote }) => ({ granted: remote.host !== resource }),
    walk: async function* ({ path }) {
      yield { name: path }
    },
    now: () => 1
  })
  grid.unhandle(both, { subroute: 'b' })
  // @ts-expect-error a handler is missing
  grid.implement(both, { lock: () => ({ granted: true }), now: () => 1 })
  // @ts-expect-error a call that there is not
  calls.unlock({ resource: 'a' })
}

export function again(peer: Callable): void {
  expectTypeOf(retry((left) => peer.request(now, undefined, left))).toEqualTypeOf<Promise<number>>()
  retry((left, attempt) => peer.request(now, undefined, { ...left, metadata: { attempt } }), { idempotent: true })
  expectTypeOf(retries({ maxAttempts: 3 })).toEqualTypeOf<CallerInterceptor>()
  expectTypeOf(single('put', { idempotent: true })).toEqualTypeOf<SingleDefinition<void, void>>()
  // @ts-expect-error it is called maxAttempts
  retry(() => peer.request(now), { retries: 3 })
  // @ts-expect-error a definition tells that
  retries({ idempotent: true })
  // @ts-expect-error a promise is no function
  retry(peer.request(now))
}

export function rawCalls(peer: Callable): void {
  expectTypeOf(peer.request('id')).toEqualTypeOf<Promise<Uint8Array>>()
  expectTypeOf(peer.request('id', Uint8Array.of(1), { timeout: 1 })).toEqualTypeOf<Promise<Uint8Array>>()
  expectTypeOf(peer.newStream('id', Uint8Array.of(1))).toEqualTypeOf<GridStream<Uint8Array, Uint8Array>>()
  // @ts-expect-error a raw payload is bytes
  peer.request('id', 'text')
  // @ts-expect-error a raw payload is bytes
  peer.newStream('id', { path: '/' })
}

export function streams(peer: Connection): void {
  const walking = peer.newStream(walk, { path: '/' })
  expectTypeOf(walking).toEqualTypeOf<GridStream<never, { name: string }>>()
  expectTypeOf(walking.requests).toBeNull()
  expectTypeOf(walking.responses.next()).resolves.toEqualTypeOf<IteratorResult<{ name: string }, undefined>>()
  expectTypeOf(walking.closed).toEqualTypeOf<Promise<StreamEnd>>()
  expectTypeOf(peer.newStream(tail).requests).toBeNull()

  const chatting = peer.newStream(chat, 'room')
  expectTypeOf(chatting.requests).toEqualTypeOf<Pushable<number>>()
  expectTypeOf(chatting.send).parameters.toEqualTypeOf<[number | Many<number>]>()
  expectTypeOf(chatting.batches().next()).resolves.toEqualTypeOf<IteratorResult<boolean[], undefined>>()
  expectTypeOf(chatting.responses[Symbol.asyncIterator]().next()).resolves.toEqualTypeOf<
    IteratorResult<boolean, undefined>
  >()
  expectTypeOf(peer.newStream(upload, { name: 'a' }).responses.next()).resolves.toEqualTypeOf<
    IteratorResult<never, undefined>
  >()

  // @ts-expect-error the payload is missing
  peer.newStream(walk)
  // @ts-expect-error the payload has another type
  peer.newStream(walk, '/')
  // @ts-expect-error nothing can be pushed where no requests are taken
  walking.requests.push(1)
  // @ts-expect-error nothing can be sent where no requests are taken
  walking.send({ name: 'a' })
  // @ts-expect-error a request of another type
  chatting.requests.push('text')
  // @ts-expect-error a request of another type
  chatting.send('text')
  // @ts-expect-error requests of another type
  chatting.sink(['text'])
}

export function singleHandlers(grid: Manager): void {
  grid.handle(lock, (args, context) => {
    expectTypeOf(args).toEqualTypeOf<LockArgs>()
    expectTypeOf(context).toEqualTypeOf<HandlerContext>()
    return { granted: true }
  })
  grid.handle(lock, async () => ({ granted: true }), { subroute: 'disk1' })
  grid.handle(ping, () => {})
  grid.handle('raw', (payload) => {
    expectTypeOf(payload).toEqualTypeOf<Uint8Array>()
    return payload
  })
  // @ts-expect-error an answer of another type
  grid.handle(lock, () => ({ granted: 'yes' }))
  // @ts-expect-error no answer
  grid.handle(lock, () => {})
  // @ts-expect-error a promise of another type
  grid.handle(lock, async () => true)
  // @ts-expect-error an argument of another type
  grid.handle(lock, (args: number) => ({ granted: args > 0 }))
  // @ts-expect-error a raw answer is bytes
  grid.handle('raw', () => 'text')
}

export function streamHandlers(grid: Manager): void {
  grid.handle(walk, async function* (options, requests, context) {
    expectTypeOf(options).toEqualTypeOf<{ path: string }>()
    expectTypeOf(requests).toBeNull()
    expectTypeOf(context.signal).toEqualTypeOf<AbortSignal>()
    yield { name: 'a' }
  })
  grid.handle(chat, async function* (room, requests) {
    expectTypeOf(room).toEqualTypeOf<string>()
    for await (const value of requests) {
      expectTypeOf(value).toEqualTypeOf<number>()
      yield value > 0
    }
  })
  grid.handle(chat, () => [true, Promise.resolve(false)])
  grid.handle(chat, async () => new Set([true]))
  grid.handle(upload, async (_options, requests) => {
    for await (const chunk of requests) expectTypeOf(chunk).toEqualTypeOf<Uint8Array>()
  })
  // @ts-expect-error a yield of another type
  grid.handle(walk, async function* () {
    yield 'a'
  })
  // @ts-expect-error responses of another type
  grid.handle(chat, () => ['text'])
  // @ts-expect-error a yield where there are no responses
  grid.handle(upload, async function* () {
    yield 1
  })
  // @ts-expect-error requests where none are taken
  grid.handle(walk, (_options, requests: AsyncIterable<number>) => map(requests, String))
  // @ts-expect-error what is no iterable
  grid.handle(chat, () => 7)
}

/** Code that is written once for all definitions. */
export function wrappers(peer: Callable, grid: Manager): void {
  const call = <Req, Res>(definition: SingleDefinition<Req, Res>, payload: Req, options: CallOptions = {}) =>
    peer.request(definition, payload, options)
  const callAny = <D extends AnySingle>(definition: D, ...args: CallArguments<PayloadOf<D>>) =>
    peer.request(definition, ...args)
  const open = <Payload, Req, Res>(definition: StreamingDefinition<Payload, Req, Res>, payload: Payload) =>
    peer.newStream(definition, payload)
  const openAny = <D extends AnyStreaming>(definition: D, ...args: CallArguments<PayloadOf<D>>) =>
    peer.newStream(definition, ...args)
  const serve = <Req, Res>(definition: SingleDefinition<Req, Res>, fn: (request: Req) => Promise<Res>) =>
    grid.handle(definition, fn)
  const serveAny = <D extends AnyDefinition>(definition: D, fn: HandlerOf<D>) => grid.handle(definition, fn)

  expectTypeOf(call(lock, { resource: 'a' })).toEqualTypeOf<Promise<LockReply>>()
  expectTypeOf(callAny(lock, { resource: 'a' })).toEqualTypeOf<Promise<LockReply>>()
  expectTypeOf(callAny(now)).toEqualTypeOf<Promise<number>>()
  expectTypeOf(open(chat, 'room')).toEqualTypeOf<GridStream<number, boolean>>()
  expectTypeOf(openAny(walk, { path: '/' })).toEqualTypeOf<StreamOf<typeof walk>>()
  serve(lock, async ({ resource }) => ({ granted: resource !== '' }))
  serveAny(chat, (room) => [room !== ''])
  // @ts-expect-error the payload is missing
  callAny(lock)
  // @ts-expect-error an answer of another type
  serveAny(lock, () => ({ granted: 'yes' }))

  expectTypeOf<PayloadOf<typeof walk>>().toEqualTypeOf<{ path: string }>()
  expectTypeOf<RequestOf<typeof chat>>().toEqualTypeOf<number>()
  expectTypeOf<ResponseOf<typeof chat | typeof lock>>().toEqualTypeOf<boolean | LockReply>()
  expectTypeOf<StreamOf<'raw'>>().toEqualTypeOf<GridStream<Uint8Array, Uint8Array>>()
}

export function definitions(): void {
  const text: Codec<string> = { encode: (value) => Buffer.from(value), decode: (payload) => String(payload) }
  expectTypeOf(single('plain')).toEqualTypeOf<SingleDefinition<void, void>>()
  expectTypeOf(single('text', { request: text, response: text })).toEqualTypeOf<SingleDefinition<string, string>>()
  expectTypeOf(chat).toEqualTypeOf<StreamingDefinition<string, number, boolean>>()
  // @ts-expect-error a codec of another type
  single<number, void>('text', { request: text })
  // @ts-expect-error without requests the capacity for them is 0, and must say so
  streaming<void, never, string>('tail')
  // @ts-expect-error without requests the capacity for them is 0
  streaming<void, never, string>('tail', { inCapacity: 1 })
  // @ts-expect-error an option that there is not
  streaming<void, number, string>('chat', { capacity: 1 })
}

interface Tree {
  readonly name: string
  readonly parent?: Tree
  readonly children: readonly Tree[]
  readonly byName: Record<string, Tree>
}

type Json = string | number | boolean | null | Json[] | { [key: string]: Json }

class Point {
  readonly x: number
  constructor(x: number) {
    this.x = x
  }
}

class Vector {
  readonly x: number
  constructor(x: number) {
    this.x = x
  }
  get length(): number {
    return this.x
  }
  plus(other: Vector): Vector {
    return new Vector(this.x + other.x)
  }
}

/** What msgpack carries needs no codec; what it does not needs one. */
export function carried(map: Codec<Map<string, number>>): void {
  expectTypeOf(single<Tree, Json>('a')).toEqualTypeOf<SingleDefinition<Tree, Json>>()
  expectTypeOf(single('a', { request: map })).toEqualTypeOf<SingleDefinition<Map<string, number>, void>>()
  expectTypeOf(streaming('a', { payload: map, inCapacity: 0 })).toEqualTypeOf<
    StreamingDefinition<Map<string, number>, never, never>
  >()
  single<string & { readonly brand: unique symbol }, Point>('a')
  single<{ at: Date; raw: Buffer; big: bigint; of?: [number, string | null] }, unknown>('a')
  // biome-ignore lint/suspicious/noExplicitAny: what a user may write
  single<any, { readonly name: string; readonly message: string; any: any }>('a')
  single<object, Record<string, unknown>>('a')
  single<Map<string, number>, { done: true }>('a', { request: map })
  streaming<void, Map<string, number>, string>('a', { request: map })

  // @ts-expect-error an iterable with methods
  single<ReadonlyMap<string, number> | undefined>('a')
  // @ts-expect-error an answer that is not carried, whatever the request is
  single<unknown, Set<string>>('a')
  // @ts-expect-error a codec for one of two
  single<Map<string, number>, Set<string>>('a', { request: map })
  // @ts-expect-error within what is carried
  single<{ found: [Promise<string>] }>('a')
  // @ts-expect-error an object with a method
  single<Vector>('a')
  // @ts-expect-error an object that may have a method
  single<{ log?: () => void }>('a')
  // @ts-expect-error a class
  single<typeof Point>('a')
  // @ts-expect-error an error
  single<void, { error?: Error }>('a')
  // @ts-expect-error bytes that are no Uint8Array
  single<Float64Array>('a')
  // @ts-expect-error a symbol
  single<symbol>('a')
  // @ts-expect-error responses
  streaming<void, never, URL>('a', { inCapacity: 0 })
  // @ts-expect-error the codec of msgpack itself
  msgpack<RegExp>()

  // Where a type is not known yet, nothing is refused.
  const later = <Req, Res>(id: string) => single<{ value: Req }, Res[]>(`app.${id}`)
  expectTypeOf(later<string, number>('a')).toEqualTypeOf<SingleDefinition<{ value: string }, number[]>>()
}

void function interceptorTypes(manager: Manager) {
  expectTypeOf(authorize<{ owner: string }>(({ payload }) => payload.owner === '')).toEqualTypeOf<
    HandlerInterceptor<{ owner: string }>
  >()
  const onlyCaller: CallerInterceptor = { single: ({ timeout }, next) => next({ timeout: timeout / 2 }) }
  const both: Interceptor = { single: (call, next) => (call.side === 'caller' ? next() : undefined) }
  expectTypeOf(both).toExtend<CallerInterceptor>()
  expectTypeOf(both).toExtend<HandlerInterceptor>()
  manager.handle(lock, () => ({ granted: true }), {
    interceptors: [both, { single: ({ payload }, next) => expectTypeOf(payload).toEqualTypeOf<LockArgs>() ?? next() }]
  })
  manager.handle(walk, () => [], {
    interceptors: [
      {
        streaming({ payload, requests }, next) {
          expectTypeOf(payload).toEqualTypeOf<{ path: string }>()
          expectTypeOf(requests).toEqualTypeOf<AsyncIterable<unknown> | null>()
          return next()
        }
      }
    ]
  })

  // @ts-expect-error one of a caller at a handler
  manager.handle(lock, () => ({ granted: true }), { interceptors: [onlyCaller] })
  // @ts-expect-error one for another payload
  manager.handle(lock, () => ({ granted: true }), { interceptors: [authorize<string>(() => true)] })
  // @ts-expect-error a part that there is not
  const part: Interceptor = { stream: (_call: unknown, next: () => unknown) => next() }
  // @ts-expect-error a handler's changes nothing
  const changing: HandlerInterceptor = { single: (_call, next) => next({ metadata: {} }) }
  return [part, changing]
}

describe('types', () => {
  it('are checked by tsc; definitions are plain frozen data at run time', () => {
    assert.deepEqual(
      [walk.kind, walk.id, walk.inCapacity, walk.outCapacity, chat.inCapacity, chat.outCapacity, lock.kind],
      ['streaming', 'walk', 0, 32, 128, 128, 'single']
    )
    for (const definition of [lock, ping, walk, chat]) assert.ok(Object.isFrozen(definition))
  })

  it('refuse at run time what they refuse at compile time', () => {
    for (const inCapacity of [-1, 1.5, 65_536, Number.NaN]) {
      assert.throws(() => streaming<void, number, number>('wrong', { inCapacity }), { code: 'ERR_INVALID_OPTION' })
      assert.throws(() => streaming<void, number, number>('wrong', { outCapacity: inCapacity }), {
        code: 'ERR_INVALID_OPTION'
      })
    }
  })
})
