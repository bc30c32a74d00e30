/**
 * The acts of the demo with locks: four lock servers that are each other's clients, one of which dies while it has a lock.
 *
 * The locks are those of `it-grid/locks`; `docs/locks.md` explains them.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ms } from './calls.ts'
import type { World } from './world.ts'

const timesEach = 10

export async function locks(world: World): Promise<void> {
  const { report, servers } = world
  const folder = mkdtempSync(join(tmpdir(), 'it-grid-demo-'))
  const file = join(folder, 'counter')
  try {
    writeFileSync(file, '0')
    await Promise.all(servers.map((server) => server.ask('countUp', file, timesEach)))
    const counted = readFileSync(file, 'utf8')
    const all = servers.length * timesEach
    report.check(
      `all ${servers.length} processes count up in one file, ${timesEach} times each, under a write lock, and no count is lost`,
      counted === String(all),
      `the file says ${counted} of ${all}; each process read it, waited, and wrote it`
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
  const [first, second] = servers
  const meeting = [first?.ask('readBeside', 'node-2'), second?.ask('readBeside', 'node-1')]
  const met = await Promise.all(meeting)
  report.check(
    'two readers hold the same lock at the same time',
    met.every((each) => each === 'met'),
    'each kept its read lock until the other one had told it, over the grid, that it had the lock too'
  )
}

/** For the act in which node-4 dies. */
export async function lockOfTheDead(world: World): Promise<void> {
  const { value, elapsedMs, error } = await world.server('node-1').ask('lockOnce', 'door')
  world.report.check(
    'the lock that node-4 had when it died is free again when its time is over',
    value === 'had it',
    error === undefined ? `node-1 got it ${ms(elapsedMs)} later; a grant lasts ${ms(world.lockTtlMs)}` : error.text
  )
}
