/** Interceptors around requests and streams, at both ends of a real conn. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { check } from '../../lib/errors/check.ts'
import { anInterceptorList } from '../../lib/hooks/interceptor.ts'
import {
  type CallerInterceptor,
  ClosedError,
  DeadlineError,
  GridError,
  type HandlerInterceptor,
  type Interceptor,
  InvalidOptionError,
  RejectedError,
  RemoteError,
  single,
  streaming
} from '../../lib/index.ts'
import { Gate } from '../support/gate.ts'
import { until } from '../support/until.ts'
import { fact } from './fact.ts'

const echo = single<string, string>('echo')
const count = streaming<number, never, number>('count', { inCapacity: 0, outCapacity: 2 })
const sum = streaming<void, number, number>('sum', { inCapacity: 2, outCapacity: 2 })

/** Says when it begins and ends. */
function said(log: string[], name: string): Interceptor {
  return {
    async single(call, next) {
      log.push(`${name} ${call.side}`)
      try {
        return await next()
      } finally {
        log.push(`${name} end`)
      }
    },
    async *streaming(call, next) {
      log.push(`${name} ${call.side}`)
      try {
        yield* next()
      } finally {
        log.push(`${name} end`)
      }
    }
  }
}

async function read<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const message of messages) all.push(message)
  return all
}

const failed = async (work: PromiseLike<unknown>): Promise<Error> => {
  try {
    await work
  } catch (error) {
    return error as Error
  }
  assert.fail('it did not fail')
}

function refuseOr<T>(refuses: unknown, next: () => T): T {
  if (refuses === true) throw new RejectedError('denied', 'not again')
  return next()
}

describe('interceptors', () => {
  const log: string[] = []
  const order = {
    caller: [said(log, 'a'), said(log, 'b')],
    handler: [said(log, 'c'), said(log, 'd')]
  }
  fact(
    'stand around requests and streams at both ends, outermost first, those of handle innermost',
    order,
    async (link) => {
      const { responder, peer } = link
      responder.handle(echo, (text) => text, { interceptors: [said(log, 'e')] })
      responder.handle(count, (n) => Array.from({ length: n }, (_, at) => at), { interceptors: [said(log, 'e')] })
      await link.known()
      const expected = ['a caller', 'b caller', 'c handler', 'd handler', 'e handler']
      const inwards = [...expected, 'e end', 'd end', 'c end', 'b end', 'a end']
      log.length = 0
      assert.equal(await peer.request(echo, 'x'), 'x')
      assert.deepEqual(log, inwards)
      log.length = 0
      assert.deepEqual(await read(peer.newStream(count, 5)), [0, 1, 2, 3, 4])
      await until(() => log.length === 10, 'all have ended')
      assert.deepEqual(log.slice(0, 5), expected)
      assert.deepEqual(
        ['a', 'b'].map((name) => log.indexOf(`${name} end`) > log.indexOf(`${name} caller`)),
        [true, true]
      )
    }
  )

  const seen: unknown[] = []
  const look: HandlerInterceptor = {
    single(call, next) {
      seen.push([call.side, call.kind, call.handler, call.subroute, call.host, call.payload, call.metadata])
      assert.ok(call.deadline !== undefined && call.signal.aborted === false)
      return next()
    }
  }
  const change: CallerInterceptor = {
    single: (call, next) => next({ metadata: { ...call.metadata, added: call.payload as string }, timeout: 5000 })
  }
  fact(
    'see the call, and those of a caller change its metadata and its time',
    { caller: [change], handler: [look] },
    async (link) => {
      link.responder.handle(echo, (text, { deadline = 0 }) => `${text} ${deadline - Date.now() <= 5000}`, {
        subroute: 'x'
      })
      await link.known()
      seen.length = 0
      assert.equal(await link.peer.subroute('x').request(echo, 'a', { metadata: { own: 1 } }), 'a true')
      assert.deepEqual(seen, [['handler', 'single', 'echo', 'x', link.caller.local, 'a', { own: 1, added: 'a' }]])
    }
  )

  let tries = 0
  const again: CallerInterceptor = {
    async single(_call, next) {
      for (;;) {
        try {
          return await next()
        } catch (error) {
          if (!RemoteError.is(error)) throw error
        }
      }
    }
  }
  fact('of a caller may call next again, and answer by themselves', { caller: [again] }, async (link) => {
    link.responder.handle(echo, (text) => {
      if (++tries < 3) throw new Error('not yet')
      return text
    })
    await link.known()
    tries = 0
    assert.equal(await link.peer.request(echo, 'x'), 'x')
    assert.equal(tries, 3)
  })
  const answers: CallerInterceptor = {
    single: (call) => `${call.payload}, by myself`,
    async *streaming() {
      yield* [7, 8]
    }
  }
  fact('that never call next answer, and nothing is sent', { caller: [answers] }, async (link) => {
    assert.equal(await link.peer.request(echo, 'x'), 'x, by myself')
    const stream = link.peer.newStream(count, 1)
    assert.deepEqual(await read(stream), [7, 8])
    assert.equal((await stream.closed).how, 'ended')
    assert.equal(link.back.stats().session?.inboundStreams, 0)
  })

  const refuse: HandlerInterceptor = {
    single(call, next) {
      if (call.payload === 'denied') throw new RejectedError('denied', 'not you', { details: { need: 'token' } })
      if (call.payload === 'other') throw Object.assign(new Error('too much'), { code: 'E_QUOTA' })
      return next()
    },
    async *streaming(call, next) {
      if (call.payload === 0) throw new RejectedError('rateLimited', 'later', { details: { retryAfterMs: 5 } })
      yield* next()
    }
  }
  fact('of a handler refuse before it runs, which its caller knows', { handler: [refuse] }, async (link) => {
    let ran = 0
    link.responder.handle(echo, (text) => {
      ran++
      if (text === 'own') throw new RejectedError('denied', 'the handler itself')
      return text
    })
    link.responder.handle(count, (n) => {
      ran++
      return [n]
    })
    await link.known()
    ran = 0
    const denied = await failed(link.peer.request(echo, 'denied'))
    assert.ok(RejectedError.is(denied))
    assert.deepEqual(
      [denied.reason, denied.message, denied.delivery, denied.details],
      ['denied', 'not you', 'notSent', { need: 'token' }]
    )
    const other = await failed(link.peer.request(echo, 'other'))
    assert.ok(RemoteError.is(other))
    assert.deepEqual([other.code, other.delivery], ['E_QUOTA', 'notSent'])
    const late = await failed(read(link.peer.newStream(count, 0)))
    assert.ok(RejectedError.is(late))
    assert.deepEqual([late.reason, late.delivery, late.details], ['rateLimited', 'notSent', { retryAfterMs: 5 }])
    assert.equal(ran, 0)
    const own = await failed(link.peer.request(echo, 'own'))
    assert.ok(RemoteError.is(own))
    assert.deepEqual([own.code, own.delivery], ['ERR_REJECTED', 'ran'])
    assert.deepEqual(await read(link.peer.newStream(count, 3)), [3])
  })

  fact('of a handler cannot run it twice, nor late', { handler: [] }, async (link) => {
    let ran = 0
    const errors: unknown[] = []
    let late: (() => Promise<unknown>) | undefined
    const twice: HandlerInterceptor = {
      async single(call, next) {
        late = next
        if (call.payload === 'never') throw new RejectedError('denied', 'no')
        await next()
        return await next()
      }
    }
    link.responder.handle(
      echo,
      (text) => {
        ran++
        return text
      },
      { interceptors: [twice] }
    )
    await link.known()
    const error = await failed(link.peer.request(echo, 'x'))
    assert.match(error.message, /next\(\) was called before: a handler runs once/)
    assert.equal(ran, 1)
    await failed(link.peer.request(echo, 'never'))
    await late?.().catch((error) => errors.push(error))
    assert.ok(ClosedError.is(errors[0]))
    assert.equal(ran, 1)
  })

  const goesOn: CallerInterceptor = {
    async single({ handler, payload, deadline = 0 }, next) {
      if (handler !== echo.id) return await next()
      const first = next()
      first.catch(() => undefined)
      if (payload === 'wrong') return await next({ metadata: { wrong: Symbol('no value') as never } })
      if (payload !== 'hangs') await first
      if (payload === 'refused') return await next({ metadata: { refuse: true } })
      // So long that no timer comes before `next`.
      while (Date.now() <= deadline + 10);
      return await next()
    }
  }
  fact(
    'that go on after a try which may have run do not fail by what says that nothing was sent',
    { caller: [goesOn], handler: [{ single: (call, next) => refuseOr(call.metadata.refuse, next) }] },
    async (link) => {
      const held = new Gate()
      link.responder.handle(echo, async (text) => {
        if (text === 'hangs') await held.opened
        return text
      })
      await link.known()
      for (const [text, timeout, code] of [
        ['refused', 30_000, 'ERR_REJECTED'],
        ['wrong', 30_000, 'ERR_INVALID_OPTION'],
        ['late', 200, 'ERR_DEADLINE'],
        ['hangs', 200, 'ERR_DEADLINE']
      ] as const) {
        const error = await failed(link.peer.request(echo, text, { timeout }))
        assert.ok(GridError.is(error))
        assert.deepEqual([error.code, error.delivery], [code, 'maybeRan'], text)
      }
      held.open()
    }
  )

  const stuck: CallerInterceptor = {
    single: () => new Promise(() => undefined),
    async *streaming() {
      await new Promise(() => undefined)
    }
  }
  fact(
    'that never answer leave the deadline and the signal of a call as they are',
    { caller: [stuck] },
    async (link) => {
      const late = await failed(link.peer.request(echo, 'x', { timeout: 20 }))
      assert.ok(DeadlineError.is(late))
      assert.deepEqual(
        [late.delivery, late.message],
        ['notSent', `no answer from ${link.responder.local} within 20 ms`]
      )
      const lateStream = await failed(read(link.peer.newStream(count, 1, { timeout: 20 })))
      assert.ok(DeadlineError.is(lateStream) && lateStream.delivery === 'notSent')
      const reason = new Error('not wanted')
      const signal = AbortSignal.abort(reason)
      assert.equal(await failed(link.peer.request(echo, 'x', { signal })), reason)
      const controller = new AbortController()
      const waiting = failed(link.peer.request(echo, 'x', { signal: controller.signal }))
      const stream = link.peer.newStream(count, 1, { signal: controller.signal })
      const reading = failed(read(stream))
      controller.abort(reason)
      assert.deepEqual([await waiting, await reading], [reason, reason])
      assert.deepEqual(await stream.closed, { how: 'cancelled', error: reason })
    }
  )

  const wrong: CallerInterceptor = {
    single: (_call, next) => next({ timeoutMs: 5 } as never),
    streaming: (() => undefined) as never
  }
  fact('that do the wrong thing are told what is right', { caller: [wrong] }, async (link) => {
    const error = await failed(link.peer.request(echo, 'x'))
    assert.ok(InvalidOptionError.is(error))
    assert.match(error.message, /next\(\) has no option "timeoutMs" \(did you mean "timeout"\?\)/)
    const missing = await failed(read(link.peer.newStream(count, 1)))
    assert.match(missing.message, /must return an async iterable, such as next\(\); it returned undefined/)
  })

  class Inherited {
    get requests() {
      return null
    }
  }
  const notForNext: readonly (readonly [given: unknown, text: RegExp])[] = [
    [5, /the options of next\(\) must be an object; they are 5/],
    // As frameworks for HTTP are told that a request is refused.
    [new Error('no'), /the options of next\(\) must be an object/],
    ...[true, 'x', null, [], new Map(), () => undefined].map(
      (given) => [given, /the options of next\(\) must be an object/] as const
    ),
    [new Inherited(), /requests of next\(\) is inherited/],
    [{ metadata: {} }, /metadata of next\(\) is for interceptors of callers: a handler's changes nothing of the call/],
    [{ timeout: 5 }, /timeout of next\(\) is for interceptors of callers/],
    [{ request: 5 }, /next\(\) has no option "request" \(did you mean "requests"\?\)/],
    [{ requests: 5 }, /requests of next\(\) must be an object; it is 5/],
    [{ requests: new Map() }, /given requests, but the handler takes none/]
  ]
  const heard: unknown[] = []
  let given: unknown
  const asks = (next: (changes: never) => unknown) => {
    try {
      return next(given as never)
    } catch (error) {
      heard.push(error)
      throw error
    }
  }
  const careless: HandlerInterceptor = {
    single: async (_call, next) =>
      await next(given as never).catch((error) => {
        heard.push(error)
        throw error
      }),
    streaming: (_call, next) => asks(next) as AsyncIterable<unknown>
  }
  fact(
    'of a handler are told what is wrong with what they give next(), and the handler does not run',
    { handler: [careless] },
    async (link) => {
      let runs = 0
      const run = <T>(value: T): T => {
        runs++
        return value
      }
      link.responder.handle(echo, run)
      link.responder.handle(count, async function* (n) {
        yield run(n)
      })
      await link.known()
      for (const [wrong, text] of notForNext) {
        given = wrong
        for (const call of [() => link.peer.request(echo, 'x'), () => read(link.peer.newStream(count, 1))]) {
          heard.length = 0
          const { delivery } = (await failed(call())) as Partial<RemoteError>
          assert.equal(delivery, 'notSent', String(wrong))
          assert.ok(InvalidOptionError.is(heard[0]), String(wrong))
          assert.match(heard[0].message, text)
        }
      }
      assert.equal(runs, 0)
      for (const right of [undefined, {}, Object.create(null), { metadata: undefined }]) {
        given = right
        assert.equal(await link.peer.request(echo, 'x'), 'x')
        assert.deepEqual(await read(link.peer.newStream(count, 1)), [1])
      }
      assert.ok(link.responder.stats().served.some(({ handler, mistakes }) => handler === 'echo' && mistakes > 0))
    }
  )
})

describe('generators around a stream', () => {
  const log: string[] = []
  const nested = { caller: [said(log, 'a'), said(log, 'b')], handler: [said(log, 'c')] }

  fact('open it at once, and read nothing ahead of its consumer', nested, async (link) => {
    let pulled = 0
    link.responder.handle(count, async function* () {
      for (;;) yield pulled++
    })
    await link.known()
    log.length = 0
    const stream = link.peer.newStream(count, 0)
    await until(() => pulled === 2, 'the window is full')
    assert.deepEqual(log, ['a caller', 'b caller', 'c handler'])
    const { responses } = stream
    assert.deepEqual(await responses.next(), { done: false, value: 0 })
    await until(() => pulled === 3, 'one more')
    stream.cancel()
    await until(() => log.length === 6, 'all have ended')
  })

  fact('run their finally on a break, a cancel, and when nobody reads at all', nested, async (link) => {
    let open = 0
    link.responder.handle(count, async function* (_n, _requests, { signal }) {
      open++
      try {
        yield 1
        await once(signal, 'abort')
      } finally {
        open--
      }
    })
    await link.known()
    const leave = {
      break: async (stream: AsyncIterable<number>) => {
        for await (const _ of stream) break
      },
      cancel: async (_: unknown, cancel: () => void) => cancel(),
      'a return before the first pull': async (stream: AsyncIterable<number>) =>
        void (await stream[Symbol.asyncIterator]().return?.())
    }
    for (const [way, leaving] of Object.entries(leave)) {
      log.length = 0
      const stream = link.peer.newStream(count, 0)
      await until(() => open === 1, 'the handler runs')
      await leaving(stream, () => stream.cancel())
      assert.equal((await stream.closed).how, 'cancelled', way)
      await until(() => log.length === 6 && open === 0, `${way}: all have ended, at both ends`)
    }
  })

  fact('end with an upload that nobody reads the answers of', nested, async (link) => {
    const got: number[] = []
    link.responder.handle(sum, async (_payload, requests) => {
      for await (const n of requests) got.push(n)
    })
    await link.known()
    log.length = 0
    const stream = link.peer.newStream(sum)
    await stream.sink([1, 2, 3, 4, 5])
    assert.deepEqual(await stream.closed, { how: 'ended' })
    assert.deepEqual(got, [1, 2, 3, 4, 5])
    await until(() => log.length === 6, 'all have ended')
  })

  const gate = new Gate()
  const late: CallerInterceptor = {
    async *streaming(_call, next) {
      await gate.opened
      yield* next()
    }
  }
  fact('may wait before they go on, while requests are given', { caller: [late] }, async (link) => {
    link.responder.handle(sum, async function* (_payload, requests) {
      for await (const n of requests) yield n * 2
    })
    await link.known()
    const stream = link.peer.newStream(sum)
    const sent = stream.sink([1, 2, 3])
    const reading = read(stream)
    assert.equal(link.back.stats().session?.inboundStreams, 0)
    gate.open()
    assert.deepEqual(await reading, [2, 4, 6])
    await sent
  })

  const first: CallerInterceptor = {
    async *streaming(_call, next) {
      let left = 2
      for await (const message of next()) {
        yield message
        if (--left === 0) return
      }
    }
  }
  fact('that end before the stream does cancel it', { caller: [first] }, async (link) => {
    let aborted = false
    link.responder.handle(count, async function* (_n, _requests, { signal }) {
      signal.addEventListener('abort', () => {
        aborted = true
      })
      for (let n = 0; ; n++) yield n
    })
    await link.known()
    const stream = link.peer.newStream(count, 0)
    assert.deepEqual(await read(stream), [0, 1])
    assert.deepEqual(await stream.closed, { how: 'ended' })
    await until(() => aborted, 'the handler is told')
  })
})

describe('a list of interceptors', () => {
  const pass = (_: unknown, next: () => unknown) => next()
  const wrong: [unknown, string][] = [
    [[{ single: pass }, { stream: pass }], '[1] of it has "stream" (did you mean "streaming"?)'],
    [[{ singel: pass }], '[0] of it has "singel" (did you mean "single"?)'],
    [[pass], '[0] of it is a function'],
    [[{ single: pass, streaming: 5 }], '[0] of it has a streaming that is 5'],
    [[{}], '[0] of it has none of the two'],
    [{ single: pass }, 'it is an object']
  ]
  it('is refused with the place of what is wrong in it', () => {
    for (const [list, text] of wrong) {
      const must = 'must be an array of interceptors: objects with a function single, or streaming, or both'
      assert.throws(() => check('interceptors', list, anInterceptorList), { message: `interceptors ${must}; ${text}` })
    }
  })
})
