/**
 * The arguments of a lock: what it costs to read and write them as lines, JSON, msgpack and a tuple, and what it costs to
 * take a read lock at another server and to give it back, of which the reading is a part.
 *
 * Times are CPU, in short rounds that are interleaved between all forms and the round trips, each in a process of its own,
 * so that a slow moment of the machine comes to all of them; only one of them at a time has something to do. After some
 * rounds all processes are replaced: what V8 makes of the code differs from process to process. Bytes are exact and taken
 * once. Each form is seen to bring all arguments through, in each process, before it is measured.
 * `--processes one` has all forms in one process: quick, to see that it runs, and not for figures.
 */

import { optionsOf, refuse } from './harness/arguments.ts'
import { libraryAt, libraryIn } from './harness/library.ts'
import { machine } from './harness/machine.ts'
import { type Cost, costsOf, startPieces } from './harness/pieces/costs.ts'
import { median } from './harness/statistics.ts'
import { measureRoundTrips, type RoundTrips, roundTripTable, startServers } from './locks/round-trips.ts'
import * as coding from './micro/lock-args/forms.ts'
import { aimText, codingTable, type Measured } from './micro/lock-args/report.ts'

const given = optionsOf({ generations: 4, rounds: 10, ms: 50, warmup: 50_000, processes: 'each', library: '' })
const { generations, rounds, ms, warmup: warmUpOperations, processes } = given
if (!['each', 'one'].includes(processes)) refuse(`--processes must be each or one, not ${processes}`)
const library = libraryAt(given.library)

const suite = { library, module: new URL('./micro/lock-args/forms.ts', import.meta.url), warmUpOperations }
const names = coding.pieces.map(({ name }) => name)
/** What shares a process. */
const groups = processes === 'one' ? [names] : names.map((name) => [name])
/** Nanoseconds of CPU per operation of each piece, in each round. */
const times = new Map<string, number[]>(names.map((name) => [name, []]))
const roundTrips: RoundTrips[] = []
const costs = new Map<string, Cost>()

async function measureGeneration(): Promise<void> {
  const coders = groups.map((group) => ({ group, child: startPieces(suite) }))
  for (const { group, child } of coders) {
    for (const name of group) await child.ask('prepare', name)
  }
  const servers = await startServers(library, warmUpOperations)
  for (let round = 1; round <= rounds; round++) {
    console.error(`round ${round} of ${rounds}`)
    for (const { group, child } of coders) {
      for (const name of group) times.get(name)?.push(await child.ask('time', { name, ms }))
    }
    roundTrips.push(await measureRoundTrips(servers, ms))
  }
  await Promise.all([servers.close(), ...coders.map(({ child }) => child.stop())])
}

for (let generation = 1; generation <= generations; generation++) {
  console.error(`processes ${generation} of ${generations}`)
  await measureGeneration()
}
for (const group of groups) {
  console.error(`memory: ${group.join(', ')}`)
  for (const [index, cost] of (await costsOf(suite, group)).entries()) costs.set(group[index] as string, cost)
}

const grid = await libraryIn(library)('index')

function measured(form: coding.Form, piece: string, how: string): Measured {
  const cost = costs.get(piece) as Cost
  return { name: form.name, how, sizeBytes: form.sizeBytes(grid), times: times.get(piece) ?? [], cost }
}

const decoded = coding.forms.map((form) => measured(form, coding.decodePiece(form), form.reading))
const encoded = coding.forms.flatMap((form) =>
  form.writing ? [measured(form, coding.encodePiece(form), form.writing)] : []
)
const decodedAs = (name: string) => decoded.find((each) => each.name === name) as Measured
const [ours, old] = [decodedAs(coding.tuple), decodedAs(coding.readline)]
const bases = [coding.readline, coding.jsonOfBytes]
const twiceUs = ({ times }: Measured) => (2 * median(times)) / 1000
const x = 'x: so many times as fast, median of the rounds (of the least of each)'
const aims = [
  aimText('tuple, at least 5.5 times as fast as readline', ours, old, 5.5),
  aimText('tuple, faster than JSON.parse of bytes', ours, decodedAs(coding.jsonOfBytes), 1),
  aimText('tuple beside a readline that is shared, no aim', ours, decodedAs(coding.sharedReadline))
]

console.log(`${generations} times ${rounds} rounds of ${ms} ms. ${x}\n`)
console.log(codingTable(decoded, bases, 'decode'))
console.log(`\n${codingTable(encoded, bases, 'encode')}`)
console.log('\nrlock and runlock at the other server, one round trip, both with the tuple:\n')
console.log(roundTripTable(roundTrips, twiceUs(ours), twiceUs(old)))
console.log(`\n${aims.join('\n')}\n\n${machine()}`)
