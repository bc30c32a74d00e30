/** Adds up what schedules report; throws at the first one that broke a rule. */

import { type Result, runSchedule } from './driver.ts'
import { type Figures, newFigures } from './world.ts'

export interface Sum {
  readonly figures: Figures
  schedules: number
  /** @throws when the schedule of `seed` broke a rule, with how to see it again */
  add(seed: number, result: Result): void
  /** A line for each figure. */
  text(): string
}

/** Runs so many schedules, of every second seed from `first` on: so all of them have faults, or none has. */
export async function runSchedules(first: number, count: number): Promise<Sum> {
  const sum = newSum()
  for (let number = first; number < first + 2 * count; number += 2) sum.add(number, await runSchedule(number))
  return sum
}

export function newSum(): Sum {
  const figures = newFigures()
  const slowest = { seed: 0, ms: 0 }
  return {
    figures,
    schedules: 0,
    add(seed, { figures: added, error, ms }) {
      if (error !== undefined) {
        const replay = `node --import tsx spec/long/model.ts --schedules 1 --seed ${seed}`
        throw new Error(`the schedule of seed ${seed} broke a rule: ${error.message}\nsee it again: ${replay}`)
      }
      this.schedules++
      if (ms > slowest.ms) Object.assign(slowest, { seed, ms })
      for (const name of ['calls', 'messages', 'cancels', 'deadlines', 'renewals'] as const)
        figures[name] += added[name]
      for (const fault of Object.keys(figures.faults) as (keyof Figures['faults'])[]) {
        figures.faults[fault] += added.faults[fault]
      }
    },
    text() {
      const { faults, ...counts } = figures
      const rows = { schedules: this.schedules, ...counts, ...faults }
      const lines = Object.entries(rows).map(([name, count]) => `${name.padEnd(12)}${String(count).padStart(10)}`)
      return [...lines, `the slowest schedule is that of seed ${slowest.seed}: ${slowest.ms.toFixed(0)} ms`].join('\n')
    }
  }
}
