/** A lock is kept for as long as its servers keep it: the schedules of a busy machine and of a rolling deploy, in virtual time. */

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { it } from 'node:test'
import { LockClient } from '../../lib/extras/locks/client.ts'
import type { Lock } from '../../lib/extras/locks/lock.ts'
import { virtualTime } from '../../lib/extras/testing/index.ts'
import { newGrid as gridOf, newLink, newNetwork, newServer, ttlMs } from './simulated-network.ts'

const defaultRequestTimeoutMs = 0.1 * ttlMs
const refreshEveryMs = Math.trunc(ttlMs / 3)
const longMs = 10 * ttlMs

/** A client and three servers, between which every message takes equally long, or `delayMs`. */
function newGrid(requestTimeoutMs = defaultRequestTimeoutMs, delayMs?: () => number) {
  const clock = virtualTime(() => 0.5)
  const grid = { ...newNetwork(clock, () => 0.5, {}), oneWayMs: 1, delayMs: delayMs ?? ((): number => grid.oneWayMs) }
  const servers = [0, 1, 2].map((at) => newServer(grid, `http://server-${at}:1`))
  const links = servers.map((server) => newLink(grid, server, 'client'))
  const hosts = servers.map(({ host }) => host)
  const client = new LockClient(gridOf('client', links), {
    servers: hosts,
    requestTimeoutMs
  })
  return {
    ...{ clock, grid, links, client },
    hasGranted: (at: number) => servers[at]?.table.size === 1,
    restart: (at: number) => servers[at]?.restart(links.slice(at, at + 1)),

    /** When the lock was lost that is held during this work; undefined when it was kept. */
    async lostAtMs(work: () => Promise<void>): Promise<number | undefined> {
      let atMs: number | undefined
      let isOver = false
      const holding = client.withLock(['a'], (signal) => {
        const lost = new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => {
            atMs = clock.nowMs
            resolve()
          })
        })
        return Promise.race([work(), lost])
      })
      const end = () => {
        isOver = true
      }
      holding.then(end, end)
      await clock.run(10 * longMs, () => isOver)
      assert.ok(isOver)
      return atMs
    },
    [Symbol.dispose]: () => clock[Symbol.dispose]()
  }
}

it('a lock is kept by servers that answer later than a client waits that asks for a new one', async () => {
  using slow = newGrid()
  const lostAtMs = await slow.lostAtMs(async () => {
    slow.grid.oneWayMs = defaultRequestTimeoutMs
    await slow.clock.wait(longMs)
  })
  assert.equal(lostAtMs, undefined)
})

it('a lock is kept when each server is restarted as soon as the one before has granted it again, unheard as yet', async () => {
  using slow = newGrid()
  const lostAtMs = await slow.lostAtMs(async () => {
    slow.grid.oneWayMs = defaultRequestTimeoutMs
    for (const at of [1, 2, 1]) {
      slow.restart(at)
      await slow.clock.wait(ttlMs)
      while (!slow.hasGranted(at)) await slow.clock.wait(1)
    }
    await slow.clock.wait(longMs)
  })
  assert.equal(lostAtMs, undefined)
})

it('a lock is kept when a server is restarted before the one that was restarted first grants again', async () => {
  using rolling = newGrid()
  const lostAtMs = await rolling.lostAtMs(async () => {
    rolling.restart(1)
    await rolling.clock.wait(0.7 * ttlMs)
    rolling.restart(2)
    await rolling.clock.wait(longMs)
  })
  assert.equal(lostAtMs, undefined)
})

it('a lock is kept when the conns are lost shortly before every refresh', async () => {
  using shaky = newGrid()
  const lostAtMs = await shaky.lostAtMs(async () => {
    await shaky.clock.wait(refreshEveryMs - 5)
    for (let refreshes = 0; refreshes < 20; refreshes++) {
      for (const link of shaky.links) link.disconnect()
      await shaky.clock.wait(refreshEveryMs)
    }
  })
  assert.equal(lostAtMs, undefined)
})

it('a lock that a quorum has forgotten is held until the time of their last grant is nearly over', async () => {
  using rash = newGrid()
  let restartedAtMs = 0
  const lostAtMs = await rash.lostAtMs(async () => {
    restartedAtMs = rash.clock.nowMs
    for (const at of [1, 2]) rash.restart(at)
    await rash.clock.wait(longMs)
  })
  const heldForMs = (lostAtMs ?? 0) - restartedAtMs
  assert.ok(heldForMs > 0.85 * ttlMs && heldForMs <= 0.9 * ttlMs, `${heldForMs}`)
})

it('a lock that is lost leaves nothing at the signal that it was taken with, though it is not given back', async () => {
  using rash = newGrid()
  const { signal } = new AbortController()
  let lock: Lock | undefined
  rash.client.lock(['a'], { signal }).then((taken) => {
    lock = taken
  })
  await rash.clock.run(longMs, () => lock !== undefined)
  assert.equal(getEventListeners(signal, 'abort').length, 1)
  for (const at of [1, 2]) rash.restart(at)
  await rash.clock.run(longMs, () => lock?.signal.aborted === true)
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  let code: unknown
  lock?.unlock().catch((error) => {
    code = error.code
  })
  await rash.clock.run(longMs, () => code !== undefined)
  assert.equal(code, 'ERR_LOCK_LOST')
})

it('a lock is kept whose grants took most of their time to arrive', async () => {
  let messages = 0
  const slow = () => (++messages <= 6 ? 0.4 * ttlMs : 1)
  using grid = newGrid(ttlMs, slow)
  assert.equal(grid.links.length, 3)
  const lostAtMs = await grid.lostAtMs(() => grid.clock.wait(longMs))
  assert.equal(lostAtMs, undefined)
})

for (const [title, timeout, expected] of [
  ['is asked for again', undefined, 'worked'],
  ['is not granted in time where that is over, too', ttlMs / 2, 'ERR_LOCK_TIMEOUT']
] as const) {
  it(`a lock whose time is over before its owner has it ${title}`, async () => {
    using stalled = newGrid()
    const { signal } = new AbortController()
    let stalls = 0
    // Asked when the grants have arrived, last of all: the process stands still here.
    signal.throwIfAborted = () => {
      if (stalls > 0 || !stalled.hasGranted(0)) return
      stalls++
      stalled.clock.nowMs += ttlMs
    }
    let outcome: string | undefined
    const tell = (text: string) => {
      outcome = text
    }
    const options = { signal, ...(timeout !== undefined && { timeout }) }
    stalled.client.withLock(['a'], () => 'worked', options).then(tell, (error) => tell(error.code))
    await stalled.clock.run(longMs, () => outcome !== undefined)
    assert.deepEqual([outcome, stalls], [expected, 1])
  })
}
