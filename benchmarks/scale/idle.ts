/**
 * What connections cost that carry no call: the CPU of a mesh of 32 processes, which is pings and what wakes them up.
 *
 * Other builds, the folders of `--against`, have their turn in each round.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { optionsOf } from '../harness/arguments.ts'
import { number, table } from '../harness/table.ts'
import { meshOf } from './members.ts'

const { processes: size, seconds, rounds, against } = optionsOf({ processes: 32, seconds: 20, rounds: 3, against: '' })
const ends = size * (size - 1)
/** What remains of the start is over: garbage, and the compiler. */
const settleMs = 30_000

/** Percent of a core. */
async function idleShare(library: string): Promise<number> {
  const mesh = await meshOf(size, library)
  try {
    await mesh.untilWhole()
    await delay(settleMs)
    const usedUs = async () => {
      const each = await Promise.all(Array.from(mesh.members.values(), (member) => member.ask('cpu')))
      return each.reduce((sum, us) => sum + us)
    }
    const [beforeUs, startMs] = [await usedUs(), performance.now()]
    await delay(seconds * 1000)
    return ((await usedUs()) - beforeUs) / (performance.now() - startMs) / 10
  } finally {
    await mesh.stop()
  }
}

const builds = ['', ...against.split(',').filter(Boolean)]
const rows = builds.map((library) => [library || 'this'])
for (let round = 0; round < rounds; round++) {
  for (const [index, library] of builds.entries()) rows[index]?.push(number(await idleShare(library)))
}
const header = ['build', ...Array.from({ length: rounds }, (_, round) => `round ${round + 1}`)]
console.log(`${size} processes, ${ends} ends of connections, no call; percent of a core in each round of ${seconds} s`)
console.log(table(header, rows))
