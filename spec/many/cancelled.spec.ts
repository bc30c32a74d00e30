/** A call that ends before it was sent says so, whichever way it was made: at a peer that is not there, over real sockets. */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import {
  type Answer,
  type CallerInterceptor,
  GridError,
  type Manager,
  QuorumError,
  retries,
  retry,
  single,
  streaming
} from '../../lib/index.ts'
import { spend } from '../support/clock/machine.ts'
import { openGrid, type TestGrid } from '../support/grid/grid.ts'
import { assertIdle } from '../support/grid/nothing-left.ts'
import { rejection } from '../support/grid/servers.ts'
import { settled, until } from '../support/until.ts'

const vote = single<void, number>('vote')
const hold = single<void, number>('hold', { idempotent: true })
/** Only the second server has it. */
const rare = single<void, number>('rare')
const feed = streaming<void, never, number>('feed', { inCapacity: 0 })
const waitForReady = true

/** Gives the call up by itself, while it waits. */
const impatient: CallerInterceptor = {
  single: ({ signal, metadata }, next) =>
    metadata.impatient === true ? next({ signal: AbortSignal.any([signal, AbortSignal.timeout(1)]) }) : next()
}
/** Ends with the call where a try of it was given up. */
const patient: CallerInterceptor = {
  single: async ({ metadata, signal }, next) => {
    try {
      return await next()
    } catch (error) {
      if (metadata.impatient !== true) throw error
      return await untilAborted(signal)
    }
  }
}
/** Sends nothing to one host. */
const thoughtful: CallerInterceptor = {
  single: ({ metadata, host, signal }, next) => (metadata.thinksAt === host ? untilAborted(signal) : next())
}
const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

const deliveryOf = (error: unknown) => (GridError.is(error) ? [error.code, error.delivery] : error)

for (const [how, caller] of [
  ['without interceptors', []],
  ['with retries() and others around it', [retries({ baseDelayMs: 1 }), thoughtful, patient, impatient]]
] as const) {
  describe(`a call ${how} that ends before it was sent`, () => {
    let grid: TestGrid
    let manager: Manager
    let absent: string
    let ran: number[] = []
    let undone: Answer<number>[] = []
    const undo = (answer: Answer<number>) => {
      undone.push(answer)
    }

    before(async () => {
      grid = await openGrid(3, {
        interceptors: { caller },
        serve: (each, index) => {
          const run = () => {
            ran.push(index)
            return index
          }
          each.handle(vote, run)
          each.handle(hold, async (_, { signal }) => {
            run()
            await new Promise((resolve) => signal.addEventListener('abort', resolve))
            return index
          })
          each.handle(feed, () => [run()])
          if (index === 1) each.handle(rare, run)
        }
      })
      manager = grid.at(0)
      absent = grid.hosts[2] as string
      await grid.stop(2)
      await until(() => manager.connection(absent).state !== 'connected', 'it is gone')
    })

    after(() => grid[Symbol.asyncDispose]())

    function fact(title: string, body: () => Promise<void>): void {
      it(title, async () => {
        ran = []
        undone = []
        await body()
        await assertIdle([grid.at(0), grid.at(1)])
      })
    }

    fact('is undone by no quorum: not where there was one,', async () => {
      const { accepted } = await manager.quorum(vote, undefined, { need: 1, waitForReady, undo })
      assert.deepEqual(accepted, [{ host: grid.hosts[1], value: 1 }])
      await settled(() => undone.length)
      assert.deepEqual(undone, [])
    })

    fact('not where there was none,', async () => {
      const accept = () => false
      const error = await rejection(manager.quorum(vote, undefined, { need: 2, waitForReady, undo, accept }))
      assert.ok(QuorumError.is(error))
      assert.deepEqual(
        error.answers.map(({ host, error: own }) => [host, own === undefined ? undefined : deliveryOf(own)]),
        [
          [grid.hosts[1], undefined],
          [absent, ['ERR_CANCELLED', 'notSent']]
        ]
      )
      assert.equal(error.delivery, 'ran')
      await settled(() => undone.length)
      assert.deepEqual(undone, [{ host: grid.hosts[1], value: 1 }])
    })

    fact('nor where its signal aborts, while what was sent elsewhere is', async () => {
      const controller = new AbortController()
      const quorum = rejection(
        manager.quorum(hold, undefined, { need: 2, waitForReady, undo, signal: controller.signal })
      )
      await until(() => ran.length === 1, 'one has it')
      const reason = new Error('enough')
      controller.abort(reason)
      assert.equal(await quorum, reason)
      await until(() => undone.length > 0, 'one is undone')
      await settled(() => undone.length)
      assert.deepEqual(
        undone.map(({ host, error }) => [host, deliveryOf(error)]),
        [[grid.hosts[1], ['ERR_CANCELLED', 'maybeRan']]]
      )
    })

    fact('is undone by no quorum where the peer is there and its handler is missing', async () => {
      await grid.restart(2)
      await manager.quorum(rare, undefined, { need: 1, waitForReady, undo })
      const accept = () => false
      const error = await rejection(manager.quorum(rare, undefined, { need: 2, waitForReady, undo, accept }))
      assert.ok(QuorumError.is(error))
      assert.deepEqual(deliveryOf(error.answers[1]?.error), ['ERR_CANCELLED', 'notSent'])
      await settled(() => undone.length)
      assert.deepEqual(undone, [{ host: grid.hosts[1], value: 1 }])
      await grid.stop(2)
      await until(() => manager.connection(absent).state !== 'connected', 'it is gone')
    })

    fact('says notSent at its deadline, as a request, a stream, and one of all, any, quorum and retry', async () => {
      const peer = manager.connection(absent)
      const options = { waitForReady, timeout: 20 }
      const late = ['ERR_DEADLINE', 'notSent']
      assert.deepEqual(deliveryOf(await rejection(peer.request(vote, undefined, options))), late)
      assert.deepEqual(deliveryOf(await rejection(peer.newStream(feed, undefined, options).responses.next())), late)
      for await (const answer of manager.all(vote, undefined, options)) {
        if (answer.host === absent) assert.deepEqual(deliveryOf(answer.error), late)
        else assert.equal(answer.value, 1)
      }
      for await (const { error } of manager.all(feed, undefined, { ...options, hosts: [absent] }))
        assert.deepEqual(deliveryOf(error), late)
      const there = { ...options, hosts: [absent] }
      assert.deepEqual(deliveryOf(await rejection(manager.any(vote, undefined, there))), late)
      const quorum = await rejection(manager.quorum(vote, undefined, { ...there, need: 1, undo }))
      assert.deepEqual(deliveryOf(quorum), ['ERR_QUORUM', 'notSent'])
      const tried = retry((left) => peer.request(vote, undefined, { ...left, waitForReady }), { timeout: 20 })
      assert.deepEqual(deliveryOf(await rejection(tried)), late)
      assert.deepEqual(undone, [])
    })

    fact('says notSent where its user cancels it without a reason', async () => {
      const stream = manager.connection(absent).newStream(feed, undefined, { waitForReady })
      stream.cancel()
      assert.deepEqual(deliveryOf((await stream.closed).error), ['ERR_CANCELLED', 'notSent'])
    })

    if (caller.length === 0) return
    fact('says notSent at its deadline where an interceptor has given up each try of it', async () => {
      const call = { waitForReady, timeout: 20, metadata: { impatient: true } }
      const error = await rejection(manager.connection(absent).request(vote, undefined, call))
      assert.deepEqual(deliveryOf(error), ['ERR_DEADLINE', 'notSent'])
    })

    fact('says that also where this process stood still past its deadline', async () => {
      for (const stallMs of [40, 90, 150]) {
        const call = { waitForReady, timeout: 20, metadata: { impatient: true } }
        const failing = rejection(manager.connection(absent).request(vote, undefined, call))
        await new Promise((resolve) => setTimeout(resolve, 5))
        spend(stallMs)
        assert.deepEqual(deliveryOf(await failing), ['ERR_DEADLINE', 'notSent'])
      }
    })

    fact('is undone by no quorum where an interceptor has not sent it', async () => {
      await grid.restart(2)
      const metadata = { thinksAt: absent }
      await manager.quorum(vote, undefined, { need: 1, undo, metadata })
      const error = await rejection(manager.quorum(vote, undefined, { need: 2, undo, metadata, accept: () => false }))
      assert.ok(QuorumError.is(error))
      assert.deepEqual(deliveryOf(error.answers[1]?.error), ['ERR_CANCELLED', 'notSent'])
      await settled(() => undone.length)
      assert.deepEqual(undone, [{ host: grid.hosts[1], value: 1 }])
    })
  })
}
