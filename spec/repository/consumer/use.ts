/** A program of a user, which must compile as it is: here, and with each version of TypeScript that is supported. */

import {
  authorize,
  type CallerInterceptor,
  type Connection,
  channels,
  type GridStream,
  type HandlerInterceptor,
  type Interceptor,
  Manager,
  type ManagerOptions,
  RejectedError,
  RemoteError,
  rateLimit,
  sharedSecret,
  single,
  streaming
} from 'it-grid'

const add = single<{ a: number; b: number }, number>('add')
const walk = streaming<string, never, { name: string }>('walk', { inCapacity: 0 })
const options: ManagerOptions = {
  local: 'http://a:1',
  hosts: ['http://a:1'],
  auth: sharedSecret('sixteen bytes and more')
}
await using manager = new Manager(options)
manager.handle(add, ({ a, b }) => a + b)
manager.handle(walk, function* (path) {
  yield { name: path.toUpperCase() }
})

export async function sum(connection: Connection): Promise<number> {
  const stream: GridStream<never, { name: string }> = connection.newStream(walk, '/')
  for await (const { name } of stream.responses) name.toUpperCase()
  return await connection.request(add, { a: 1, b: 2 })
}

export function misuse(connection: Connection): void {
  // @ts-expect-error the types arrive: a wrong argument does not compile
  connection.request(add, { a: 1, b: '2' })
  // @ts-expect-error and so does a handler that takes no requests
  connection.newStream(walk, '/').requests.push(1)
}

const timing: Interceptor = {
  async single(call, next) {
    const start = performance.now()
    try {
      return await next()
    } finally {
      console.log(call.side, call.handler, performance.now() - start)
    }
  },
  async *streaming(call, next) {
    for await (const message of next()) yield call.requests === null ? message : undefined
  }
}
const again: CallerInterceptor = {
  async single(call, next) {
    const metadata = { ...call.metadata, token: 't' }
    try {
      return await next({ metadata })
    } catch (error) {
      if (!RejectedError.is(error) || error.reason !== 'denied') throw error
      return await next({ metadata, timeout: call.timeout / 2, signal: call.signal })
    }
  },
  async *streaming(call, next) {
    yield* next({ metadata: { ...call.metadata, token: 't' } })
  }
}
const cached = (cache: Map<unknown, unknown>): CallerInterceptor => ({
  single: (call, next) => (cache.has(call.payload) ? cache.get(call.payload) : next())
})
const fewer = (max: number): HandlerInterceptor => ({
  single(call, next) {
    if (call.metadata.token === undefined) throw new RejectedError('denied', 'no', { details: { need: 'token' } })
    return next()
  },
  streaming: (call, next) => (call.requests === null ? next() : next({ requests: take(call.requests, max) }))
})
async function* take(requests: AsyncIterable<unknown>, max: number): AsyncGenerator<unknown> {
  let left = max
  for await (const request of requests) if (left-- > 0) yield request
}
export const around = new Manager({
  ...options,
  interceptors: {
    caller: [timing, again, cached(new Map())],
    handler: [
      timing,
      rateLimit({ perSecond: 500, burst: 1000 }),
      authorize(({ remote }) => remote.host !== ''),
      fewer(3)
    ]
  }
})
around.handle(add, async ({ a, b }) => a + b, { interceptors: [authorize(({ payload }) => payload.a > 0), timing] })
around.handle(walk, async function* () {}, { interceptors: [authorize(async ({ payload }) => payload !== '/etc')] })
channels.call.subscribe({
  start(call) {
    call.metadata.traceparent = 'x'
  },
  end() {},
  asyncStart() {},
  asyncEnd: (call) => console.log(call.host, call.outcome?.durationMs, call.outcome?.code, call.outcome?.delivery),
  error: (call) => console.log(call.error)
})

console.log(manager.local, manager.stats().handlerCount, new RemoteError('E', 'text').code)
