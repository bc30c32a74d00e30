/**
 * The model test for long: two managers under random schedules against the model of what each may see. A failure names
 * its seed; with `--schedules 1` the schedule of a seed is run with a log of all that happens.
 *
 *     node --import tsx spec/long/model.ts --schedules 100000 --seed 1
 */

import { optionsOf } from '../../benchmarks/harness/arguments.ts'
import { runSchedule } from '../support/model/driver.ts'
import { newSum } from '../support/model/sum.ts'

const defaults = { schedules: 100_000, seed: 1 + (Date.now() % 2 ** 31), minutes: 100_000 }
const { schedules, seed, minutes } = optionsOf(defaults)
const endMs = performance.now() + minutes * 60_000
const isLogged = schedules === 1
/** As many as are told in one line of progress. */
const step = 5_000
const startedMs = performance.now()
const sum = newSum()

console.log(`schedules: ${schedules}, --seed ${seed}`)
try {
  for (let number = seed; number < seed + schedules && performance.now() < endMs; number++) {
    const result = await runSchedule(number, isLogged)
    if (isLogged) console.log(result.lines.join('\n'))
    sum.add(number, result)
    const seconds = Math.round((performance.now() - startedMs) / 1000)
    if (sum.schedules % step === 0) console.log(`${sum.schedules} schedules in ${seconds} s`)
  }
  console.log(`\n${sum.text()}\n\nno schedule broke a rule`)
} catch (error) {
  console.log(`\n${sum.text()}\n\nFAILED: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
}
