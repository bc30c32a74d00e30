/** `grid.any`: a call at one of many peers, over real sockets. */

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { pushable } from 'it-pushable'
import {
  type AnyOptions,
  type CallerInterceptor,
  type ConnDialer,
  type Connection,
  type Manager,
  type ManagerOptions,
  memoryPair,
  single,
  streaming
} from '../../lib/index.ts'
import { Gate } from '../support/gate.ts'
import { openGrid, type TestGrid } from '../support/grid/grid.ts'
import { testManager } from '../support/grid/manager.ts'
import { assertIdle } from '../support/grid/nothing-left.ts'
import { rejection } from '../support/grid/servers.ts'
import { settled, until } from '../support/until.ts'

const name = single<void, number>('name')
const wait = single<void, number>('wait')
const fail = single<void, number>('fail')
const part = single<void, number>('part')
const held = single<string, number>('held', { idempotent: true })
const count = streaming<number, never, string>('count', { inCapacity: 0, outCapacity: 4 })

let grid: TestGrid
let caller: Manager
let gates: Gate[] = []
let ran: number[] = []
let aborted: number[] = []

function serve(manager: Manager, index: number): void {
  const run = () => {
    ran[index] = (ran[index] ?? 0) + 1
    return index
  }
  manager.handle(name, run)
  manager.handle(wait, async (_, { signal }) => {
    run()
    await Promise.race([gates[index]?.opened, new Promise((resolve) => signal.addEventListener('abort', resolve))])
    if (signal.aborted) aborted[index] = (aborted[index] ?? 0) + 1
    return index
  })
  manager.handle(fail, () => {
    throw Object.assign(new Error(`not at ${run()}`), { code: 'E_NO' })
  })
  if (index === 2) manager.handle(part, run)
  if (index === 3) manager.handle(name, run, { subroute: 'disk1' })
  manager.handle(count, function* (to) {
    for (let at = 0; at < to; at++) yield `${index}-${at}`
  })
}

before(async () => {
  grid = await openGrid(4, { serve })
  caller = grid.at(0)
})

after(() => grid[Symbol.asyncDispose]())

function fact(title: string, body: () => Promise<void>): void {
  it(title, async () => {
    gates = [0, 1, 2, 3].map(() => new Gate())
    ran = []
    aborted = []
    await body()
    for (const gate of gates) gate.open()
    await assertIdle(grid.managers)
  })
}

const [a, b, c] = ['http://a', 'http://b', 'http://c'] as const

/** A server that runs, and two that are started when a spec wants them. */
function openInMemory(options: Partial<ManagerOptions> = {}) {
  const servers = new Map<string, Manager>()
  const dialer: ConnDialer = async (to) => {
    const server = servers.get(to)
    if (server === undefined) throw new Error(`nobody is at ${to}`)
    const [mine, theirs] = memoryPair()
    server.incomingConn(theirs)
    return mine
  }
  const start = (local: string, options: Partial<ManagerOptions> = {}) => {
    const manager = testManager({ local, hosts: [a, b, c], dialer, ...options })
    servers.set(local, manager)
    return manager
  }
  const close = () => Promise.all([...servers.values()].map((manager) => manager.close({ timeout: 0 })))
  return { from: start(a, options), start, close }
}

/** A timer that was set before this one has fired. */
const once = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const host = (index: number) => grid.hosts[index] as string
const total = () => ran.reduce((sum, each) => sum + (each ?? 0), 0)
/** Takes the peers in this order. */
const inOrder =
  (...indexes: number[]) =>
  (peers: readonly Connection[]) =>
    indexes.map((index) => peers.find((peer) => peer.host === host(index))).find((peer) => peer !== undefined)

describe('grid.any', () => {
  fact('asks one of the other servers, and in time all of them', async () => {
    const seen = new Set<number>()
    await until(async () => seen.add(await caller.any(name)).size === 3, 'each has been asked')
    assert.equal(seen.has(0), false)
    const before = total()
    await caller.any(name)
    assert.equal(total(), before + 1)
  })

  fact('asks those that were named, and this server where it is to be one of them', async () => {
    for (let at = 0; at < 20; at++) assert.equal(await caller.any(name, undefined, { hosts: [host(2)] }), 2)
    assert.equal(await caller.any(name, undefined, { self: true, pick: inOrder(0) }), 0)
    assert.equal(await caller.any(name, undefined, { hosts: [caller.local] }), 0)
  })

  fact('takes of two the one with fewer open calls', async () => {
    const hosts = [host(1), host(2)]
    const held = [1, 2, 3].map(() => caller.connection(host(1)).request(wait))
    await until(() => caller.connection(host(1)).stats().session?.outboundStreams === 3, 'they are open')
    for (let at = 0; at < 50; at++) assert.equal(await caller.any(name, undefined, { hosts }), 2)
    gates[1]?.open()
    await Promise.all(held)
  })

  fact('asks only who offers the handler, of its kind and under its subroute', async () => {
    for (let at = 0; at < 20; at++) {
      assert.equal(await caller.any(part), 2)
      assert.equal(await caller.any(name, undefined, { subroute: 'disk1' }), 3)
    }
    const unknown = await rejection(caller.any('count'))
    assert.deepEqual([unknown.code, unknown.delivery], ['ERR_UNKNOWN_HANDLER', 'notSent'])
    assert.match(unknown.message, /none of the 3 peers that are connected has a handler "count"/)
    const here = await rejection(caller.any(part, undefined, { hosts: [caller.local] }))
    assert.equal(here.code, 'ERR_UNKNOWN_HANDLER')
  })

  fact('sends nothing new to a peer that drains', async () => {
    const held = caller.connection(host(1)).request(wait)
    await until(() => ran[1] === 1, 'it runs')
    const closed = grid.at(1).close({ timeout: 60_000 })
    await until(() => caller.connection(host(1)).state !== 'connected', 'it is known to drain')
    for (let at = 0; at < 30; at++) assert.notEqual(await caller.any(name), 1)
    gates[1]?.open()
    assert.equal(await held, 1)
    await closed
    await grid.restart(1)
  })

  fact('asks the next one where a call was certainly not sent, and no peer twice', async () => {
    // The second refuses all calls.
    const refused = Promise.reject(new Error('no store'))
    const { from, start, close } = openInMemory()
    start(b, { serveWhen: refused }).handle(name, () => 1)
    start(c).handle(name, () => 2)
    const asked: string[] = []
    const pick = (peers: readonly Connection[]) => {
      const peer = peers.find((each) => each.host === b) ?? peers[0]
      asked.push(peer?.host as string)
      return peer
    }
    try {
      await from.waitForPeers()
      assert.equal(await from.any(name, undefined, { pick }), 2)
      assert.deepEqual(asked, [b, c])
      const error = await rejection(from.any(name, undefined, { hosts: [b] }))
      assert.deepEqual([error.code, error.reason, error.delivery], ['ERR_REJECTED', 'busy', 'notSent'])
    } finally {
      await close()
    }
  })

  fact('asks nobody else when the handler has answered, be it by an error', async () => {
    const error = await rejection(caller.any(fail))
    assert.deepEqual([error.code, error.delivery], ['E_NO', 'ran'])
    assert.equal(total(), 1)
  })

  fact('has one timeout, and ends with its signal, of which no listener is left', async () => {
    const late = await rejection(caller.any(wait, undefined, { timeout: 30 }))
    assert.deepEqual([late.code, late.delivery], ['ERR_DEADLINE', 'maybeRan'])
    assert.match(late.message, /within 30 ms/)
    const controller = new AbortController()
    const { signal } = controller
    const asked = total()
    const pending = rejection(caller.any(wait, undefined, { signal }))
    await until(() => total() === asked + 1, 'it runs')
    const told = () => aborted.reduce((sum, times = 0) => sum + times, 0)
    const before = told()
    const reason = new Error('enough')
    controller.abort(reason)
    assert.equal(await pending, reason)
    await until(() => told() === before + 1, 'its handler was told')
    assert.equal(await rejection(caller.any(name, undefined, { signal })), reason)
    assert.equal(getEventListeners(signal, 'abort').length, 0)
  })

  fact('asks nobody after its deadline, though the call may run twice', async () => {
    const stuck = single<void, number>('wait', { idempotent: true })
    const late = await rejection(caller.any(stuck, undefined, { timeout: 30, pick: inOrder(1, 2, 3) }))
    assert.deepEqual([late.code, late.delivery], ['ERR_DEADLINE', 'maybeRan'])
    await settled(total)
    assert.deepEqual([ran[1], total()], [1, 1])
  })

  fact('gives the second call the time that is left', async () => {
    const timeouts: number[] = []
    const note: CallerInterceptor = {
      single: ({ timeout }, next) => {
        timeouts.push(timeout)
        return next()
      }
    }
    const { from, start, close } = openInMemory({ interceptors: { caller: [note] } })
    const gate = new Gate()
    start(b).handle(held, async () => {
      await gate.opened
      return 1
    })
    start(c).handle(held, () => 2)
    try {
      await from.waitForPeers()
      const pick = (peers: readonly Connection[]) => peers.find((each) => each.host === b) ?? peers[0]
      assert.equal(await from.any(held, 'x', { pick, hedgeAfterMs: 40, timeout: 10_000 }), 2)
      gate.open()
      const [first, second = 0] = timeouts
      assert.equal(first, 10_000)
      // A timer of Node may be a millisecond early.
      assert.ok(second > 0 && second <= 10_000 - 38, `${second} ms`)
    } finally {
      await close()
    }
  })

  fact('looks for nobody any more once it has waited for a peer', async () => {
    const { from, start, close } = openInMemory()
    let picks = 0
    const pick = (peers: readonly Connection[]) => {
      picks++
      return peers[0]
    }
    try {
      const waiting = from.any(name, undefined, { waitForReady: true, pick })
      start(b).handle(name, () => 1)
      assert.equal(await waiting, 1)
      start(c).handle(name, () => 2)
      await from.waitForPeers()
      await until(() => from.connection(c).handlers.length === 1, 'the other is known, too')
      assert.equal(picks, 1)
    } finally {
      await close()
    }
  })

  describe('with hedgeAfterMs', () => {
    fact('asks a second peer after so long; the first answer counts, and the other handler is cancelled', async () => {
      gates[2]?.open()
      assert.equal(await caller.any(wait, undefined, { hedgeAfterMs: 5, pick: inOrder(1, 2, 3) }), 2)
      await until(() => aborted[1] === 1, 'the loser hears of it')
      assert.deepEqual([ran[1], ran[2], ran[3]], [1, 1, undefined])
    })

    fact('asks nobody else where the first answers before', async () => {
      assert.equal(await caller.any(name, undefined, { hedgeAfterMs: 10_000, pick: inOrder(1, 2, 3) }), 1)
      await settled(total)
      assert.equal(total(), 1)
    })

    fact('still takes the answer of the first', async () => {
      const answer = caller.any(wait, undefined, { hedgeAfterMs: 1, pick: inOrder(1, 2, 3) })
      await until(() => ran[2] === 1, 'the second is asked')
      gates[1]?.open()
      assert.equal(await answer, 1)
      await until(() => aborted[2] === 1, 'the loser hears of it')
    })

    fact('leaves no timer behind the answer', async () => {
      const timers = () => process.getActiveResourcesInfo().filter((what) => what === 'Timeout').length
      const before = timers()
      for (let at = 0; at < 100; at++) await caller.any(name, undefined, { hedgeAfterMs: 10_000 })
      assert.ok(timers() < before + 50, `${timers()} timers, ${before} before`)
    })

    fact('still takes the answer of one where the other has failed, and nobody else is there', async () => {
      const options = { hedgeAfterMs: 1, pick: inOrder(1, 2), hosts: [host(1), host(2)] }
      const answer = caller.any(wait, undefined, options)
      await until(() => ran[1] === 1 && ran[2] === 1, 'both are asked')
      await grid.stop(1)
      await until(() => caller.connection(host(1)).state !== 'connected', 'the caller has lost it')
      await settled(total)
      gates[2]?.open()
      assert.equal(await answer, 2)
      await grid.restart(1)
    })

    fact('has nobody to ask where there is one peer only', async () => {
      const answer = caller.any(wait, undefined, { hedgeAfterMs: 0, hosts: [host(1)] })
      await until(() => ran[1] === 1, 'it runs')
      await settled(total)
      gates[1]?.open()
      assert.equal(await answer, 1)
    })
  })

  describe('while it is under way', () => {
    /** The second has the call, and answers once `gate` is open; the third is the next to be asked. */
    async function askTheSecond(options: Partial<ManagerOptions>, more: AnyOptions<typeof held>, server = {}) {
      const { from, start, close } = openInMemory(options)
      const [gate, called] = [new Gate(), new Gate()]
      start(b).handle(held, async (_, { signal }) => {
        called.open()
        await gate.opened
        return signal.aborted ? -1 : 1
      })
      start(c, server).handle(held, () => 2)
      await from.waitForPeers()
      const pick = (peers: readonly Connection[]) => peers.find((each) => each.host === b) ?? peers[0]
      const answer = from.any(held, 'x'.repeat(2000), { pick, ...more })
      await called.opened
      return { from, gate, answer, close }
    }

    fact('a named host may leave the grid: the answer of another one counts', async () => {
      const hosts = pushable<string[]>({ objectMode: true })
      hosts.push([a, b, c])
      const more = { hosts: [b, c], hedgeAfterMs: 20 }
      const { from, gate, answer, close } = await askTheSecond({ hosts }, more)
      try {
        hosts.push([a, b])
        await until(() => from.hosts.length === 1, 'it has left')
        await once(20)
        gate.open()
        assert.equal(await answer, 1)
      } finally {
        await close()
      }
    })

    fact('its manager may close: the answer of who was asked counts', async () => {
      const { from, gate, answer, close } = await askTheSecond({}, { hedgeAfterMs: 20 })
      try {
        const closed = from.close({ timeout: 60_000 })
        await once(20)
        gate.open()
        assert.equal(await answer, 1)
        await closed
      } finally {
        await close()
      }
    })

    fact('a second that cannot be asked leaves the first alone', async () => {
      const limits = { maxMessageBytes: 1024, streamWindowBytes: 1024 }
      const { gate, answer, close } = await askTheSecond({}, { hedgeAfterMs: 1 }, { limits })
      try {
        await once(1)
        gate.open()
        assert.equal(await answer, 1)
      } finally {
        await close()
      }
    })
  })

  fact('waits for those of the named hosts that are still in the grid', async () => {
    const hosts = pushable<string[]>({ objectMode: true })
    hosts.push([a, b, c])
    const { from, start, close } = openInMemory({ hosts })
    try {
      await from.ready
      const waiting = from.any(name, undefined, { hosts: [b, c], waitForReady: true })
      const gone = rejection(from.any(name, undefined, { hosts: [c], waitForReady: true }))
      hosts.push([a, b])
      assert.equal((await gone).code, 'ERR_UNKNOWN_HOST')
      start(b).handle(name, () => 1)
      assert.equal(await waiting, 1)
    } finally {
      await close()
    }
  })

  fact(
    'says notSent of a host that is none, of a pick that is none, and of a wait that ends with the manager',
    async () => {
      const { from, start, close } = openInMemory()
      start(b).handle(name, () => 1)
      try {
        await from.connection(b).waitForConnect()
        const wrong: Promise<unknown>[] = [
          ...[from.any(name, undefined, { hosts: ['no host'] }), from.any(name, undefined, { hosts: [5] as never })],
          ...[
            (from.any as () => Promise<unknown>).call(from),
            from.quorum(name, undefined, { need: 1, hosts: ['no host'] })
          ],
          from.any(name, undefined, { pick: () => from as never })
        ]
        for (const call of wrong) {
          const { code, delivery } = await rejection(call)
          assert.deepEqual([code, delivery], ['ERR_INVALID_OPTION', 'notSent'])
        }
        assert.throws(() => (from.all as () => unknown).call(from), { code: 'ERR_INVALID_OPTION', delivery: 'notSent' })
        const waiting = rejection(from.any('never', undefined, { waitForReady: true }))
        await from.close({ timeout: 0 })
        const { code, delivery } = await waiting
        assert.deepEqual([code, delivery], ['ERR_CLOSED', 'notSent'])
      } finally {
        await close()
      }
    }
  )

  fact('says that a call may have run where the second pick is none', async () => {
    let picks = 0
    const pick = (peers: readonly Connection[]) => (picks++ === 0 ? peers[0] : (caller as never))
    const error = await rejection(caller.any(wait, undefined, { pick, hedgeAfterMs: 5 }))
    assert.deepEqual([error.code, error.delivery], ['ERR_INVALID_OPTION', 'maybeRan'])
  })

  fact('says that a call may have run where it may have at one of the peers', async () => {
    const { from, start, close } = openInMemory()
    const lost = start(b)
    lost.handle(held, async () => {
      await lost.close({ timeout: 0 })
      return 1
    })
    start(c, { serveWhen: Promise.reject(new Error('no store')) }).handle(held, () => 2)
    const pick = (peers: readonly Connection[]) => peers.find((each) => each.host === b) ?? peers[0]
    try {
      await from.waitForPeers()
      const error = await rejection(from.any(held, '', { pick }))
      assert.deepEqual([error.code, error.reason, error.delivery], ['ERR_REJECTED', 'busy', 'maybeRan'])
    } finally {
      await close()
    }
  })

  fact('fails at once while nobody is there, or waits for a peer or its handler', async () => {
    const { from, start, close } = openInMemory()
    try {
      const down = await rejection(from.any(name))
      assert.deepEqual([down.code, down.delivery], ['ERR_DISCONNECTED', 'notSent'])
      assert.match(down.message, /^0 of the 1 peers that are needed: .*not connected to/)
      const late = await rejection(from.any(name, undefined, { waitForReady: true, timeout: 20 }))
      assert.deepEqual([late.code, late.delivery], ['ERR_DEADLINE', 'notSent'])
      const controller = new AbortController()
      const stopped = rejection(from.any(name, undefined, { waitForReady: true, signal: controller.signal }))
      controller.abort(new Error('enough'))
      assert.match((await stopped).message, /enough/)
      assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
      const waiting = from.any(name, undefined, { waitForReady: true })
      const forHandler = from.any('later', undefined, { waitForReady: true })
      const server = start(c)
      server.handle(name, () => 2)
      assert.equal(await waiting, 2)
      const missing = await rejection(from.any('later', undefined, { waitForReady: true, timeout: 20 }))
      assert.equal(missing.code, 'ERR_UNKNOWN_HANDLER')
      server.handle('later', (payload) => payload)
      assert.equal((await forHandler).length, 0)
      const closing = rejection(from.any('never', undefined, { waitForReady: true }))
      await from.close({ timeout: 0 })
      assert.equal((await closing).code, 'ERR_CLOSED')
    } finally {
      await close()
    }
  })

  fact('opens a stream at one peer', async () => {
    const got: string[] = []
    for await (const value of caller.any(count, 3, { pick: inOrder(3) })) got.push(value)
    assert.deepEqual(got, ['3-0', '3-1', '3-2'])
    const failing = caller.any(count, 3, { subroute: 'nowhere' })
    assert.equal((await rejection(failing.responses.next())).code, 'ERR_UNKNOWN_HANDLER')
    assert.equal((await failing.closed).how, 'failed')
    for (const options of [{ hedgeAfterMs: 1 }, { waitForReady: true }, { hosts: [] }]) {
      const wrong = caller.any(count, 3, options as AnyOptions<typeof count>)
      assert.equal((await rejection(wrong.responses.next())).code, 'ERR_INVALID_OPTION')
    }
  })

  fact('refuses what cannot be before anything is sent', async () => {
    const wrong: [options: object, code: string, text: RegExp][] = [
      [{ hosts: [] }, 'ERR_INVALID_OPTION', /hosts of any\(\) must not be empty/],
      [{ hosts: [host(1), host(1)] }, 'ERR_INVALID_OPTION', /is there twice/],
      [{ hosts: ['http://nobody'] }, 'ERR_UNKNOWN_HOST', /http:\/\/nobody is not among the hosts/],
      [{ hedgeAfterMs: -1 }, 'ERR_INVALID_OPTION', /hedgeAfterMs of any\(\) must be from 0/],
      [{ pick: 1 }, 'ERR_INVALID_OPTION', /pick of any\(\) must be a function/],
      [{ pick: () => caller.connection(caller.local) }, 'ERR_INVALID_OPTION', /must return one of the peers/],
      [{ pick: () => Promise.reject(new Error('a bug')) }, 'ERR_INVALID_OPTION', /must return one of the peers/],
      [{ pick: () => undefined }, 'ERR_DISCONNECTED', /has picked none of the peers/],
      [{ need: 1 }, 'ERR_INVALID_OPTION', /any\(\) has no option "need"/]
    ]
    for (const [options, code, text] of wrong) {
      const error = await rejection(caller.any(name, undefined, options))
      assert.equal(error.code, code, JSON.stringify(options))
      assert.match(error.message, text)
    }
    const thrown = new Error('a bug of pick')
    const pick = () => {
      throw thrown
    }
    assert.equal(await rejection(caller.any(name, undefined, { pick })), thrown)
    assert.deepEqual(ran, [])
  })
})
