/** `grid.quorum`: enough acceptable answers, or the certainty that there will not be enough, over real sockets. */

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { after, before, describe, it } from 'node:test'
import {
  type Answer,
  GridError,
  type Manager,
  QuorumError,
  type QuorumOptions,
  single,
  streaming
} from '../../lib/index.ts'
import { Gate } from '../support/gate.ts'
import { openGrid, type TestGrid } from '../support/grid/grid.ts'
import { LogBook } from '../support/grid/manager.ts'
import { assertIdle } from '../support/grid/nothing-left.ts'
import { rejection } from '../support/grid/servers.ts'
import { settled, until } from '../support/until.ts'

/** What a server does with a vote: it grants it once its gate is open, says no, or fails. */
const vote = single<Partial<Record<number, 'no' | 'fail'>>, { granted: boolean; from: number }>('vote')

let grid: TestGrid
let caller: Manager
const log = new LogBook()
let gates: Gate[] = []
/** Per server: calls that ran, and those whose signal aborted. */
let ran: number[] = []
let aborted: number[] = []
let undone: Answer<{ granted: boolean; from: number }>[] = []

before(async () => {
  grid = await openGrid(5, {
    logger: log,
    serve: (manager, index) => {
      manager.handle(vote, async (how, { signal }) => {
        ran[index] = (ran[index] ?? 0) + 1
        const over = new Promise((resolve) => signal.addEventListener('abort', resolve))
        await Promise.race([gates[index]?.opened, over])
        if (signal.aborted) aborted[index] = (aborted[index] ?? 0) + 1
        if (how[index] === 'fail') throw Object.assign(new Error('disk full'), { code: 'E_FULL' })
        return { granted: how[index] !== 'no', from: index }
      })
    }
  })
  caller = grid.at(0)
})

after(() => grid[Symbol.asyncDispose]())

function fact(title: string, body: () => Promise<void>): void {
  it(title, async () => {
    gates = [0, 1, 2, 3, 4].map(() => new Gate())
    ran = []
    aborted = []
    undone = []
    log.lines.length = 0
    await body()
    await assertIdle(grid.managers)
  })
}

const host = (index: number) => grid.hosts[index] as string
const open = (...indexes: number[]) => {
  for (const index of indexes) gates[index]?.open()
}
const accept = ({ granted }: { granted: boolean }) => granted
const undo = (answer: Answer<{ granted: boolean; from: number }>) => {
  undone.push(answer)
}
const undoneAt = () => undone.map((answer) => answer.host).sort()

/** All of them have the call. */
const asked = (...indexes: number[]) => until(() => indexes.every((index) => ran[index] === 1), 'all are asked')

/** The `QuorumError` that a promise rejects with. */
async function noQuorum(promise: Promise<unknown>): Promise<QuorumError> {
  const error = await rejection(promise)
  assert.ok(QuorumError.is(error), String(error))
  return error
}

describe('grid.quorum', () => {
  fact('resolves at the n-th acceptable answer, in the order in which they came, and cancels the others', async () => {
    const quorum = caller.quorum(vote, {}, { need: 2 })
    await asked(1, 2, 3, 4)
    open(3)
    await until(() => caller.connection(host(3)).stats().session?.outboundStreams === 0, 'the first has answered')
    open(1)
    const { accepted, answers } = await quorum
    const expected = [3, 1].map((index) => ({ host: host(index), value: { granted: true, from: index } }))
    assert.deepEqual(accepted, expected)
    assert.deepEqual(answers, expected)
    await until(() => aborted[2] === 1 && aborted[4] === 1, 'the signals of the others abort')
  })

  fact('counts this server where it is to be one of them', async () => {
    open(0, 1)
    const { accepted } = await caller.quorum(vote, {}, { need: 2, hosts: [host(1)], self: true })
    assert.deepEqual(accepted.map(({ host: from }) => from).sort(), [host(0), host(1)].sort())
  })

  fact('takes what accept says yes to, and tells errors and other answers beside', async () => {
    open(1)
    const quorum = caller.quorum(vote, { 1: 'no', 2: 'fail' }, { need: 2, accept })
    await until(() => caller.connection(host(1)).stats().session?.outboundStreams === 0, 'the no is there')
    open(2)
    await until(() => caller.connection(host(2)).stats().session?.outboundStreams === 0, 'the error is there')
    open(3, 4)
    const { accepted, answers } = await quorum
    assert.equal(accepted.length, 2)
    assert.deepEqual(
      answers.slice(0, 2).map(({ host: from, value, error }) => [from, value?.granted ?? error?.message]),
      [
        [host(1), false],
        [host(2), 'disk full']
      ]
    )
  })

  fact('rejects as soon as it cannot be reached, with an entry for each peer and its delivery', async () => {
    const quorum = noQuorum(caller.quorum(vote, { 1: 'no', 2: 'fail' }, { need: 3, accept }))
    await asked(1, 2, 3, 4)
    open(1)
    await until(() => caller.connection(host(1)).stats().session?.outboundStreams === 0, 'the no is there')
    open(2)
    const error = await quorum
    assert.deepEqual([error.code, error.need, error.delivery], ['ERR_QUORUM', 3, 'maybeRan'])
    assert.deepEqual(
      error.answers.map(({ host: at, error }) => [at, GridError.is(error) ? error.delivery : undefined]),
      [
        [host(1), undefined],
        [host(2), 'ran'],
        [host(3), 'maybeRan'],
        [host(4), 'maybeRan']
      ]
    )
    assert.match(error.message, /^0 of the 3 peers that are needed: .*: the answer was not accepted; .*: disk full; /)
    await until(() => aborted[3] === 1 && aborted[4] === 1, 'the signals of the others abort')
  })

  fact(
    'says of what was sent nowhere that it was not sent, and sends nothing where too few are connected',
    async () => {
      await grid.stop(4)
      await until(() => caller.connection(host(4)).state !== 'connected', 'it is gone')
      const error = await noQuorum(caller.quorum(vote, {}, { need: 1, hosts: [host(4)], undo }))
      assert.equal(error.delivery, 'notSent')
      const impossible = await noQuorum(caller.quorum(vote, {}, { need: 4, undo }))
      assert.deepEqual([impossible.delivery, impossible.answers.length], ['notSent', 4])
      assert.match(impossible.message, /^0 of the 4 peers that are needed: /)
      await settled(() => ran.length)
      assert.deepEqual([undone, ran], [[], []])
      await grid.restart(4)
    }
  )

  fact('has one timeout, after which it cannot be reached any more', async () => {
    open(1)
    const fail = (timeout: number) => noQuorum(caller.quorum(vote, {}, { need: 2, timeout }))
    let error = await fail(40)
    // The one that votes is late, too, on a machine that does much else, and is cancelled once the others are: it gets more time.
    for (let timeout = 160; error.errors.length > 3 && timeout < 100_000; timeout *= 4) error = await fail(timeout)
    assert.deepEqual(
      error.errors.map((each) => GridError.is(each) && each.code),
      ['ERR_DEADLINE', 'ERR_DEADLINE', 'ERR_DEADLINE']
    )
    assert.equal(error.delivery, 'maybeRan')
  })

  fact('rejects with the reason of its signal, cancels all, and leaves no listener', async () => {
    const controller = new AbortController()
    const quorum = rejection(caller.quorum(vote, {}, { need: 4, signal: controller.signal, undo }))
    await asked(1, 2, 3, 4)
    open(1)
    await until(() => caller.connection(host(1)).stats().session?.outboundStreams === 0, 'one has answered')
    const reason = new Error('enough')
    controller.abort(reason)
    assert.equal(await quorum, reason)
    assert.equal(await rejection(caller.quorum(vote, {}, { need: 1, signal: controller.signal })), reason)
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
    await until(() => undone.length === 4, 'all are undone')
    const unused = new AbortController()
    open(2)
    await caller.quorum(vote, {}, { need: 1, signal: unused.signal })
    assert.equal(getEventListeners(unused.signal, 'abort').length, 0)
  })

  describe('undo', () => {
    fact('is called for what came too late and for what was not acceptable, and not for what counts', async () => {
      const quorum = caller.quorum(vote, { 1: 'no' }, { need: 2, accept, undo })
      await asked(1, 2, 3, 4)
      open(1)
      await until(() => caller.connection(host(1)).stats().session?.outboundStreams === 0, 'the no is there')
      open(2, 3)
      await quorum
      await until(() => undone.length === 2, 'two are undone')
      assert.deepEqual(undoneAt(), [host(1), host(4)].sort())
      const late = undone.find((answer) => answer.host === host(4))?.error
      assert.deepEqual(GridError.is(late) && [late.code, late.delivery], ['ERR_CANCELLED', 'maybeRan'])
    })

    fact(
      'is called for all whose handler may have run where there is no quorum, also those that were accepted',
      async () => {
        const quorum = noQuorum(caller.quorum(vote, { 2: 'no', 3: 'fail' }, { need: 3, accept, undo }))
        open(1)
        await until(() => caller.connection(host(1)).stats().session?.outboundStreams === 0, 'a yes is there')
        open(2, 3)
        await quorum
        await until(() => undone.length === 4, 'all are undone')
        assert.deepEqual(undoneAt(), [1, 2, 3, 4].map(host).sort())
        assert.deepEqual(undone.find((answer) => answer.host === host(1))?.value, { granted: true, from: 1 })
      }
    )

    fact('is called once for each, also where accept aborts the signal', async () => {
      const controller = new AbortController()
      const reason = new Error('enough')
      const abort = ({ granted }: { granted: boolean }) => {
        if (granted) controller.abort(reason)
        return granted
      }
      const options = { need: 1, accept: abort, undo, signal: controller.signal }
      const quorum = rejection(caller.quorum(vote, { 1: 'no' }, options))
      await asked(1, 2, 3, 4)
      open(1)
      await until(() => caller.connection(host(1)).stats().session?.outboundStreams === 0, 'the no is there')
      open(2)
      assert.equal(await quorum, reason)
      await until(() => undone.length >= 4, 'all are undone')
      assert.deepEqual(undoneAt(), [1, 2, 3, 4].map(host).sort())
    })

    fact('is called for nobody where the signal has aborted before', async () => {
      const error = await rejection(
        caller.quorum(vote, {}, { need: 1, undo, signal: AbortSignal.abort(new Error('no')) })
      )
      assert.equal(error.message, 'no')
      await settled(() => undone.length)
      assert.deepEqual([undone, ran], [[], []])
    })

    fact('that throws or rejects is logged, and hurts nothing', async () => {
      open(1, 2, 3, 4)
      await caller.quorum(
        vote,
        {},
        {
          need: 1,
          undo: ({ host: at }) => {
            if (at === host(1) || at === host(2)) throw new Error('no such lock')
            return Promise.reject(new Error('no such lock'))
          }
        }
      )
      await until(() => log.warnings(/undo of quorum\(\) at .* failed: .*no such lock/).length === 3, 'three lines')
    })
  })

  fact('takes an accept that throws, or is no predicate, for no: it is logged, and is the cause', async () => {
    open(1, 2, 3, 4)
    const broken = new Error('a bug')
    const wrong: QuorumOptions<unknown>[] = [
      {
        need: 1,
        accept: () => {
          throw broken
        }
      },
      { need: 1, accept: (() => Promise.reject(broken)) as unknown as () => boolean }
    ]
    const [thrown, promised] = await Promise.all(wrong.map((options) => noQuorum(caller.quorum(vote, {}, options))))
    assert.equal(thrown?.cause, broken)
    assert.match(String(promised?.cause), /accept of quorum\(\) must return a boolean/)
    assert.equal(log.warnings(/accept of quorum\(\) threw at the answer of .*: a bug/).length, 4)
  })

  fact('refuses what cannot be before anything is sent', async () => {
    const wrong: [options: object, code: string, text: RegExp][] = [
      [{}, 'ERR_INVALID_OPTION', /need of quorum\(\) is required/],
      [{ need: 0 }, 'ERR_INVALID_OPTION', /need of quorum\(\) must be a whole number from 1/],
      [{ need: 5 }, 'ERR_INVALID_OPTION', /need of quorum\(\) must be at most the number of peers, 4; it is 5/],
      [{ need: 2, hosts: [host(1)] }, 'ERR_INVALID_OPTION', /at most the number of peers, 1; it is 2/],
      [{ need: 1, hosts: [] }, 'ERR_INVALID_OPTION', /hosts of quorum\(\) must not be empty/],
      [{ need: 1, hosts: [host(1), host(1)] }, 'ERR_INVALID_OPTION', /is there twice/],
      [{ need: 1, hosts: ['http://nobody'] }, 'ERR_UNKNOWN_HOST', /http:\/\/nobody is not among the hosts/],
      [{ need: 1, accept: true }, 'ERR_INVALID_OPTION', /accept of quorum\(\) must be a function/],
      [{ need: 1, concurrency: 1 }, 'ERR_INVALID_OPTION', /quorum\(\) has no option "concurrency"/]
    ]
    for (const [options, code, text] of wrong) {
      const error = await rejection(caller.quorum(vote, {}, options as QuorumOptions<unknown>))
      assert.deepEqual([error.code, error.delivery], [code, 'notSent'], JSON.stringify(options))
      assert.match(error.message, text)
    }
    const without = caller.quorum as (...args: unknown[]) => Promise<unknown>
    assert.match((await rejection(without.call(caller, vote, {}))).message, /need of quorum\(\) is required/)
    const wrongKind = await rejection(
      without.call(caller, streaming<void, never, number>('votes', { inCapacity: 0 }), {}, { need: 1 })
    )
    assert.match(wrongKind.message, /quorum\(\) is for single handlers; "votes" is streaming: use all\(\)/)
    assert.deepEqual(ran, [])
  })
})
