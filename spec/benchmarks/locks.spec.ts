/**
 * The benchmark of locks: that each contestant has its row, from locks that were granted and given back, and that one
 * answer that is wrong fails the run.
 *
 * Nothing of it is measured here. Rivals whose packages are not installed say so in their rows.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Entry, Round } from '../../benchmarks/harness/contest/contestant.ts'
import type { Outcome } from '../../benchmarks/harness/contest/rounds.ts'
import { benchLocks } from '../../benchmarks/locks/bench.ts'
import { lockRoster } from '../../benchmarks/locks/roster.ts'
import { lockRows, lockTable } from '../../benchmarks/locks/summary.ts'
import { childEnvironment, sourceArgs } from '../support/process/child.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

async function command(...args: string[]): Promise<{ code: number; text: string }> {
  return await execute('benchmarks/locks/main.ts', ...args)
}

async function execute(script: string, ...args: string[]): Promise<{ code: number; text: string }> {
  const child = spawn(process.execPath, [...sourceArgs, script, ...args], { cwd: root, env: childEnvironment() })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
    })
  }
  const [code] = await once(child, 'close')
  return { code, text }
}

async function run(...entries: Entry[]): Promise<{ code: number; text: string }> {
  let text = ''
  const print = (line: string): void => {
    text += `${line}\n`
  }
  const code = await benchLocks({ entries, rounds: 1, ms: 20, callers: 4, out: '' }, { print, progress() {} })
  return { code, text }
}

function entry(id: string, file: string, isRival = true): Entry {
  const module = new URL(`../support/benchmarks/${file}.ts`, import.meta.url).href
  return { id, label: id, module, isRival }
}

describe('benchmarks: locks', { concurrency: 2 }, () => {
  it('have a row for each contestant, from checked locks, and a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'it-grid-locks-'))
    const out = join(folder, 'locks.json')
    try {
      const { code, text } = await command(...['--rounds', '1', '--ms', '20', '--callers', '8', '--out', out])
      assert.equal(code, 0, text)
      assert.match(text, /rlock and runlock on one hot object, 8 callers: 1 interleaved rounds of 20 ms/)
      const figures = /\| +[\d,]+ +\| [\d,]+ - [\d,]+ +(\| [\d,]+ +){2}(\| [\d,.]+ +){3}\|/
      for (const { label, isRival } of lockRoster) {
        const row = text.split('\n').find((line) => line.startsWith(`| ${label} `)) ?? ''
        assert.match(row, isRival ? new RegExp(`${figures.source}|cannot run: Cannot find package`) : figures, text)
      }
      assert.doesNotMatch(text, /NaN|undefined|Infinity/)
      const { contestants } = JSON.parse(await readFile(out, 'utf8'))
      assert.deepEqual(
        contestants.map(({ id }: Entry) => id),
        lockRoster.map(({ id }) => id)
      )
      for (const name of ['pairsPerSecond', 'p50Us', 'p99Us', 'callerCpuUs', 'serverCpuUs'])
        assert.ok(contestants[0][name].median > 0, name)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('have a row for each client beside Redis, whose own says why where it is not installed', async () => {
    const { code, text } = await execute(
      'benchmarks/locks/redis.ts',
      ...['--rounds', '1', '--ms', '50', '--kill', 'no']
    )
    assert.equal(code, 0, text)
    for (const label of ['it-grid/locks, 1 server ', 'it-grid/locks, 3 servers']) {
      assert.match(text, new RegExp(`^\\| ${label} +\\| +[\\d,]+ +\\|`, 'm'), text)
    }
    assert.match(text, /^\| Redis, Redlock +\| ([\d,]+ |cannot run: (Cannot find package|there is no))/m)
  })

  const wrong: readonly (readonly [id: string, message: RegExp])[] = [
    ['refuses-at-first', /not granted, \{"granted":false,"ttlMs":30000,"heldBy":null,"token":0\}/],
    ['refuses-sometimes', /not granted, \{"granted":false,.*"heldBy":"somebody"\}/],
    ['forgets-sometimes', /no such lock is held here/],
    ['says-yes', /a lock that nobody has could be given back/]
  ]
  for (const [id, message] of wrong) {
    it(`fail when a server ${id.replaceAll('-', ' ')}`, async () => {
      const { code, text } = await run(entry(id, 'faulty-locks'))
      assert.equal(code, 1, text)
      assert.match(text, new RegExp(`^A wrong answer, so nothing here counts: ${id}, locks: .*${message.source}`, 'm'))
    })
  }

  it('go on without a rival that cannot run, and fail without one of ours', async () => {
    const rival = await run(entry('missing', 'missing-contestant'))
    assert.equal(rival.code, 0, rival.text)
    assert.match(rival.text, /^\| missing +\| cannot run: Cannot find package/m)
    const ours = await run(entry('does-not-listen', 'faulty-contestants', false))
    assert.equal(ours.code, 1, ours.text)
    assert.match(ours.text, /^\| does-not-listen +\| cannot run: the port is taken/m)
  })

  it('have figures as one counts them', () => {
    const round = (operations: number, latencyMs: number): Round => {
      const latenciesMs = Array.from({ length: operations }, (_, i) => (i < operations * 0.98 ? latencyMs : 9))
      return { operations, elapsedMs: 100, cpuUs: operations * 30, serverCpuUs: operations * 10, latenciesMs }
    }
    const outcomes: Outcome[] = [
      { entry: entry('ours', '', false), rounds: [round(200, 1), round(900, 2), round(400, 3)] },
      { entry: entry('theirs', ''), rounds: [round(100, 4), round(100, 5), round(100, 6)] },
      { entry: entry('dead', ''), rounds: [], reason: 'it died', failed: true }
    ]
    const rows = lockRows(outcomes)
    assert.deepEqual(rows[0]?.figures, {
      pairsPerSecond: { median: 4000, min: 2000, max: 9000 },
      p50Us: { median: 2000, min: 1000, max: 3000 },
      p99Us: { median: 9000, min: 9000, max: 9000 },
      callerCpuUs: { median: 20, min: 20, max: 20 },
      serverCpuUs: { median: 10, min: 10, max: 10 },
      ratios: { theirs: { median: 4, min: 2, max: 9 } }
    })
    const table = lockTable(rows)
    assert.match(table, /^\| ours .*\| 4\.00 \(2\.00 - 9\.00\) +\|$/m)
    assert.match(table, /^\| dead +\| cannot run: it died /m)
  })

  it('list their options when one is wrong', async () => {
    const refused: readonly (readonly [args: string[], message: RegExp])[] = [
      [['--round', '3'], /--rounds \(default 7\), --ms \(default 1000\), --callers \(default 64\), --only .*--out/],
      [['--callers', '0'], /--callers must be a whole number above 0, not 0/],
      [['--only', 'nobody'], /there is no nobody; there are: it-grid, grpc-js, undici, undici-fast/]
    ]
    for (const [args, message] of refused) {
      const { code, text } = await command(...args)
      assert.equal(code, 2, text)
      assert.match(text, message)
    }
  })
})
