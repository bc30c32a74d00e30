/**
 * The proof of the locks, for as many rounds as one has time for: five server processes, clients in each, faults all the
 * time, and the log of all holders judged at the end.
 *
 *     node --import tsx spec/long/locks.ts --rounds 100000 --seed 1
 */

import { optionsOf } from '../../benchmarks/harness/arguments.ts'
import { proveLocks } from '../support/locks/proof.ts'

const defaults = { rounds: 100_000, seed: Date.now() % 2 ** 31, servers: 5, clients: 4, ttl: 2000 }
const { ttl: ttlMs, ...given } = optionsOf(defaults)
const { seed } = given
console.log(`seed ${seed}`)

const { verdict, outcomes, faults, wrong, tookMs } = await proveLocks({
  ...given,
  ttlMs,
  progress: (text) => console.log(text)
})
const { writes, reads, shared, violations } = verdict
const of = (counts: Readonly<Record<string, number>>) =>
  Object.entries(counts)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ')
console.log(`\nrounds      ${of(outcomes)}, in ${Math.round(tookMs / 1000)} s`)
console.log(`inside      ${writes} writers, ${reads} readers, ${shared} of them beside other readers`)
console.log(`faults      ${of(faults)}`)
console.log(`violations  ${violations.length}`)
for (const text of [...violations, ...wrong]) console.log(`WRONG ${text}`)
if (violations.length > 0 || wrong.length > 0) process.exitCode = 1
