/**
 * The model test for long: two managers under random schedules against the model of what each may see. A failure names
 * its seed; with `--schedules 1` the schedule of a seed is run with a log of all that happens.
 *
 *     node --import tsx spec/long/model.ts --schedules 100000 --seed 1
 */

import { optionsOf } from '../../benchmarks/harness/arguments.ts'
import { Sum } from '../support/model/sum.ts'

const defaults = { schedules: 100_000, seed: 1 + (Date.now() % 2 ** 31), minutes: 100_000 }
const { schedules, seed, minutes } = optionsOf(defaults)
const endMs = performance.now() + minutes * 60_000
const lines: string[] | undefined = schedules === 1 ? [] : undefined
/** As many as are told in one line of progress. */
const step = 5_000
const startedMs = performance.now()
const sum = new Sum()

console.log(`schedules: ${schedules}, --seed ${seed}`)
try {
  for (let number = seed; number < seed + schedules && performance.now() < endMs; number++) {
    await sum.run(number, lines).finally(() => {
      if (lines !== undefined) console.log(lines.join('\n'))
    })
    const seconds = Math.round((performance.now() - startedMs) / 1000)
    if (sum.schedules % step === 0) console.log(`${sum.schedules} schedules in ${seconds} s`)
  }
  console.log(`\n${sum.text()}\n\nno schedule broke a rule`)
} catch (error) {
  console.log(`\n${sum.text()}\n\nFAILED: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
}
