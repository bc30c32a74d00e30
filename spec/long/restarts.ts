/**
 * The restart loop: a server is killed with SIGKILL under load and restarted, many times, while this process calls it and
 * is called by it. Half of the times this process dials, half of the times it is dialed. Before that, rolling restarts: three
 * servers that call each other are closed and started again, one after the other, and no call may be lost.
 *
 *     node --import tsx spec/long/restarts.ts --rolling 20 --restarts 1000 --seed 1
 */

import { optionsOf } from '../../benchmarks/harness/arguments.ts'
import { number, table } from '../../benchmarks/harness/table.ts'
import { type RestartLoopFacts, restartLoop } from '../support/calls/restart-loop.ts'
import { rollingRestarts } from '../support/calls/rolling.ts'
import { errorStack } from '../support/errors.ts'
import { handlesText, leaks, megabytes } from '../support/grid/vitals.ts'

const { rolling, restarts, seed, workers } = optionsOf({
  rolling: 20,
  restarts: 1000,
  seed: Date.now() % 2 ** 31,
  workers: 8
})
/** As many as are told in one line of progress. */
const step = 50
const header = [
  'this process',
  'restarts told',
  'calls',
  'slowest to settle',
  'heap MB',
  'external MB',
  'handles',
  'files',
  'open streams'
]
let failures = 0

function rowOf(role: string, { restarts, told, outcomes, slowestSettleMs, start, end }: RestartLoopFacts): string[] {
  const calls = Object.values(outcomes).reduce((sum, count) => sum + count, 0)
  return [
    role,
    `${told} of ${restarts}`,
    `${number(calls, 0)}, ${number(outcomes.ok ?? 0, 0)} ok`,
    `${Math.round(slowestSettleMs)} ms`,
    `${megabytes(start.heapBytes)} > ${megabytes(end.heapBytes)}`,
    `${megabytes(start.externalBytes)} > ${megabytes(end.externalBytes)}`,
    `${handlesText(start)} > ${handlesText(end)}`,
    `${start.files} > ${end.files}`,
    `${start.streams} > ${end.streams}`
  ]
}

async function roll(): Promise<void> {
  const graceMs = 60_000
  const { closeMs, counts } = await rollingRestarts({ restarts: rolling, seed, graceMs })
  const sorted = [...closeMs].sort((a, b) => a - b)
  const slowestMs = sorted.at(-1) ?? 0
  const medianMs = sorted[Math.floor(sorted.length / 2)] ?? 0
  const header = ['rolling restarts', 'median close', 'slowest close', 'grace', ...Object.keys(counts)]
  const figures = [medianMs, slowestMs, graceMs].map((ms) => `${Math.round(ms)} ms`)
  const row = [number(rolling, 0), ...figures, ...Object.values(counts).map((count) => number(count, 0))]
  console.log(`${table(header, [row])}\n`)
  if (slowestMs > graceMs / 4) throw new Error(`a close took ${Math.round(slowestMs)} ms`)
}

console.log(`rolling: ${rolling}, restarts: ${restarts}, --seed ${seed}`)
await roll().catch((error) => {
  failures++
  console.log(`WRONG ${errorStack(error)}`)
})
for (const dials of [true, false]) {
  const role = dials ? 'dials' : 'is dialed'
  const half = Math.ceil(restarts / 2)
  const startedMs = performance.now()
  try {
    const facts = await restartLoop({
      restarts: half,
      warmUp: Math.min(20, half - 1),
      dials,
      seed,
      workers,
      onRestart(done) {
        const seconds = Math.round((performance.now() - startedMs) / 1000)
        if (done % step === 0) console.log(`this process ${role}: ${done} restarts in ${seconds} s`)
      }
    })
    console.log(`${table(header, [rowOf(role, facts)])}\n\ncalls: ${JSON.stringify(facts.outcomes)}\n`)
    const found = leaks(facts.start, facts.end)
    if (facts.told !== half) found.push(`${facts.told} of ${half} restarts were told`)
    for (const problem of found) console.log(`WRONG ${problem}`)
    failures += found.length
  } catch (error) {
    failures++
    console.log(`WRONG ${errorStack(error)}`)
  }
}
console.log(
  failures === 0 ? 'no call was lost, each restart was seen, every call settled, nothing leaked' : `FAILED ${failures}`
)
process.exitCode = failures === 0 ? 0 : 1
