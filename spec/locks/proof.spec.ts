/**
 * The locks of `it-grid/locks` hold: five server processes with clients in each, while servers are killed, restarted, stopped, cut
 * and cut off; and by the log that every holder wrote nobody was ever inside who must not have been, while he ran.
 *
 * `spec/long/locks.ts` does the same for as many rounds as one has time for.
 */

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, it, type TestContext } from 'node:test'
import { paced } from '../support/clock/pace.ts'
import { judge, type Line, noticeMs, type Stall, writeLine } from '../support/locks/holders.ts'
import { proveLocks } from '../support/locks/proof.ts'
import { joined } from '../support/locks/stalls.ts'
import { seed } from '../support/random.ts'

/** On an idle machine a grant ends a tenth of its time later than its holder believes: by then he must have noticed. */
const ttlMs = paced(1000)

describe('locks on a grid of processes', { concurrency: true }, () => {
  it(`exclude each other in 2,000 rounds under kills, stops, cuts and black holes, SEED=${seed}`, async (test) => {
    const options = { servers: 5, clients: 4, ttlMs, rounds: 2000, seed }
    const { verdict, outcomes, faults, wrong, tookMs } = await proveLocks(options)
    const { violations, writes, reads, shared, stalled } = verdict
    test.diagnostic(
      `${writes} writes, ${reads} reads, ${shared} beside other readers; outcomes ${JSON.stringify(outcomes)}; ` +
        `faults ${JSON.stringify(faults)}; stalled ${stalled}; violations ${violations.length}; ${Math.round(tookMs / 1000)} s`
    )
    assert.deepEqual(wrong, [])
    assert.deepEqual(violations, [])
    assert.ok((outcomes.ok ?? 0) >= 2000)
    // It was no quiet day, and no plain mutex. What rarer schedules do, `simulation.spec.ts` shows.
    assert.ok(Object.values(faults).reduce((sum, count) => sum + count, 0) >= 4, JSON.stringify(faults))
    assert.ok(writes > 400 && reads > 400 && shared > 20, `${writes}, ${reads}, ${shared}`)
    // Else it would say little.
    assert.ok(stalled < (writes + reads) / 2, `${stalled} came in amid a stall`)
  })

  it('do not where clients disagree about who the servers are, and the log tells', async () => {
    const askedBy = (at: number, hosts: readonly string[]) => (at < 2 ? hosts.slice(0, 2) : hosts.slice(2))
    // Another one than beside it: it chooses the ports, too.
    const options = { servers: 5, clients: 4, ttlMs, seed: seed + 1, faults: false, askedBy }
    let violations: readonly unknown[] = []
    // They may not have met yet where one group of servers had the machine for itself.
    for (let rounds = 200; violations.length === 0 && rounds <= 12_800; rounds *= 4) {
      const { verdict, wrong } = await proveLocks({ ...options, rounds })
      assert.deepEqual(wrong, [])
      violations = verdict.violations
    }
    assert.ok(violations.length > 0)
  })
})

function emptyLog(test: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'it-grid-log-'))
  test.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'log')
}

describe('the judge of a log', () => {
  let tokens = 0
  let atMs = 0
  beforeEach(() => {
    atMs = 0
  })
  /** One line each ms, from 1 on. */
  const enter = (id: number, kind: string, names = ['a'], process = 'p', token = ++tokens, stall?: Stall): Line => {
    return { what: 'enter', process, id, kind, names, token, atMs: ++atMs, stall }
  }
  const exit = (id: number, process = 'p', stall?: Stall): Line => ({ what: 'exit', process, id, atMs: ++atMs, stall })
  const gone = (process: string, at = ++atMs): Line => ({ what: 'gone', process, atMs: at })
  const logs: [title: string, violations: number, lines: () => Line[]][] = [
    ['finds a writer beside a writer', 1, () => [enter(1, 'write'), enter(2, 'write')]],
    ['finds a reader beside a writer', 1, () => [enter(1, 'write'), enter(2, 'read')]],
    ['finds a writer beside readers, each of them', 2, () => [enter(1, 'read'), enter(2, 'read'), enter(3, 'write')]],
    ['finds them on any resource', 1, () => [enter(1, 'write', ['a', 'b']), enter(2, 'write', ['c', 'b'])]],
    ['finds them in two processes that count alike', 1, () => [enter(1, 'write'), enter(1, 'write', ['a'], 'q')]],
    ['lets readers be together', 0, () => [enter(1, 'read'), enter(2, 'read')]],
    ['lets one in after the other', 0, () => [enter(1, 'write'), exit(1), enter(2, 'write')]],
    ['lets one in after one that died', 0, () => [enter(1, 'write'), gone('p'), enter(2, 'write', ['a'], 'q')]],
    [
      'finds a writer whose token is not higher than that of a reader before',
      1,
      () => [enter(1, 'read', ['a'], 'p', 7), exit(1), enter(2, 'write', ['b', 'a'], 'p', 7)]
    ],
    [
      'finds a reader whose token is not higher than that of a writer before',
      1,
      () => [enter(1, 'write', ['a'], 'p', 7), exit(1), enter(2, 'read', ['a'], 'p', 7)]
    ],
    ['lets readers have one token', 0, () => [enter(1, 'read', ['a'], 'p', 7), enter(2, 'read', ['a'], 'p', 7)]],
    ['does not take the end of another for its end', 1, () => [enter(1, 'write'), exit(1, 'q'), enter(2, 'write')]],
    [
      'leaves out one whose process stands still when another comes in',
      0,
      () => [enter(1, 'write'), enter(2, 'write', ['a'], 'q'), exit(1, 'p', [1.5, 2.5])]
    ],
    [
      'finds one that stays inside beside another when its process runs again',
      1,
      () => [
        ...[enter(1, 'write'), enter(2, 'write', ['a'], 'q')],
        ...[
          { ...exit(1, 'p', [1.5, 2.5]), atMs: 4 + noticeMs },
          { ...exit(2, 'q'), atMs: 5 + noticeMs }
        ]
      ]
    ],
    [
      'finds one that came in amid a stall of its process, and stays beside another when that runs',
      1,
      () => [
        ...[enter(1, 'write'), enter(2, 'write', ['a'], 'q', 0, [0, 2])],
        ...[
          { ...exit(2, 'q', [0, 2]), atMs: 4 + noticeMs },
          { ...exit(1), atMs: 5 + noticeMs }
        ]
      ]
    ],
    [
      'lets one stay inside when its process runs again and the other has left',
      0,
      () => [
        ...[enter(1, 'write'), enter(2, 'write', ['a'], 'q'), exit(2, 'q')],
        { ...exit(1, 'p', [1.5, 2.5]), atMs: 4 + noticeMs }
      ]
    ],
    [
      'finds one whose process stood still only before or after another came in',
      2,
      () => [
        ...[enter(1, 'write'), enter(2, 'write', ['a'], 'q'), exit(1, 'p', [0, 1.5]), exit(2, 'q')],
        ...[enter(3, 'write'), enter(4, 'write', ['a'], 'q'), exit(3, 'p', [6.5, 7])]
      ]
    ],
    [
      'leaves out one that comes in amid a stall of its process',
      0,
      () => [enter(1, 'write'), enter(2, 'write', ['a'], 'q', 0, [0, 2]), exit(2, 'q'), exit(1)]
    ],
    [
      'leaves out one whose process was killed before another came in, though its line came later',
      0,
      () => [enter(1, 'write'), enter(2, 'write', ['a'], 'q'), gone('p', 1.5)]
    ],
    [
      'lets one in after the other, whose last line came later',
      0,
      () => [enter(1, 'write'), enter(2, 'write', ['a'], 'q'), { ...exit(1), atMs: 1.5 }]
    ],
    ['finds one whose process was killed later', 1, () => [enter(1, 'write'), enter(2, 'write', ['a'], 'q'), gone('p')]]
  ]
  for (const [title, violations, lines] of logs) {
    it(title, (test) => {
      const log = emptyLog(test)
      for (const line of lines()) writeLine(log, line)
      assert.equal(judge(readFileSync(log, 'utf8')).violations.length, violations)
    })
  }

  it('hears of two stalls with little between them as of one, and of others apart', () => {
    assert.deepEqual(joined([10, 100], [149, 300]), [10, 300])
    assert.deepEqual(joined([10, 100], [150, 300]), [150, 300])
    assert.deepEqual(joined(undefined, [150, 300]), [150, 300])
  })

  it('leaves out what a process was killed amid, and no line behind it', (test) => {
    const log = emptyLog(test)
    writeLine(log, enter(1, 'write'))
    const whole = readFileSync(log, 'utf8')
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(log, whole.slice(0, length))
      writeLine(log, gone('p'))
      writeLine(log, enter(1, 'write', ['a'], 'q'))
      const { writes, violations } = judge(readFileSync(log, 'utf8'))
      assert.deepEqual([writes, violations], [1, []])
    }
  })
})
