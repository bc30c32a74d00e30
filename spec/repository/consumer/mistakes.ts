/**
 * Mistakes that users make, each after what the compiler says of it: code, column, a part of the text with its explanation, and
 * after `...` another part. `mistakes.spec.ts` compares; `npm run compilers` does so with each version of TypeScript.
 */

import { Readable } from 'node:stream'
import {
  authorize,
  bytes,
  type Connection,
  contract,
  type HandlerInterceptor,
  type Interceptor,
  type Manager,
  type ManagerOptions,
  many,
  msgpack,
  none,
  retry,
  single,
  streaming
} from 'it-grid'

declare const grid: Manager
declare const peer: Connection
const get = single<{ key: string }, { value: string } | null>('cache.get')
const put = single<{ key: string; value: string }, void>('cache.put')
const cache = contract({ get, put })
const flush = single<void, void>('cache.flush', { request: none(), response: none() })
const changes = streaming<{ from: number }, never, { at: number; key: string }>('changes', { inCapacity: 0 })
const upload = streaming<{ name: string }, Uint8Array>('upload', { request: bytes() })

// Definitions

// TS2345 or TS2741 at 1: required in type 'CodecNeededFor<Map<string, number>, SingleOptions<Map<string, number>, void>
// ... { readonly request: Codec<Map<string, number>>; }
single<Map<string, number>>('map')
// TS2345 or TS2741 at 1: required in type 'CodecNeededFor<Set<string>, SingleOptions<void, { found: { tags: Set<string>; }[]; }>
// ... { readonly response: Codec<
single<void, { found: { tags: Set<string> }[] }>('set')
// TS2345 at 38: required in type '{ readonly response: Codec<() => void>; }'.
single<void, () => void>('function', {})
// TS2345 or TS2741 at 1: required in type 'CodecNeededFor<Promise<string>, StreamingCodecs<string, Promise<string>, string>
// ... { readonly request: Codec<Promise<string>>; }
streaming<string, Promise<string>, string>('promise')
// TS2345 or TS2741 at 22: 'CannotCarry<Map<string, number>>'.
export const ofMap = msgpack<Map<string, number>>()
// TS2554 at 1: Expected 2 arguments, but got 1.
streaming<void, never, number>('feed')

// Hosts

// TS2322 at 14: Type 'string' is not assignable to type 'Hosts'.
export const hosts: ManagerOptions['hosts'] = 'http://a'
// TS2322 at 21: Type 'string' is not assignable to type 'HostList'.
grid.waitForPeers({ hosts: 'http://a' })

// Calls

// TS2554 at 6: Expected 2-3 arguments, but got 1.
peer.request(get)
// TS2353 at 21: Object literal may only specify known properties, and 'ky' does not exist in type '{ key: string; }'.
peer.request(get, { ky: 'a' })
// TS2345 at 19: Argument of type 'string' is not assignable to parameter of type '{ key: string; }'.
peer.request(get, 'a')
// TS2561 at 35: 'timeoutMs' does not exist in type 'CallOptions'. Did you mean to write 'timeout'?
peer.request(get, { key: 'a' }, { timeoutMs: 1 })
// TS2740 at 35: Type 'AbortController' is missing the following properties from type 'AbortSignal'
peer.request(get, { key: 'a' }, { signal: new AbortController() })
// TS2345 at 21: Argument of type '{ timeout: number; }' is not assignable to parameter of type 'void'.
peer.request(flush, { timeout: 5 })
// TS2345 at 14: Argument of type 'StreamingDefinition<{ from: number; }, never, { at: number; key: string; }>' is not assignable
// ... Type '"streaming"' is not assignable to type '"single"'.
peer.request(changes, { from: 0 })
// TS2345 at 16: Argument of type 'SingleDefinition<{ key: string; }, { value: string; } | null>' is not assignable
// ... is missing the following properties from type 'StreamingDefinition<unknown, unknown, unknown>'
peer.newStream(get, { key: 'a' })
// TS2345 at 23: Argument of type 'string' is not assignable to parameter of type 'Uint8Array<ArrayBufferLike>'.
peer.request('wordy', 'text')
// TS2561 at 29: 'key' does not exist in type 'Uint8Array<ArrayBufferLike>'.
peer.request('cache.get', { key: 'a' })
// TS2353 at 29: 'from' does not exist in type 'Uint8Array<ArrayBufferLike>'.
peer.newStream('changes', { from: 0 })
// TS2345 at 43: Argument of type '1' is not assignable to parameter of type 'never'.
peer.newStream(changes, { from: 0 }).send(1)
// TS2531 at 1: Object is possibly 'null'.
peer.newStream(changes, { from: 0 }).requests.push(1)
// TS2345 at 44: Argument of type 'string' is not assignable to parameter of type
peer.newStream(upload, { name: 'x' }).send('text')
// TS2345 at 44: Argument of type 'Many<string>' is not assignable to parameter of type
peer.newStream(upload, { name: 'x' }).send(many(['text']))
// TS2741 at 14: Property 'value' is missing in type 'Promise<{ value: string; } | null>' but required
export const found: { value: string } = peer.request(get, { key: 'a' })
// TS2531 at 30: Object is possibly 'null'.
export const first: string = (await peer.request(get, { key: 'a' })).value

// Many peers

// TS2554 at 6: Expected 2-3 arguments, but got 1.
grid.all(get)
// TS2353 at 17: 'ky' does not exist in type '{ key: string; }'.
grid.all(get, { ky: 'a' })
// TS2353 at 31: 'requests' does not exist in type 'AllOptions<SingleDefinition<{ key: string; }, { value: string; } | null>>'.
grid.all(get, { key: 'a' }, { requests: () => [] })
// TS18049 at 72: 'value' is possibly 'null' or 'undefined'.
for await (const { value } of grid.all(get, { key: 'a' })) console.log(value.value)

// TS2554 at 6: Expected 3 arguments, but got 2.
grid.quorum(get, { key: 'a' })
// TS2345 or TS2741 at 32: Property 'need' is missing in type '{}'
grid.quorum(get, { key: 'a' }, {})
// TS2339 at 54: Property 'valu' does not exist on type
grid.quorum(get, { key: 'a' }, { need: 2, accept: ({ valu }) => valu })
// TS2345 at 13: Argument of type 'StreamingDefinition<{ from: number; }, never, { at: number; key: string; }>' is not assignable
// ... Type '"streaming"' is not assignable to type '"single"'.
grid.quorum(changes, { from: 0 }, { need: 2 })

// TS2353 at 34: 'hedgeAfterMs' does not exist in type 'AnyOptions<StreamingDefinition<{ from: number; }, never, { at: number; key: string; }>>'.
grid.any(changes, { from: 0 }, { hedgeAfterMs: 5 })

// TS2353 at 48: 'retries' does not exist in type 'RetryOptions'.
retry(() => peer.request(get, { key: 'a' }), { retries: 3 })

// Handlers

// TS2322 at 31: Type '{ valu: string; }' is not assignable to type
grid.handle(get, ({ key }) => ({ valu: key }))
// TS2322 at 37: Type 'Promise<string>' is not assignable to type
// ... Type 'string' is not assignable to type '{ value: string; }'.
grid.handle(get, async ({ key }) => key)
// TS2339 at 21: Property 'ky' does not exist on type '{ key: string; }'.
grid.handle(get, ({ ky }) => ky)
// TS2345 at 18: Argument of type '() => Generator<null, void, unknown>' is not assignable to parameter of type 'SingleHandler<{ key: string; }, { value: string; } | null>'.
grid.handle(get, function* () {
  yield null
})
// TS2322 at 28: Type 'number' is not assignable to type
grid.handle(changes, () => 42)
// TS2345 at 22: is not assignable to parameter of type 'StreamingHandler<{ from: number; }, never, { at: number; key: string; }>'.
// ... Types of property 'at' are incompatible.
// ... Type 'string' is not assignable to type 'number'.
grid.handle(changes, async function* () {
  yield { at: 'one', key: 'a' }
})
// TS2345 at 57: Argument of type 'null' is not assignable to parameter of type
grid.handle(changes, (_from, requests) => Readable.from(requests))
// TS2322 at 33: Type 'number' is not assignable to type
grid.handle('raw', (payload) => payload.length)
// TS2339 at 29: Property 'key' does not exist on type 'Uint8Array<ArrayBufferLike>'.
grid.handle('cache.get', ({ key }) => Buffer.from(key))
// TS2561 at 32: 'subRoute' does not exist in type 'HandleOptions<void>'. Did you mean to write 'subroute'?
grid.handle(flush, () => {}, { subRoute: 'a' })
// TS2561 at 32: 'interceptor' does not exist in type 'HandleOptions<void>'. Did you mean to write 'interceptors'?
grid.handle(flush, () => {}, { interceptor: [] })

// Interceptors

const rule: HandlerInterceptor<{ owner: string }> = authorize(({ payload, host }) => payload.owner === host)
// TS2339 at 82: Property 'kee' does not exist on type '{ key: string; }'.
grid.handle(get, () => null, { interceptors: [authorize(({ payload }) => payload.kee === 'a')] })
// TS2322 at 79: Type 'number' is not assignable to type 'undefined'.
export const changing: HandlerInterceptor = { single: (_call, next) => next({ timeout: 1 }) }
// TS2322 at 38: Property '[Symbol.asyncIterator]' is missing in type 'Promise<AsyncIterable<unknown>>'
export const stream: Interceptor = { streaming: async (_call, next) => next() }
// TS2322 at 73: Type 'HandlerInterceptor<{ owner: string; }>' is not assignable to type 'HandlerInterceptor
// ... Type 'unknown' is not assignable to type '{ owner: string; }'.
export const interceptors: ManagerOptions['interceptors'] = { handler: [rule] }

// Contracts

// TS2345 or TS2741 at 23: Property 'put' is missing in type '{ get: () => null; }'
grid.implement(cache, { get: () => null })
// TS2561 at 57: 'gett' does not exist in type
grid.implement(cache, { get: () => null, put: () => {}, gett: () => null })
// TS2322 at 36: Type 'string' is not assignable to type
grid.implement(cache, { get: () => 'a', put: () => {} })
// TS2339 at 16: Property 'git' does not exist on type
cache.on(peer).git({ key: 'a' })
// TS2353 at 22: 'ky' does not exist in type '{ key: string; }'.
cache.on(peer).get({ ky: 'a' })
// TS2322 at 12: Type 'string' is not assignable to type 'AnyDefinition'.
contract({ get: 'cache.get' })
