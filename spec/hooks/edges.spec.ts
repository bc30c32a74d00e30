/** Interceptors while things go wrong: a lost conn, a shutdown, a withdrawn handler, whatever they throw. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import {
  type CallerInterceptor,
  ClosedError,
  channels,
  DeadlineError,
  DisconnectedError,
  type HandlerInterceptor,
  RejectedError,
  RemoteError,
  single,
  streaming
} from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { Gate, Outcome } from '../support/gate.ts'
import { openLink, useLink } from '../support/grid/links.ts'
import { until } from '../support/until.ts'
import { fact } from './fact.ts'

const echo = single<string, string>('echo')
const sum = streaming<void, number, number>('sum', { inCapacity: 2, outCapacity: 2 })

async function read<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const message of messages) all.push(message)
  return all
}

/** Counts the calls that run through it. */
function counting(running: { count: number }) {
  return {
    async single(_call: unknown, next: () => Promise<unknown>) {
      running.count++
      try {
        return await next()
      } finally {
        running.count--
      }
    },
    async *streaming(_call: unknown, next: () => AsyncIterable<unknown>) {
      running.count++
      try {
        yield* next()
      } finally {
        running.count--
      }
    }
  }
}

describe('interceptors', () => {
  const running = { count: 0 }
  const counted = { caller: [counting(running), counting(running)], handler: [counting(running)] }

  fact('end with a conn that is lost, at both ends, and their calls fail as without them', counted, async (link) => {
    for (const handler of [echo, sum]) {
      link.responder.handle(
        handler as never,
        ((...args: unknown[]) => {
          const { signal } = args.at(-1) as { signal: AbortSignal }
          return once(signal, 'abort').then(() => (handler === echo ? 'late' : []))
        }) as never
      )
    }
    await link.known()
    const request = new Outcome(link.peer.request(echo, 'x'))
    const stream = link.peer.newStream(sum)
    const reading = new Outcome(read(stream))
    await until(() => running.count === 6, 'all are running')
    link.cut()
    await Promise.all([request.done, reading.done])
    for (const { error } of [request, reading]) {
      assert.ok(DisconnectedError.is(error))
      assert.deepEqual([error.reason, error.delivery], ['lost', 'maybeRan'])
    }
    assert.equal((await stream.closed).how, 'failed')
    await until(() => running.count === 0, 'all have ended')
    await link.connected(2)
  })

  const gate = new Gate()
  const late: CallerInterceptor = {
    async single(_call, next) {
      await gate.opened
      return await next()
    },
    async *streaming(_call, next) {
      await gate.opened
      yield* next()
    }
  }
  it('that hold a call back when its connection is closed cannot send it any more: it fails at once', async () => {
    const link = await openLink('ws', 'dialer', { interceptors: { caller: [late] } })
    try {
      const options = { timeout: Number.POSITIVE_INFINITY }
      const stream = link.peer.newStream(sum, undefined, options)
      const calls = [
        link.peer.request(echo, 'x', options),
        read(stream),
        link.caller.connection(link.caller.local).request(echo, 'x', options)
      ].map((call) => new Outcome<unknown>(call))
      const closing = link.caller.close({ timeout: 5 })
      calls.push(new Outcome<unknown>(link.peer.request(echo, 'later', options)))
      await Promise.all(calls.map(({ done }) => done))
      await closing
      assert.equal((await stream.closed).how, 'failed')
      for (const { error } of calls) {
        assert.ok(ClosedError.is(error))
        assert.equal(error.delivery, 'notSent')
      }
      gate.open()
    } finally {
      await link.abandon()
    }
  })

  const patient: CallerInterceptor = {
    single: (_call, next) =>
      next().catch(async (error: unknown) => {
        if (!DeadlineError.is(error)) throw error
        // As one does that asks something else first, in the same turn.
        for (let steps = 0; steps < 8; steps++) await undefined
        return await next({ metadata: { again: true }, timeout: paced(10_000) })
      })
  }
  fact(
    'that go on with a timeout when that of a call is over give it that time',
    { caller: [patient] },
    async (link) => {
      link.responder.handle(echo, async (text, { metadata, signal }) => {
        if (metadata.again !== true) await once(signal, 'abort')
        return text
      })
      await link.known()
      assert.equal(await link.peer.request(echo, 'x', { timeout: 20 }), 'x')
    }
  )

  const held = new Gate()
  const slow: CallerInterceptor = {
    async single(_call, next) {
      const answer = await next()
      await held.opened
      return answer
    }
  }
  it('that have the answer when the connection is closed may still give it', async () => {
    const link = await openLink('ws', 'dialer', { interceptors: { caller: [slow] } })
    try {
      let ran = 0
      link.responder.handle(echo, (text) => {
        ran++
        return text
      })
      await until(() => link.peer.handlers.length === 1, 'it is known')
      const request = new Outcome(link.peer.request(echo, 'x'))
      await until(() => ran === 1 && link.peer.stats().called.running === 0, 'it has its answer')
      await link.caller.close({ timeout: 5 })
      assert.equal(request.settled, false)
      held.open()
      await request.done
      assert.equal(request.value, 'x')
    } finally {
      await link.abandon()
    }
  })

  it('around an open stream let it end within the grace of a shutdown', async () => {
    const link = await openLink('ws', 'dialer', { interceptors: counted })
    try {
      const open = new Gate()
      link.responder.handle(sum, async function* () {
        yield 1
        await open.opened
        yield 2
      })
      await link.known()
      const stream = link.peer.newStream(sum)
      stream.requests.end()
      assert.equal((await stream.responses.next()).value, 1)
      const closing = link.caller.close()
      open.open()
      assert.deepEqual(await read(stream), [2])
      await closing
      assert.equal((await stream.closed).how, 'ended')
    } finally {
      await link.abandon()
    }
  })

  fact('run on with a call whose handler is withdrawn, and refuse the next one as before', counted, async (link) => {
    const open = new Gate()
    link.responder.handle(echo, async (text) => {
      await open.opened
      return text
    })
    await link.known()
    const request = link.peer.request(echo, 'x')
    await until(() => running.count === 3, 'it runs')
    link.responder.unhandle(echo)
    await until(() => link.peer.handlers.every(({ handler }) => handler !== 'echo'), 'the caller knows')
    await assert.rejects(link.peer.request(echo, 'y'), { code: 'ERR_UNKNOWN_HANDLER', delivery: 'notSent' })
    open.open()
    assert.equal(await request, 'x')
    assert.equal(running.count, 0)
  })

  fact('stand around raw handlers, which are given bytes', counted, async (link) => {
    const upper: HandlerInterceptor<Uint8Array | undefined> = {
      single: async ({ payload }, next) => Buffer.concat([payload ?? Buffer.of(), (await next()) as Uint8Array])
    }
    link.responder.handle('raw', (bytes) => bytes, { interceptors: [upper] })
    await link.known()
    assert.equal(Buffer.from(await link.peer.request('raw', Buffer.from('ab'))).toString(), 'abab')
  })

  let thrown: unknown
  const throwing = {
    single(): never {
      throw thrown
    },
    // biome-ignore lint/correctness/useYield: it throws first
    async *streaming(): AsyncGenerator<never> {
      throw thrown
    }
  }
  for (const end of ['caller', 'handler'] as const) {
    fact(`of a ${end} may throw anything: it fails their call, and no other`, {}, async (link) => {
      const at = await openLink('ws', 'dialer', { interceptors: { [end]: [throwing] } })
      await useLink(at, async ({ responder, peer }) => {
        responder.handle(echo, (text) => text)
        responder.handle(sum, () => [1])
        await until(() => peer.handlers.length === 2, 'they are known')
        for (thrown of [undefined, null, 0, 'text', { odd: true }, Symbol('s'), new TypeError('mistake')]) {
          for (const call of [peer.request(echo, 'x'), read(peer.newStream(sum))]) {
            const outcome = new Outcome<unknown>(call)
            await outcome.done
            assert.equal(outcome.failed, true)
            if (end === 'caller') assert.equal(outcome.error, thrown)
            else assert.ok(RemoteError.is(outcome.error) && outcome.error.delivery === 'notSent')
          }
        }
      })
      link.responder.handle(echo, (text) => text)
      await link.known()
      assert.equal(await link.peer.request(echo, 'x'), 'x')
    })
  }

  const fields = ['code', 'delivery', 'message', 'name', 'reason', 'details'] as const
  const withTrap = (field: (typeof fields)[number]) => {
    const error = new RejectedError('denied', 'no')
    Object.defineProperty(error, field, { get: () => assert.fail('it is not to be read') })
    return error
  }
  for (const end of ['caller', 'handler'] as const) {
    fact(`of a ${end} may throw errors that throw when they are read, published or not`, {}, async () => {
      const at = await openLink('ws', 'dialer', { interceptors: { [end]: [throwing] } })
      await useLink(at, async ({ responder, peer }) => {
        responder.handle(echo, (text) => text)
        responder.handle(sum, () => [1])
        await until(() => peer.handlers.length === 2, 'they are known')
        let published = 0
        const onEnd = () => published++
        for (const isPublished of [false, true]) {
          for (const { asyncEnd } of [channels.call, channels.handle]) if (isPublished) asyncEnd.subscribe(onEnd)
          for (const field of fields) {
            thrown = withTrap(field)
            for (const call of [peer.request(echo, 'x'), read(peer.newStream(sum))]) {
              const outcome = new Outcome<unknown>(call)
              await outcome.done
              assert.equal(outcome.failed, true)
              if (end === 'caller') assert.equal(outcome.error, thrown)
              else assert.equal((outcome.error as RemoteError).delivery, 'notSent')
            }
          }
        }
        const expected = fields.length * (end === 'caller' ? 2 : 4)
        await until(() => published === expected, 'all are published')
        for (const { asyncEnd } of [channels.call, channels.handle]) asyncEnd.unsubscribe(onEnd)
      })
    })
  }

  /** What is given in the place of messages, and what its reader gets. */
  const wrong: readonly (readonly [string, () => unknown, RegExp])[] = [
    ['a number', () => 5, /a source must be an iterable or an async iterable; it is 5/],
    ['an object', () => ({}), /a source must be an iterable or an async iterable; it is an? object/],
    ['a promise that rejects', () => Promise.reject(new Error('not today')), /not today/],
    ['an array with a promise that rejects', () => [Promise.reject(new Error('not that'))], /not that/],
    ['a promise of nothing that can be read', () => Promise.resolve(7), /it is 7/],
    // biome-ignore lint/suspicious/noThenProperty: as users may have one
    ['what rejects as a promise', () => ({ then: (_: unknown, no: (e: Error) => void) => no(new Error('no')) }), /no/]
  ]
  let given: () => unknown = () => undefined
  const giving = { streaming: () => given() as AsyncIterable<unknown> }
  for (const end of ['caller', 'handler'] as const) {
    fact(`of a ${end} that give no messages fail their stream, also for who reads it later`, {}, async () => {
      const at = await openLink('ws', 'dialer', { interceptors: { [end]: [giving] } })
      await useLink(at, async ({ responder, peer }) => {
        responder.handle(sum, () => [1])
        await until(() => peer.handlers.length === 1, 'it is known')
        for (const [what, give, text] of wrong) {
          given = give
          for (const isLate of [false, true]) {
            const stream = peer.newStream(sum)
            if (isLate) await stream.closed
            await assert.rejects(read(stream), text, what)
            assert.equal((await stream.closed).how, 'failed', what)
          }
        }
      })
    })
  }

  for (const end of ['caller', 'handler'] as const) {
    fact(`of a ${end} that give the messages of another call end their own`, {}, async () => {
      let other: AsyncIterable<unknown> | undefined
      const keeping = {
        streaming(_: unknown, next: () => AsyncIterable<unknown>) {
          const own = next()
          other ??= own
          return other
        }
      }
      const at = await openLink('ws', 'dialer', { interceptors: { [end]: [keeping] } })
      await useLink(at, async ({ responder, peer }) => {
        responder.handle(sum, () => [1, 2, 3, 4])
        await until(() => peer.handlers.length === 1, 'it is known')
        const first = peer.newStream(sum)
        const second = peer.newStream(sum)
        assert.deepEqual(await read(second), [])
        second.requests.end()
        assert.deepEqual(await read(first), [1, 2, 3, 4])
        first.requests.end()
        assert.deepEqual([(await first.closed).how, (await second.closed).how], ['ended', 'ended'])
      })
    })
  }

  fact('of a caller may give what is taken for a promise', {}, async () => {
    const at = await openLink('ws', 'dialer', { interceptors: { caller: [giving] } })
    await useLink(at, async ({ responder, peer }) => {
      responder.handle(sum, () => [1])
      await until(() => peer.handlers.length === 1, 'it is known')
      // biome-ignore lint/suspicious/noThenProperty: as users may have one
      given = () => ({ then: (yes: (value: unknown) => void) => yes([4, 5]) })
      assert.deepEqual(await read(peer.newStream(sum)), [4, 5])
    })
  })

  const after: HandlerInterceptor = {
    async single(_call, next) {
      await next()
      throw new RejectedError('denied', 'too late for that')
    },
    async *streaming(_call, next) {
      yield* next()
      throw new RejectedError('denied', 'too late for that')
    }
  }
  fact('of a handler that throw after next() refuse nothing: it ran', { handler: [after] }, async (link) => {
    link.responder.handle(echo, (text) => text)
    link.responder.handle(sum, () => [1])
    while (link.peer.handlers.length < 2) await once(link.peer, 'handlers')
    for (const call of [link.peer.request(echo, 'x'), read(link.peer.newStream(sum))]) {
      await assert.rejects(call, { name: 'RemoteError', code: 'ERR_REJECTED', delivery: 'ran' })
    }
  })

  const refusing: HandlerInterceptor = {
    async *streaming(call, next) {
      for await (const request of call.requests ?? []) {
        if ((request as number) > 2) throw new RejectedError('denied', 'that one')
        if (request === 100) yield* next()
      }
    }
  }
  fact(
    'of a handler may refuse after they have read requests, and it is still notSent',
    { handler: [refusing] },
    async (link) => {
      let ran = 0
      link.responder.handle(sum, () => {
        ran++
        return []
      })
      await link.known()
      const stream = link.peer.newStream(sum)
      stream.sink([1, 2, 3, 4]).catch(() => undefined)
      await assert.rejects(read(stream), { name: 'RejectedError', reason: 'denied', delivery: 'notSent' })
      assert.equal(ran, 0)
    }
  )

  const twice: CallerInterceptor = {
    async *streaming(_call, next) {
      yield* next()
      yield* next()
    }
  }
  fact('that open a stream twice are told that it is opened once', { caller: [twice] }, async (link) => {
    link.responder.handle(sum, () => [1])
    await link.known()
    await assert.rejects(read(link.peer.newStream(sum)), /next\(\) was called before: a stream is opened once/)
  })

  const first: CallerInterceptor = { single: (_call, next) => Promise.any([next(), next()]) }
  fact(
    'may ask twice at once and take the first answer: the other call is cancelled',
    { caller: [first] },
    async (link) => {
      const signals: AbortSignal[] = []
      link.responder.handle(echo, async (text, { signal }) => {
        signals.push(signal)
        if (signals.length === 1) await once(signal, 'abort')
        return `${text} ${signals.length}`
      })
      await until(() => link.peer.handlers.length === 1, 'it is known')
      assert.equal(await link.peer.request(echo, 'x'), 'x 2')
      await until(() => signals[0]?.aborted === true, 'the other one is told')
    }
  )
})
