/** When, on what and under which load the figures were taken, for the last line of what a benchmark prints. */

import { loadavg } from 'node:os'
import { describeMachine } from '../machine.ts'

/** Call it at the end: the load is that of the last 1, 5 and 15 minutes. */
export function machine(): string {
  const { cpu, cores, memoryGiB, platform, node, date, commit } = describeMachine()
  const load = loadavg().map((minutes) => minutes.toFixed(1))
  return `${date}, commit ${commit}, Node ${node}, ${platform}, ${cores} cores (${cpu}), ${memoryGiB} GiB, load ${load.join(' ')}`
}
