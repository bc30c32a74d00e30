/**
 * The storms: two processes make as many calls on each other as the default limits allow, all of which end at one moment,
 * round after round, in every ordinary way there is. None of it may be taken for a flood.
 *
 *     node --import tsx spec/long/storms.ts --rounds 20
 */

import { optionsOf } from '../../benchmarks/harness/arguments.ts'
import { defaultLimits } from '../../lib/errors/options.ts'
import { addOutcomes } from '../support/calls/load.ts'
import { openStormPair } from '../support/calls/storm-pair.ts'
import { callsAtOnce, storms } from '../support/calls/storms.ts'

const { maxInboundStreams: streams, maxIdleFramesPerSecond: frames } = defaultLimits
const given = optionsOf({ rounds: 20, streams, frames, only: '' })
const limits = { maxInboundStreams: given.streams, maxIdleFramesPerSecond: given.frames }
let failures = 0

for (const name of Object.keys(storms).filter((each) => each.includes(given.only))) {
  await using pair = await openStormPair(limits)
  const startedMs = performance.now()
  const sum: Record<string, number> = {}
  for (let round = 1; round <= given.rounds; round++) {
    const outcomes = await pair.round(name)
    addOutcomes(sum, outcomes)
    const found = pair.problems(name, outcomes)
    for (const problem of found) console.log(`WRONG in round ${round}: ${problem}`)
    failures += found.length
  }
  await pair.rest()
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(0)
  const calls = callsAtOnce(name, limits.maxInboundStreams)
  console.log(`${name}: ${given.rounds} rounds of ${calls} calls each way in ${seconds} s: ${JSON.stringify(sum)}`)
}
console.log(failures === 0 ? 'no storm was taken for a flood' : `FAILED ${failures}`)
process.exitCode = failures === 0 ? 0 : 1
