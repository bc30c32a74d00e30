/** Adds up what schedules report; throws at the first one that broke a rule. */

import { runSchedule } from './driver.ts'
import { newFigures } from './world.ts'

export class Sum {
  readonly figures = newFigures()
  schedules = 0
  #slowest = { seed: 0, ms: 0 }

  /**
   * Runs the schedule of `seed`; `lines` get what happens, where that is asked for.
   *
   * @throws when it broke a rule, with how to see it again
   */
  async run(seed: number, lines?: string[]): Promise<void> {
    const { error, ms } = await runSchedule(seed, this.figures, lines)
    if (error !== undefined) {
      const replay = `node --import tsx spec/long/model.ts --schedules 1 --seed ${seed}`
      throw new Error(`the schedule of seed ${seed} broke a rule: ${error.message}\nsee it again: ${replay}`)
    }
    this.schedules++
    if (ms > this.#slowest.ms) this.#slowest = { seed, ms }
  }

  /** A line for each figure. */
  text(): string {
    const { faults, ...counts } = this.figures
    const rows = { schedules: this.schedules, ...counts, ...faults }
    const lines = Object.entries(rows).map(([name, count]) => `${name.padEnd(12)}${String(count).padStart(10)}`)
    const { seed, ms } = this.#slowest
    return [...lines, `the slowest schedule is that of seed ${seed}: ${ms.toFixed(0)} ms`].join('\n')
  }
}

/** Runs so many schedules, of every second seed from `first` on: so all of them have faults, or none has. */
export async function runSchedules(first: number, count: number): Promise<Sum> {
  const sum = new Sum()
  for (let number = first; number < first + 2 * count; number += 2) await sum.run(number)
  return sum
}
