/**
 * The fuzzers of `spec/random/fuzz.spec.ts`, with as many inputs as one has time for.
 *
 *     node --import tsx spec/long/fuzz.ts --inputs 10000000 --seed 1 --only frames,msgpack,hello
 *
 * Inputs are shared out by `spec/support/fuzz/fuzzers.ts`; with `--minutes` it stops in time, with what was done by then.
 */

import { Worker } from 'node:worker_threads'
import { optionsOf, selectionOf } from '../../benchmarks/harness/arguments.ts'
import { type FuzzReport, fuzz, outcomeTable } from '../support/fuzz/fuzz.ts'
import { type FuzzerName, fuzzers, shares } from '../support/fuzz/fuzzers.ts'

const given = optionsOf({ inputs: 10_000_000, seed: Date.now() % 2 ** 31, only: '', minutes: 100_000 })
const { seed } = given
const names = selectionOf(given.only, Object.keys(shares)) as FuzzerName[]
const allShares = names.reduce((sum, name) => sum + shares[name], 0)
const progressMs = 30_000
const maxShownOutcomes = 40
const slackBytes = 4 * 1024 * 1024

/**
 * What an input that never ends leaves no one to report: a thread that prints the last one and ends the process.
 * It writes by itself, as the output of a worker goes through the thread that hangs.
 */
const maxWatchedBytes = 1024 * 1024
const watched = new SharedArrayBuffer(8 + maxWatchedBytes)
const counts = new Int32Array(watched, 0, 2)
const lastInput = new Uint8Array(watched, 8)
const watchdog = new Worker(
  `const { workerData } = require('node:worker_threads')
   const { writeSync } = require('node:fs')
   const counts = new Int32Array(workerData, 0, 2)
   let before = -1
   setInterval(() => {
     const now = Atomics.load(counts, 0)
     if (now === before && now !== 0) {
       const hex = Buffer.from(new Uint8Array(workerData, 8, counts[1])).toString('hex')
       writeSync(2, 'input ' + now + ' does not end: ' + hex + '\\n')
       process.kill(process.pid, 'SIGKILL')
     }
     before = now
   }, 30000)`,
  { eval: true, workerData: watched }
)
watchdog.unref()

function onInput(bytes: Uint8Array): void {
  const length = Math.min(bytes.length, maxWatchedBytes)
  counts[1] = length
  lastInput.set(bytes.subarray(0, length))
  Atomics.add(counts, 0, 1)
}

async function run(name: FuzzerName): Promise<FuzzReport> {
  const part = shares[name] / allShares
  const inputs = Math.round(given.inputs * part)
  const maxMs = given.minutes * 60_000 * part
  const startMs = performance.now()
  let saidMs = startMs
  return await fuzz({
    name,
    fuzzer: fuzzers[name],
    inputs,
    seed,
    isOver: () => performance.now() - startMs > maxMs,
    onInput,
    onProgress(done) {
      const now = performance.now()
      if (now - saidMs < progressMs) return
      saidMs = now
      const { heapUsed, external } = process.memoryUsage()
      const rate = Math.round((done / (now - startMs)) * 1000)
      console.log(`${name}: ${done} of ${inputs} inputs, ${rate} a second, ${mib(heapUsed + external)} in use`)
    }
  })
}

function show(name: string, report: FuzzReport): void {
  const { inputs, seconds, heldEarly, heldLate } = report
  const rows = outcomeTable(report)
  console.log(`\n${name}: ${inputs} inputs in ${Math.round(seconds)} s, ${Math.round(inputs / seconds)} a second`)
  console.log(`held after the first tenth ${mib(heldEarly)}, at the end ${mib(heldLate)}`)
  for (const [outcome, count] of rows.slice(0, maxShownOutcomes))
    console.log(`${String(count).padStart(10)}  ${outcome}`)
  const others = rows.slice(maxShownOutcomes)
  const rest = others.reduce((sum, [, count]) => sum + count, 0)
  if (rest > 0) console.log(`${String(rest).padStart(10)}  in ${others.length} other ways`)
}

function mib(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}

console.log(`seed ${seed}`)
try {
  for (const name of names) {
    const report = await run(name)
    show(name, report)
    if (report.heldLate - report.heldEarly > slackBytes) throw new Error(`${name}: the heap has grown`)
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
