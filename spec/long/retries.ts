/**
 * The proof of retries by count: calls that are made again where they were certainly not sent, through any number of kills and
 * cuts. No handler may have run twice.
 *
 *     node --import tsx spec/long/retries.ts --kills 500 --cuts 500 --seed 1
 */

import { optionsOf } from '../../benchmarks/harness/arguments.ts'
import { proveRetries } from '../many/retry-proof.ts'

const given = optionsOf({ kills: 500, cuts: 500, seed: Date.now() % 2 ** 31, workers: 8 })
console.log(`seed ${given.seed}`)
const { twice, ...counts } = await proveRetries({
  ...given,
  onFault: (faults) => {
    if (faults % 50 === 0) console.log(`${faults} faults`)
  }
})
console.log(
  Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
)
console.log(`ran twice: ${twice.length}`)
for (const id of twice) console.log(`WRONG call ${id} ran twice`)
if (twice.length > 0) process.exitCode = 1
