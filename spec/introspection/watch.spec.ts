/** The changes of the stats by themselves: what is told, and what is not. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { HandlerStats, ManagerStats } from '../../lib/index.ts'
import { changesOf } from '../../lib/introspection/watch.ts'

function handler(changed: Partial<HandlerStats>): HandlerStats {
  const durations = { boundsMs: [1], counts: [1, 0], sumMs: 1 }
  const counted = { calls: 1, retries: 0, running: 0, mistakes: 0, errors: {}, durations, bytesIn: 0, bytesOut: 0 }
  return { kind: 'single', handler: 'echo', subroute: '', ...counted, ...changed }
}

const first = {
  local: 'http://here',
  instance: 'i',
  at: 1,
  up: 1,
  connections: [],
  called: []
} as unknown as ManagerStats

/** What is told after the first, which is whole. */
async function changes(...steps: readonly Partial<ManagerStats>[]) {
  let now = first
  const left = [...steps]
  const read = () => {
    now = { ...now, ...left.shift() }
    return now
  }
  const told = []
  for await (const change of changesOf(read, 1)) {
    told.push(change)
    if (left.length === 0) break
  }
  return told.slice(1)
}

const nothing = { at: 1, instance: 'i', connections: [], called: [], served: [] }

describe('the changes of stats', () => {
  it('have entries that have changed, those of one id under another subroute or of another kind apart', async () => {
    const [a, b, c] = [handler({}), handler({ subroute: 'disk1' }), handler({ kind: 'streaming' })]
    const changed = handler({ subroute: 'disk1', calls: 2 })
    const told = await changes(
      { served: [a, b, c] },
      { served: [a, changed, c] },
      {},
      { served: [a, changed, c, handler({ handler: 'new' })] }
    )
    assert.deepEqual(told, [
      { ...nothing, served: [changed] },
      nothing,
      { ...nothing, served: [handler({ handler: 'new' })] }
    ])
  })

  it('do not have what has only grown older, but what began to run', async () => {
    const running = (oldestMs: number) => [handler({ running: 1, oldestMs })]
    const told = await changes({ served: [handler({})] }, { served: running(5) }, { served: running(1005) })
    assert.deepEqual(told, [{ ...nothing, served: running(5) }, nothing])
  })

  it('have what waits as many, but not for as long as the time that has passed', async () => {
    const running = (oldestMs: number) => [handler({ running: 1, oldestMs })]
    const told = await changes(
      { served: running(5000) },
      { served: running(6000), at: 1001 },
      { served: running(900), at: 2001 },
      { served: running(1900), at: 3001 }
    )
    const at = (ms: number, served: readonly HandlerStats[]) => ({ ...nothing, at: ms, served })
    assert.deepEqual(told, [at(1001, []), at(2001, running(900)), at(3001, [])])
  })

  it('name hosts that have left once, and figures that have changed', async () => {
    const connections = ['http://a', 'http://b'].map((host) => ({ host })) as unknown as ManagerStats['connections']
    const told = await changes({ served: [], connections }, { connections: connections.slice(1), up: 0, at: 2 }, {})
    assert.deepEqual(told, [
      { ...nothing, at: 2, up: 0, removed: ['http://a'] },
      { ...nothing, at: 2 }
    ])
  })
})
