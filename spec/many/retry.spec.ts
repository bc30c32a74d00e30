/** `retry` and `retries`: what is tried again, how often, and for how long. */

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { after, before, describe, it } from 'node:test'
import {
  type AttemptOptions,
  contract,
  type Delivery,
  GridError,
  InvalidOptionError,
  insecure,
  Manager,
  RejectedError,
  RemoteError,
  type RetryOptions,
  retries,
  retry,
  silentLogger,
  single,
  UnknownHandlerError
} from '../../lib/index.ts'
import { openGrid, type TestGrid } from '../support/grid/grid.ts'
import { rejection } from '../support/grid/servers.ts'
import { proveRetries } from './retry-proof.ts'

/** Fails so often, then answers with the number of the attempt. */
function failing(times: number, delivery: Delivery | undefined) {
  const seen: AttemptOptions[] = []
  const fn = async (options: AttemptOptions, attempt: number) => {
    seen.push(options)
    if (attempt <= times)
      throw new GridError('ERR_TEST', `attempt ${attempt}`, delivery === undefined ? {} : { delivery })
    return attempt
  }
  return { fn, seen }
}

const quick = { baseDelayMs: 1, maxDelayMs: 2 }

describe('retry()', () => {
  it('tries again what was certainly not sent', async () => {
    const { fn, seen } = failing(4, 'notSent')
    assert.equal(await retry(fn, quick), 5)
    assert.equal(seen.length, 5)
  })

  it('tries what may have run again only where it may run twice, and what ran never', async () => {
    const cases: [delivery: Delivery | undefined, idempotent: boolean, attempts: number][] = [
      ['maybeRan', false, 1],
      ['maybeRan', true, 3],
      ['ran', false, 1],
      ['ran', true, 1],
      [undefined, true, 1]
    ]
    for (const [delivery, idempotent, attempts] of cases) {
      const { fn, seen } = failing(2, delivery)
      await retry(fn, { ...quick, idempotent }).catch(() => undefined)
      assert.equal(seen.length, attempts, `${delivery} ${idempotent}`)
    }
  })

  it('does not try again what can never succeed, though it was not sent', async () => {
    let calls = 0
    const wrong = new InvalidOptionError('no such option', { delivery: 'notSent' })
    const error = await rejection(retry(() => Promise.reject(calls++ === 0 ? wrong : new Error('again')), quick))
    assert.deepEqual([error, calls], [wrong, 1])
    assert.match((await rejection(retry(() => Promise.reject(new RangeError('mine')), quick))).message, /mine/)
  })

  it('does not try again what comes again at the same peer', async () => {
    for (const error of [
      new RejectedError('denied', 'no'),
      new UnknownHandlerError('no such handler'),
      new RemoteError('ERR_REMOTE', 'x is no function', { delivery: 'notSent', remoteName: 'TypeError' })
    ]) {
      let calls = 0
      const fn = () => Promise.reject(calls++ < 2 ? error : new Error('again'))
      assert.deepEqual([await rejection(retry(fn, quick)), calls], [error, 1])
    }
  })

  it('waits at least as long as the peer says, and ends where that is too late', async (test) => {
    const waits: number[] = []
    const { setTimeout: real } = globalThis
    test.mock.method(globalThis, 'setTimeout', ((then: () => void, ms: number) => {
      waits.push(ms)
      return real(then, 0)
    }) as typeof setTimeout)
    const limited = (retryAfterMs: unknown) => async (_: AttemptOptions, attempt: number) => {
      if (attempt === 1) throw new RejectedError('rateLimited', 'slowly', { details: { retryAfterMs } })
      return attempt
    }
    const forever = { ...quick, timeout: Number.POSITIVE_INFINITY }
    assert.equal(await retry(limited(700), forever), 2)
    assert.deepEqual(waits, [700])
    assert.equal(await retry(limited('long'), forever), 2)
    assert.equal(waits.length, 2)
    for (const [afterMs, timeout] of [
      [700, 600],
      [1e12, Number.POSITIVE_INFINITY]
    ] as const)
      assert.equal((await rejection(retry(limited(afterMs), { ...quick, timeout }))).message, 'slowly')
  })

  it('says that a call may have run where an earlier attempt may have', async () => {
    for (const [first, last, told] of [
      ['maybeRan', 'notSent', 'maybeRan'],
      ['notSent', 'notSent', 'notSent'],
      ['maybeRan', 'ran', 'ran']
    ] as const) {
      const fn = async (_: AttemptOptions, attempt: number) => {
        throw new GridError('ERR_TEST', `attempt ${attempt}`, { delivery: attempt === 1 ? first : last })
      }
      const error = await rejection(retry(fn, { ...quick, idempotent: true, maxAttempts: 2 }))
      assert.deepEqual([error.message, error.delivery], ['attempt 2', told])
    }
  })

  it('takes a shouldRetry that gives a promise for no', async () => {
    for (const answer of [async () => true, () => Promise.reject(new Error('a bug'))]) {
      const { fn, seen } = failing(2, 'notSent')
      const shouldRetry = answer as unknown as () => boolean
      assert.match((await rejection(retry(fn, { ...quick, shouldRetry }))).message, /attempt 1/)
      assert.equal(seen.length, 1)
    }
  })

  it('gives each attempt the time that is left, and a signal', async () => {
    const { fn, seen } = failing(3, 'notSent')
    await retry(fn, { ...quick, timeout: 1000 })
    assert.equal(seen[0]?.timeout, 1000)
    for (const [at, { timeout, signal }] of seen.entries()) {
      assert.ok(timeout > 0 && timeout <= (seen[at - 1]?.timeout ?? 1000))
      assert.equal(signal.aborted, false)
    }
    const { fn: endless, seen: options } = failing(0, 'notSent')
    await retry(endless, { timeout: Number.POSITIVE_INFINITY })
    assert.equal(options[0]?.timeout, Number.POSITIVE_INFINITY)
  })

  it('rejects with the last error, whose cause is the first', async () => {
    const { fn } = failing(9, 'notSent')
    const error = await rejection(retry(fn, { ...quick, maxAttempts: 3 }))
    assert.equal(error.message, 'attempt 3')
    assert.equal((error.cause as Error).message, 'attempt 1')
    const alone = await rejection(retry(failing(9, 'notSent').fn, { maxAttempts: 1 }))
    assert.equal(alone.cause, undefined)
  })

  it('gives up as soon as the next attempt would come too late', async () => {
    const { fn, seen } = failing(1000, 'notSent')
    const startedMs = performance.now()
    const error = await rejection(retry(fn, { timeout: 60, baseDelayMs: 10, maxDelayMs: 20 }))
    assert.match(error.message, /^attempt \d+$/)
    assert.ok(seen.length > 1)
    assert.ok(performance.now() - startedMs < 10_000)
  })

  it('ends with an error of its own when an attempt takes no notice of the time', async () => {
    const error = await rejection(retry(() => new Promise(() => undefined), { timeout: 5 }))
    assert.deepEqual([error.code, error.delivery], ['ERR_DEADLINE', 'maybeRan'])
    assert.match(error.message, /attempt 1 had no end within the 5 ms of all attempts/)
  })

  it('ends with its signal, amid an attempt and amid a wait, and leaves no listener', async () => {
    for (const fn of [() => new Promise(() => undefined), failing(9, 'notSent').fn]) {
      const controller = new AbortController()
      const { signal } = controller
      const pending = rejection(retry(fn, { signal, baseDelayMs: 100_000, maxDelayMs: 100_000, timeout: 1e9 }))
      await Promise.resolve()
      const reason = new Error('enough')
      setImmediate(() => controller.abort(reason))
      assert.equal(await pending, reason)
      assert.equal(await rejection(retry(fn, { signal })), reason)
      assert.equal(getEventListeners(signal, 'abort').length, 0)
    }
  })

  it('asks shouldRetry last, which can end it and make nothing safe', async () => {
    const asked: unknown[] = []
    const shouldRetry = (error: unknown, attempt: number) => {
      asked.push([(error as Error).message, attempt])
      return attempt < 2
    }
    const error = await rejection(retry(failing(9, 'notSent').fn, { ...quick, shouldRetry }))
    assert.equal(error.message, 'attempt 2')
    assert.deepEqual(asked, [
      ['attempt 1', 1],
      ['attempt 2', 2]
    ])
    await rejection(retry(failing(9, 'ran').fn, { ...quick, shouldRetry: () => true }))
    assert.equal(asked.length, 2)
  })

  it('waits a random time below a bound that doubles', async (test) => {
    const waits: number[] = []
    const { setTimeout: real } = globalThis
    test.mock.method(Math, 'random', () => 1)
    test.mock.method(globalThis, 'setTimeout', ((then: () => void, ms: number) => {
      waits.push(ms)
      return real(then, 0)
    }) as typeof setTimeout)
    await retry(failing(6, 'notSent').fn, { baseDelayMs: 50, maxDelayMs: 500, timeout: Number.POSITIVE_INFINITY })
    assert.deepEqual(waits, [50, 100, 200, 400, 500, 500])
  })

  it('refuses options that are wrong', async () => {
    const wrong: [options: object, text: RegExp][] = [
      [{ retries: 3 }, /retry\(\) has no option "retries" \(maxAttempts counts the first one, too\)/],
      [{ maxAttempts: 0 }, /maxAttempts of retry\(\) must be a whole number from 1/],
      [{ timeout: 0 }, /timeout of retry\(\) must be above 0/],
      [{ baseDelayMs: -1 }, /baseDelayMs of retry\(\) must be from 0/]
    ]
    for (const [options, text] of wrong) {
      const error = await rejection(retry(failing(0, 'ran').fn, options as RetryOptions))
      assert.equal(error.code, 'ERR_INVALID_OPTION')
      assert.match(error.message, text)
    }
    assert.match((await rejection(retry(undefined as never))).message, /first argument of retry\(\) must be a function/)
    assert.throws(
      () => retries({ timeout: 1 } as object),
      /retries\(\) has no option "timeout" \(it is that of each call\)/
    )
  })
})

describe('retries()', () => {
  const put = single<number, number>('put')
  const get = single<number, number>('get', { idempotent: true })
  let grid: TestGrid
  let runs = 0

  before(async () => {
    grid = await openGrid(2, {
      interceptors: {
        caller: [retries(quick)],
        handler: [
          {
            single: async ({ handler, payload }, next) => {
              runs++
              // Refused before the handler: not sent.
              if (handler === 'put' && runs <= (payload as number)) throw new Error('not now')
              return await next()
            }
          }
        ]
      },
      serve: (manager) => {
        manager.handle(put, () => runs)
        manager.handle(get, () => runs)
      }
    })
  })

  after(() => grid[Symbol.asyncDispose]())

  it('stands around each request of a manager: what was refused before it ran is made again', async () => {
    runs = 0
    assert.equal(await grid.at(0).connection(grid.at(1).local).request(put, 3), 4)
  })

  it('is refused where interceptors of handlers are taken: there it would run a handler again', () => {
    const refused = {
      code: 'ERR_INVALID_OPTION',
      message: /; retries\(\) is for callers: it belongs in interceptors\.caller/
    }
    const interceptors = { handler: [retries()] } as object
    const options = { local: 'http://a.test', hosts: ['http://a.test'], auth: insecure(), logger: silentLogger }
    assert.throws(() => new Manager({ ...options, interceptors }), refused)
    const ofHandler = { interceptors: [retries()] } as object
    assert.throws(() => grid.at(0).handle(single<number, number>('late'), (n) => n, ofHandler), refused)
    const late = contract({ late: single<number, number>('late') })
    assert.throws(() => grid.at(0).implement(late, { late: (n) => n }, ofHandler), refused)
  })

  it('believes a definition that is idempotent', async () => {
    const deliveries: boolean[] = []
    const interceptor = retries(quick)
    for (const idempotent of [true, false]) {
      let calls = 0
      const call = { timeout: 1000, signal: new AbortController().signal, idempotent }
      const next = async () => {
        if (++calls < 3) throw new GridError('ERR_TEST', 'lost', { delivery: 'maybeRan' })
        return calls
      }
      const made = interceptor.single?.(call as Parameters<NonNullable<typeof interceptor.single>>[0], next)
      deliveries.push((await Promise.resolve(made).catch(() => 0)) === 3)
    }
    assert.deepEqual(deliveries, [true, false])
    assert.equal(get.idempotent, true)
    assert.equal(put.idempotent, undefined)
  })
})

describe('calls that are made again where they were certainly not sent', () => {
  it('run at most once each, through kills of the server and cuts of its conns', async () => {
    const { calls, again, failed, twice, kills, cuts } = await proveRetries({ kills: 3, cuts: 20, seed: 1 })
    assert.deepEqual(twice, [])
    assert.deepEqual([kills, cuts], [3, 20])
    assert.ok(calls > 100, `${calls} calls`)
    assert.ok(again > 0, 'none was made again')
    assert.ok(failed < calls, `${failed} of ${calls} failed`)
  })
})
