/**
 * The comparison with rivals: that its figures come from checked answers, and what it does when something is wrong.
 *
 * Nothing of it is measured here: the processes run the sources. Needs none of the packages of the rivals.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { bench } from '../../benchmarks/compare/bench.ts'
import { checkStreams } from '../../benchmarks/compare/checks.ts'
import type { StreamPlan } from '../../benchmarks/compare/contestant.ts'
import { ringOf } from '../../benchmarks/compare/messages.ts'
import { type Entry, roster } from '../../benchmarks/compare/roster.ts'
import { summarise } from '../../benchmarks/compare/summary.ts'
import { type Workload, workloads } from '../../benchmarks/compare/workloads.ts'
import type { Round } from '../../benchmarks/harness/contest/contestant.ts'
import { percentile } from '../../benchmarks/harness/statistics.ts'
import { paced } from '../support/clock/pace.ts'
import { childEnvironment, sourceArgs } from '../support/process/child.ts'
import { until } from '../support/until.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const slowMs = paced(30_000)

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'it-grid-benchmarks-'))
})
after(() => rm(folder, { recursive: true }))

function entry(id: string, file: string, isRival = true): Entry {
  const module = new URL(`../support/benchmarks/${file}.ts`, import.meta.url).href
  return { id, label: id, about: '', module, isRival, color: '#000000' }
}

const faulty = (id: string, isRival?: boolean): Entry => entry(id, 'faulty-contestants', isRival)
const real = (...ids: string[]): Entry[] => roster.filter(({ id }) => ids.includes(id))
const chosen = (...ids: string[]): Workload[] => workloads.filter(({ id }) => ids.includes(id))

async function run(entries: readonly Entry[], wanted: readonly Workload[], out = join(folder, 'unused')) {
  let text = ''
  let steps = 0
  const print = (line: string): void => {
    text += `${line}\n`
  }
  const plan = { workloads: wanted, entriesOf: () => entries, rounds: 2, ms: 20, out }
  const code = await bench(plan, { print, progress: () => steps++ })
  return { code, text, steps }
}

function command(...args: string[]) {
  const child = spawn(process.execPath, [...sourceArgs, 'benchmarks/compare/main.ts', ...args], {
    cwd: root,
    env: childEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  return { child, output: () => output, exited: once(child, 'close').then(([code]) => code as number | null) }
}

describe('benchmarks: options', { concurrency: 2 }, () => {
  const refused: readonly (readonly [args: string[], message: RegExp])[] = [
    [['--only', 'ws,nobody'], /^there is no nobody; there are: it-grid, .*ws, .*grpc-js, .*undici/],
    [['--only', 'ws,'], /^there is no ; there are: it-grid/],
    [['--workloads', 'request-2'], /^there is no request-2; there are: request-1, .*latency.*, main, sizes/],
    [['--round', '3'], /--round.*\noptions: --only .*--workloads .*--rounds .*--ms .*--out .*--list .*--help/],
    [['--rounds', '0'], /^--rounds must be a whole number above 0, not 0/],
    [['--ms', 'long'], /^--ms must be a whole number above 0, not long/],
    [['ws'], /ws.*\noptions: --only/]
  ]
  for (const [args, message] of refused) {
    it(`refuses ${args.join(' ')} with 2, and lists the right ones`, async () => {
      const { exited, output } = command(...args)
      assert.equal(await exited, 2)
      assert.match(output(), message)
    })
  }

  it('takes names and groups', async () => {
    const { exited, output } = command('--only', 'ws, it-grid', '--workloads', 'request-1,sizes', '--list')
    assert.equal(await exited, 0)
    const ids = [...output().matchAll(/^ {2}(\S+) /gm)].map(([, id]) => id)
    const sizes = ['request-0b', 'request-64b', 'request-512b', 'request-4k', 'request-64k', 'request-1m']
    assert.deepEqual(ids, ['it-grid', 'ws', 'request-1', ...sizes])
  })
})

describe('benchmarks: a run', { concurrency: 2 }, () => {
  it('measures what needs no package, says what a missing rival lacks, and writes its report', async () => {
    const out = join(folder, 'report')
    const entries = [...real('it-grid', 'ws', 'ws-batched', 'http2'), entry('missing', 'missing-contestant')]
    const ids = ['request-64', 'server-stream-64', 'echo-stream-64', 'latency', 'request-0b', 'request-4k']
    const { code, text, steps } = await run(entries, chosen(...ids), out)
    assert.equal(code, 0, text)
    assert.match(text, /^\| missing +\|( - +\|)+ cannot run: Cannot find package 'a-package-that-is-not-installed'/m)
    assert.doesNotMatch(text, new RegExp(root), 'a path of this machine')
    // Each with a warm-up and two rounds; the missing one is tried once for each workload.
    assert.equal(steps, ids.length * (4 * 3 + 1))
    const report = JSON.parse(await readFile(join(out, 'latest.json'), 'utf8'))
    assert.deepEqual(
      report.workloads.map(({ id }: Workload) => id),
      ids
    )
    for (const { contestants } of report.workloads) {
      assert.match(contestants.pop().cannotRun, /Cannot find package/)
      for (const { rounds, perSecond, cpuUs } of contestants) {
        assert.equal(rounds.length, 2)
        assert.ok(perSecond.median > 0 && cpuUs.median > 0)
      }
    }
    for (const name of ['ratios.svg', 'sizes.svg']) {
      const svg = await readFile(join(out, name), 'utf8')
      assert.match(svg, /^<svg [\s\S]*it-grid[\s\S]*<\/svg>\n$/)
      assert.doesNotMatch(svg, /NaN|undefined|Infinity/)
    }
  })

  it('fails as a whole when an answer differs, even that of a rival', async () => {
    const out = join(folder, 'wrong')
    const { code, text } = await run([faulty('flips-a-bit')], chosen('request-64'), out)
    assert.equal(code, 1)
    assert.match(
      text,
      /^A wrong answer, so nothing here counts: flips-a-bit, request-64: an answer of 512 bytes differs/m
    )
    assert.ok(!existsSync(out), 'figures that do not count were written')
  })

  it('goes on when the process of a rival dies, with new processes for its next workload', async () => {
    const entries = [faulty('dies-in-the-first-round'), faulty('does-not-listen'), faulty('does-all-right')]
    const { code, text } = await run(entries, chosen('server-stream-1', 'request-1'))
    assert.equal(code, 0, text)
    const died =
      /dies-in-the-first-round [ |-]+cannot run: its process ended with 7: TypeError: something of theirs is/g
    assert.equal(text.match(died)?.length, 1)
    assert.equal(text.match(/does-not-listen [ |-]+cannot run: the port is taken/g)?.length, 2)
    assert.equal(text.match(/does-all-right +\| [\d,]+ +\| [\d,]+-[\d,]+ /g)?.length, 2, text)
  })

  it('fails at its end when one of our own cannot run', async () => {
    const { code, text } = await run([faulty('does-not-listen', false)], chosen('request-1'))
    assert.equal(code, 1)
    assert.match(text, /lacks one of its own: does-not-listen in request-1/)
  })

  const children = (pid: number): string => `/proc/${pid}/task/${pid}/children`
  const skip = existsSync(children(process.pid)) ? false : 'this platform does not list the children of a process'
  it('leaves no process behind when it is interrupted', { skip, timeout: slowMs }, async () => {
    const { child, exited, output } = command('--only', 'ws', '--workloads', 'request-1', '--ms', '20000')
    const pids = (): number[] =>
      readFileSync(children(child.pid ?? 0), 'utf8')
        .trim()
        .split(' ')
        .map(Number)
    await until(() => pids().length >= 2 && output().includes('request-1'), 'both processes', slowMs)
    const started = pids()
    child.kill('SIGINT')
    assert.equal(await exited, 130)
    await until(() => !started.some((pid) => existsSync(`/proc/${pid}/cmdline`)), 'their end')
  })
})

describe('benchmarks: the check of streams', () => {
  const plans: readonly StreamPlan[] = [3, 5].map((first) => ({ bytes: 64, count: 4, first }))
  /** Streams one and two, message by message in turn, except for what `change` makes of it. */
  const check = (streamsBytes: boolean, change: (stream: number, i: number) => readonly number[] = (_, i) => [i]) =>
    checkStreams(plans, streamsBytes, async (_, take) => {
      for (let i = 0; i < 4; i++) {
        for (const [stream, { bytes, first }] of plans.entries()) {
          for (const index of change(stream, i)) take(stream, ringOf(bytes).at(first + index))
        }
      }
    })

  for (const streamsBytes of [false, true]) {
    const kind = streamsBytes ? 'bytes' : 'messages'
    it(`takes ${kind} that are all there and in order`, () => check(streamsBytes))

    it(`refuses ${kind} that are lost, doubled, swapped or on the wrong stream`, async () => {
      const differs = { name: 'WrongAnswer', message: /differ/ }
      const isShort = { name: 'WrongAnswer', message: /a stream of \d+ \w+ brought \d+/ }
      await assert.rejects(
        check(streamsBytes, (_, i) => (i === 3 ? [] : [i])),
        isShort
      )
      await assert.rejects(
        check(streamsBytes, (_, i) => (i === 1 ? [] : [i])),
        differs
      )
      await assert.rejects(
        check(streamsBytes, (_, i) => (i === 3 ? [3, 4] : [i])),
        isShort
      )
      await assert.rejects(
        check(streamsBytes, (_, i) => (i === 1 ? [1, 1] : [i])),
        differs
      )
      await assert.rejects(
        check(streamsBytes, (_, i) => (i < 2 ? [1 - i] : [i])),
        differs
      )
      await assert.rejects(
        check(streamsBytes, (stream, i) => (stream === 0 ? [i + 2] : [i])),
        differs
      )
    })
  }

  it('takes bytes in pieces of any size, over the end of the ring', async () => {
    const { whole } = ringOf(512)
    const plan = { bytes: 512, count: whole.length / 512, first: 7 }
    const inRow = Buffer.concat([whole.subarray(7 * 512), whole.subarray(0, 7 * 512)])
    await checkStreams([plan], true, async (_, take) => {
      for (let at = 0, step = 1; at < inRow.length; at += step, step = 1 + ((step * 7) % 5000)) {
        take(0, inRow.subarray(at, at + step))
      }
    })
  })
})

describe('benchmarks: figures', () => {
  const round = (perMs: number, cpuUs = 1): Round => ({
    operations: perMs * 100,
    elapsedMs: 100,
    cpuUs: perMs * 100 * cpuUs,
    serverCpuUs: 0
  })

  it('are ratios to the floor of the same round, and their median', () => {
    const [floor, other] = real('ws', 'http2') as [Entry, Entry]
    const [workload] = chosen('request-1') as [Workload]
    const outcomes = [
      { entry: floor, rounds: [round(10), round(20), round(40)] },
      { entry: other, rounds: [round(20, 2), round(60, 2), round(40, 2)] }
    ]
    const row = summarise({ workload, outcomes }).rows[1]
    assert.deepEqual(row?.measured?.ratio, { median: 2, min: 1, max: 3 })
    assert.deepEqual(row?.measured?.perSecond, { median: 40_000, min: 20_000, max: 60_000 })
    assert.deepEqual(row?.measured?.cpuRatio, { median: 2, min: 2, max: 2 })
  })

  it('have percentiles as one counts them', () => {
    const values = Array.from({ length: 200 }, (_, i) => 200 - i)
    assert.deepEqual([percentile(values, 0.99), percentile(values, 0.5), percentile([3], 0.99)], [198, 100.5, 3])
    assert.equal(percentile([2, 1, 9], 0.5), 2)
  })
})

describe('benchmarks: packages', () => {
  const read = (path: string) => JSON.parse(readFileSync(join(root, path), 'utf8'))

  it('have the ws that it-grid has, or the floor would be another one', () => {
    const version = (lock: string) => read(lock).packages['node_modules/ws'].version
    assert.equal(version('benchmarks/package-lock.json'), version('package-lock.json'))
  })

  it('are locked without the address of a registry', () => {
    assert.ok(!readFileSync(join(root, 'benchmarks/package-lock.json'), 'utf8').includes('"resolved"'))
  })
})
