/** `grid.all`: the same call at many peers, over real sockets. */

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { after, before, describe, it } from 'node:test'
import {
  type AllOptions,
  type Answer,
  type CallerInterceptor,
  type Manager,
  many,
  single,
  streaming
} from '../../lib/index.ts'
import { spend } from '../support/clock/machine.ts'
import { Gate } from '../support/gate.ts'
import { openGrid, type TestGrid } from '../support/grid/grid.ts'
import { assertIdle } from '../support/grid/nothing-left.ts'
import { rejection } from '../support/grid/servers.ts'
import { settled, until } from '../support/until.ts'

const window = 4
const name = single<void, number>('name')
const wait = single<void, number>('wait')
const fail = single<string, number>('fail')
const count = streaming<number, never, string>('count', { inCapacity: 0, outCapacity: window })
const double = streaming<void, number, number>('double', { inCapacity: window, outCapacity: window })

let grid: TestGrid
let caller: Manager
/** Of each server: opened lets `wait` answer. */
let gates: Gate[] = []
/** Of each server: how often a handler ran, how many calls of `wait` were cancelled, how far `count` was pulled. */
let ran: number[] = []
let cancelled: number[] = []
let pulls: number[] = []

before(async () => {
  grid = await openGrid(4, {
    serve: (manager, index) => {
      manager.handle(name, () => {
        ran[index] = (ran[index] ?? 0) + 1
        return index
      })
      manager.handle(wait, async (_, { signal }) => {
        ran[index] = (ran[index] ?? 0) + 1
        signal.addEventListener('abort', () => {
          cancelled[index] = (cancelled[index] ?? 0) + 1
        })
        await Promise.race([gates[index]?.opened, new Promise((resolve) => signal.addEventListener('abort', resolve))])
        return index
      })
      manager.handle(fail, (host) => {
        if (host === manager.local) throw Object.assign(new Error('not today'), { code: 'E_DAY' })
        return index
      })
      manager.handle(count, async function* (to) {
        for (pulls[index] = 0; (pulls[index] as number) < to; ) yield `${index}-${(pulls[index] as number)++}`
        if (to === 3 && index === 2) throw new Error('broken off')
      })
      manager.handle(double, async function* (_, requests) {
        for await (const value of requests) yield value * 2
      })
    }
  })
  caller = grid.at(0)
})

after(() => grid[Symbol.asyncDispose]())

function fact(title: string, body: () => Promise<void>): void {
  it(title, async () => {
    gates = [0, 1, 2, 3].map(() => new Gate())
    ran = []
    cancelled = []
    pulls = []
    await body()
    await assertIdle(grid.managers)
  })
}

const host = (index: number) => grid.hosts[index] as string
const others = () => [1, 2, 3].map(host)

async function list<T>(answers: AsyncIterable<T>): Promise<T[]> {
  const got: T[] = []
  for await (const answer of answers) got.push(answer)
  return got
}

const byHost = <T>(answers: readonly Answer<T>[]) => answers.toSorted((a, b) => (a.host < b.host ? -1 : 1))

describe('grid.all of a single definition', () => {
  fact('asks all other servers, and gives what each said with its name', async () => {
    const expected = [1, 2, 3].map((index) => ({ host: host(index), value: index }))
    assert.deepEqual(byHost(await list(caller.all(name))), byHost(expected))
    assert.deepEqual(byHost(await list(caller.all(name, undefined, { subroute: '' }))), byHost(expected))
  })

  fact('asks those that were named, in any spelling, and this server where it is to be one of them', async () => {
    const hosts = new Set([host(2).toUpperCase(), `${host(1)}/`])
    assert.deepEqual((await list(caller.all(name, undefined, { hosts }))).map(({ value }) => value).sort(), [1, 2])
    const withSelf = await list(caller.all(name, undefined, { hosts: [host(3)], self: true }))
    assert.deepEqual(withSelf.map(({ value }) => value).sort(), [0, 3])
    assert.equal((await list(caller.all(name, undefined, { self: true }))).length, 4)
    assert.deepEqual(await list(caller.all(name, undefined, { hosts: [caller.local], self: true })), [
      { host: caller.local, value: 0 }
    ])
  })

  fact('gives answers in the order in which they come, whoever is slow', async () => {
    const answers = caller.all(wait)
    for (const index of [3, 1, 2]) {
      gates[index]?.open()
      assert.deepEqual(await answers.next(), { done: false, value: { host: host(index), value: index } })
    }
    assert.deepEqual(await answers.next(), { done: true, value: undefined })
    assert.deepEqual(await answers.next(), { done: true, value: undefined })
  })

  fact('gives the error of a peer in its place', async () => {
    const got = await list(caller.all(fail, host(2)))
    const failed = got.filter(({ error }) => error !== undefined)
    assert.equal(got.length, 3)
    assert.deepEqual(
      failed.map(({ host, error }) => [host, (error as Error & { code: string }).code, error?.message]),
      [[host(2), 'E_DAY', 'not today']]
    )
    const unknown = await list(caller.all('nothing'))
    assert.deepEqual(
      unknown.map(({ error }) => error?.name),
      Array(3).fill('UnknownHandlerError')
    )
  })

  fact('is cancelled by a break: the handlers that still run hear of it', async () => {
    gates[1]?.open()
    for await (const { value } of caller.all(wait)) {
      assert.equal(value, 1)
      break
    }
    await until(() => cancelled[2] === 1 && cancelled[3] === 1, 'both are cancelled')
    assert.equal(cancelled[1], undefined)
  })

  fact('throws what is thrown in, and gives nothing more', async () => {
    const answers = caller.all(wait)
    const reason = new Error('enough')
    assert.equal(await rejection(answers.throw?.(reason) as Promise<unknown>), reason)
    assert.deepEqual(await answers.next(), { done: true, value: undefined })
    await until(() => cancelled.filter((each) => each === 1).length === ran.filter((each) => each === 1).length, 'all')
  })

  fact('ends with its signal, whose reason it throws, and leaves no listener', async () => {
    const controller = new AbortController()
    const { signal } = controller
    const answers = caller.all(wait, undefined, { signal })
    const later = caller.all(wait, undefined, { signal })
    gates[1]?.open()
    assert.equal((await answers.next()).value?.value, 1)
    const pending = rejection(answers.next())
    const reason = new Error('enough')
    controller.abort(reason)
    assert.equal(await pending, reason)
    assert.equal(await rejection(later.next()), reason)
    assert.deepEqual(await later.next(), { done: true, value: undefined })
    assert.equal(await rejection(caller.all(name, undefined, { signal }).next()), reason)
    assert.equal(getEventListeners(signal, 'abort').length, 0)
    const unused = new AbortController()
    await list(caller.all(name, undefined, { signal: unused.signal }))
    assert.equal(getEventListeners(unused.signal, 'abort').length, 0)
    await until(() => cancelled[2] === 2 && cancelled[3] === 2, 'all are cancelled')
  })

  fact('asks at most so many at once, counting those whose answers were not taken', async () => {
    for (const gate of gates) gate.open()
    const answers = caller.all(wait, undefined, { concurrency: 1 })
    await until(() => ran.reduce((a, b) => a + b, 0) === 1, 'the first is asked')
    assert.equal(await settled(() => ran.reduce((a, b) => a + b, 0)), 1)
    assert.equal((await answers.next()).value?.value, 1)
    assert.deepEqual(
      (await list(answers)).map(({ value }) => value),
      [2, 3]
    )
  })

  fact('has one timeout for all, also for those that were not asked yet', async () => {
    const got = await list(caller.all(wait, undefined, { concurrency: 1, timeout: 30 }))
    assert.deepEqual(
      got.map(({ host, error }) => [host, (error as Error & { code: string }).code]),
      others().map((each) => [each, 'ERR_DEADLINE'])
    )
    assert.match(got[0]?.error?.message ?? '', /no answer from .* within 30 ms/)
    assert.match(got[2]?.error?.message ?? '', /was not asked within 30 ms/)
    assert.equal(ran[3], undefined)
  })

  fact('gives those that are asked later the time that is left', async () => {
    const timeouts: number[] = []
    const note: CallerInterceptor = {
      single: ({ timeout }, next) => {
        timeouts.push(timeout)
        return next()
      }
    }
    const other = await openGrid(3, {
      interceptors: { caller: [note] },
      serve: (manager) => manager.handle(name, () => 1)
    })
    const answers = other.at(0).all(name, undefined, { concurrency: 1, timeout: 10_000 })
    await answers.next()
    const askedMs = performance.now()
    await until(() => performance.now() - askedMs > 1, 'less time is left')
    await list(answers)
    const [first, second = 0] = timeouts
    await other[Symbol.asyncDispose]()
    assert.deepEqual([first, timeouts.length], [10_000, 2])
    assert.ok(second > 0 && second < 10_000, `${second} ms`)
  })

  fact('leaves no listener of its signal when it is left', async () => {
    const { signal } = new AbortController()
    gates[1]?.open()
    for await (const _ of caller.all(wait, undefined, { signal })) break
    for await (const _ of caller.all(count, 100, { signal })) break
    assert.equal(getEventListeners(signal, 'abort').length, 0)
  })

  fact('has the timeout that was given in each error, however long it takes to ask', async () => {
    const requests = async function* () {
      await gates[0]?.opened
      yield* [1]
    }
    const asked = caller.all(double, undefined, {
      timeout: 100,
      requests: () => {
        spend(3)
        return requests()
      }
    })
    const errors = (await list(asked)).map(({ error }) => String(error?.message))
    for (const text of errors) assert.match(text, /no answer from .* within 100 ms/)
    assert.equal(errors.length, 3)
    gates[0]?.open()
  })

  fact('gives an error at once for a peer that is not connected, or waits for it', async () => {
    await grid.stop(3)
    await until(() => caller.connection(host(3)).state !== 'connected', 'it is gone')
    const got = byHost(await list(caller.all(name)))
    const down = got.find((answer) => answer.host === host(3))
    assert.equal(got.length, 3)
    assert.match(String(down?.error), /^DisconnectedError/)
    const waiting = list(caller.all(name, undefined, { waitForReady: true }))
    await grid.restart(3)
    assert.deepEqual((await waiting).map(({ value }) => value).sort(), [1, 2, 3])
  })

  fact('gives arrays of all that is there', async () => {
    const answers = caller.all(name, undefined, { self: true })
    const got: number[] = []
    for await (const batch of answers.batches()) got.push(...batch.map(({ value }) => value as number))
    assert.deepEqual(got.sort(), [0, 1, 2, 3])
  })

  fact('of a server that is alone gives nothing', async () => {
    const [alone] = [await openGrid(1)]
    assert.deepEqual(await list(alone.at(0).all(name)), [])
    await alone[Symbol.asyncDispose]()
  })
})

describe('grid.all of a streaming definition', () => {
  fact('gives the responses of all streams, and ends with the last one', async () => {
    const got = await list(caller.all(count, 5))
    assert.deepEqual(
      got.map(({ value }) => value).sort(),
      [1, 2, 3].flatMap((index) => [0, 1, 2, 3, 4].map((at) => `${index}-${at}`))
    )
    for (const { host: from, value } of got) assert.equal(from, host(Number(value?.[0])))
  })

  fact('gives the error of a stream behind what it gave, and the others to their ends', async () => {
    const got = await list(caller.all(count, 3))
    const of2 = got.filter((answer) => answer.host === host(2))
    assert.deepEqual(
      of2.map(({ value, error }) => value ?? error?.message),
      ['2-0', '2-1', '2-2', 'broken off']
    )
    assert.equal(got.length, 10)
  })

  fact('is fair: a peer that has more stands behind the others', async () => {
    const answers = caller.all(count, 40)
    const first = await answers.next()
    await until(() => [1, 2, 3].every((index) => (pulls[index] ?? 0) >= window), 'all have something')
    await settled(() => [1, 2, 3].reduce((sum, index) => sum + (pulls[index] ?? 0), 0))
    const from: string[] = []
    for (let at = 0; at < 9; at++) from.push((await answers.next()).value?.host as string)
    for (const round of [from.slice(0, 3), from.slice(3, 6), from.slice(6)]) {
      assert.deepEqual([...round].sort(), others().sort(), String(from))
    }
    assert.equal(first.done, false)
    await answers.return?.()
  })

  fact('holds back each peer behind its own window while nobody takes', async () => {
    const answers = caller.all(count, 1000)
    await answers.next()
    await until(() => [1, 2, 3].every((index) => (pulls[index] ?? 0) >= window), 'the windows are filled')
    await settled(() => [1, 2, 3].reduce((sum, index) => sum + (pulls[index] ?? 0), 0))
    for (const index of [1, 2, 3]) assert.ok((pulls[index] ?? 0) <= window + 3, `${pulls[index]} were pulled`)
    await answers.return?.()
  })

  fact('goes on with the others while one peer gives nothing', async () => {
    const answers = caller.all(double, undefined, {
      requests: async function* (of: string) {
        if (of === host(2)) await gates[2]?.opened
        yield* [1, 2, 3]
      }
    })
    const got: Answer<number>[] = []
    for (let at = 0; at < 6; at++) got.push((await answers.next()).value as Answer<number>)
    assert.ok(got.every((answer) => answer.host !== host(2)))
    gates[2]?.open()
    assert.deepEqual(
      (await list(answers)).map(({ value }) => value),
      [2, 4, 6]
    )
  })

  fact('sends each stream its own requests, many in one step too, and none by default', async () => {
    assert.deepEqual(await list(caller.all(double)), [])
    const got = await list(caller.all(double, undefined, { requests: (of) => [many([others().indexOf(of), 5])] }))
    assert.deepEqual(
      got.map(({ value }) => value).sort((a, b) => Number(a) - Number(b)),
      [0, 2, 4, 10, 10, 10]
    )
    const thrown = await list(
      caller.all(double, undefined, {
        requests: (of) => {
          if (of === host(1)) throw new Error('none for you')
          return []
        }
      })
    )
    assert.deepEqual(
      thrown.map(({ host, error }) => [host, error?.message]),
      [[host(1), 'none for you']]
    )
  })

  fact('is cancelled by a break, on all streams', async () => {
    for await (const { value } of caller.all(count, Number.MAX_SAFE_INTEGER)) if (value?.endsWith('-2')) break
  })

  fact('gives arrays of all that is there, each of at most the windows', async () => {
    let got = 0
    for await (const batch of caller.all(count, 200).batches()) {
      got += batch.length
      assert.ok(batch.length >= 1 && batch.length <= 3 * window, `${batch.length} at once`)
    }
    assert.equal(got, 600)
  })
})

describe('grid.all', () => {
  fact('refuses what cannot be before anything is sent', async () => {
    const wrong: [options: object, code: string, text: RegExp][] = [
      [{ hosts: [] }, 'ERR_INVALID_OPTION', /hosts of all\(\) must not be empty/],
      [
        { hosts: [host(1), host(1).toUpperCase()] },
        'ERR_INVALID_OPTION',
        /must not have a host twice; .* is there twice/
      ],
      [{ hosts: ['http://nobody'] }, 'ERR_UNKNOWN_HOST', /http:\/\/nobody is not among the hosts/],
      [{ hosts: host(1) }, 'ERR_INVALID_OPTION', /must be an iterable of host names/],
      [{ concurrency: 0 }, 'ERR_INVALID_OPTION', /concurrency of all\(\) must be a whole number from 1/],
      [{ limit: 1 }, 'ERR_INVALID_OPTION', /all\(\) has no option "limit"/],
      [{ requests: () => [] }, 'ERR_INVALID_OPTION', /requests of all\(\) is for handlers that take some/],
      [{ metadata: 1 }, 'ERR_INVALID_OPTION', /metadata must be an object/],
      [{ timeout: 0 }, 'ERR_INVALID_OPTION', /timeout/]
    ]
    for (const [options, code, text] of wrong) {
      const error = (() => {
        try {
          caller.all(name, undefined, options as AllOptions<typeof name>)
        } catch (thrown) {
          return thrown as Error & { code: string; delivery: string }
        }
        return assert.fail(JSON.stringify(options))
      })()
      assert.deepEqual([error.code, error.delivery], [code, 'notSent'])
      assert.match(error.message, text)
    }
    assert.throws(() => caller.all({} as typeof name), /the first argument of all\(\) must be a definition/)
    await settled(() => ran.length)
    assert.deepEqual(ran, [])
  })

  fact('refuses to ask once the manager is closed', async () => {
    const other = await openGrid(2)
    const manager = other.at(0)
    await other[Symbol.asyncDispose]()
    assert.throws(() => manager.all(name), { code: 'ERR_CLOSED' })
  })
})
