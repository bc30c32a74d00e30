/**
 * The memory bound with as many hostile peers as one likes, against one manager, beside two honest ones.
 *
 *     node --import tsx spec/long/memory-bound.ts --peers 200 --processes 4 --seconds 10
 */

import { optionsOf } from '../../benchmarks/harness/arguments.ts'
import { tinyLimits } from '../support/memory/bound.ts'
import { crowd, crowdTable } from '../support/memory/crowd.ts'

const { peers, processes, seconds, every } = optionsOf({ peers: 200, processes: 4, seconds: 10, every: 10 })

const result = await crowd({
  peers,
  processes,
  limits: tinyLimits,
  everyMs: every,
  forMs: 1000 * seconds
})
console.log(crowdTable(result, peers))
const { alone, attacked, heldBytes, boundBytes } = result
const problems = [...alone.failures, ...attacked.failures]
if (attacked.answered < attacked.calls) problems.push(`${attacked.calls - attacked.answered} honest calls failed`)
if (attacked.perSecond < alone.perSecond / 3) problems.push('honest peers get less than a third of their rate')
if (heldBytes > boundBytes) problems.push('more is held than the page allows')
for (const problem of problems) console.error(problem)
process.exitCode = problems.length === 0 ? 0 : 1
