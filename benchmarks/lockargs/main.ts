/**
 * The arguments of a lock: what it costs to read and write them as lines, JSON, msgpack and a tuple, and what it costs to
 * take a read lock at another server and to give it back, of which the reading is a part.
 *
 * Times are CPU, in short rounds that are interleaved between all forms and the round trips, each in a process of its own.
 * Bytes are exact and taken once. Each form is seen to bring all arguments through, in each process, before it is measured.
 * `--processes one` has all forms in one process: quick, to see that it runs, and not for figures.
 */

import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { countOf, optionsOf, refuse } from '../harness/arguments.ts'
import { builtLibrary, checkLibrary, libraryIn } from '../harness/library.ts'
import { machine } from '../harness/machine.ts'
import { type Cost, costsOf, type Suite } from '../harness/processes.ts'
import type { Form } from './form.ts'
import { decodePiece, encodePiece, forms, jsonOfBytes, pieces, readline, sharedReadline, tuple } from './forms.ts'
import { aimText, codingTable, type Measured, roundTripTable } from './report.ts'
import { measureRounds } from './rounds.ts'

const given = optionsOf({
  generations: '4',
  rounds: '10',
  ms: '50',
  warmup: '50000',
  processes: 'each',
  library: ''
})
const generations = countOf('generations', given.generations)
const rounds = countOf('rounds', given.rounds)
const ms = countOf('ms', given.ms)
const warmUpOperations = countOf('warmup', given.warmup)
if (!['each', 'one'].includes(given.processes)) refuse(`--processes must be each or one, not ${given.processes}`)
const library = given.library === '' ? builtLibrary : pathToFileURL(`${resolve(given.library)}/`)
try {
  checkLibrary(library)
} catch (error) {
  refuse(error instanceof Error ? error.message : String(error))
}

const suite: Suite = { module: new URL('./forms.ts', import.meta.url), warmUpOperations }
const names = pieces.map(({ name }) => name)
/** What shares a process. */
const groups = given.processes === 'one' ? [names] : names.map((name) => [name])
const plan = { library, generations, rounds, ms, warmUpOperations, groups }
const { times, roundTrips } = await measureRounds(plan, (text) => console.error(text))
const costs = new Map<string, Cost>()
for (const group of groups) {
  console.error(`memory: ${group.join(', ')}`)
  const taken = await costsOf(library, group, suite)
  for (const [index, name] of group.entries()) costs.set(name, taken[index] as Cost)
}

const grid = await libraryIn(library)('index')

function measured(form: Form, piece: string, how: string): Measured {
  const cost = costs.get(piece) as Cost
  return { name: form.name, how, sizeBytes: form.sizeBytes(grid), times: times.get(piece) ?? [], cost }
}

const decoded = forms.map((form) => measured(form, decodePiece(form), form.reading))
const encoded = forms.flatMap((form) =>
  form.writing === undefined ? [] : [measured(form, encodePiece(form), form.writing)]
)
const decodedAs = (name: string) => decoded.find((each) => each.name === name) as Measured
const [ours, old] = [decodedAs(tuple), decodedAs(readline)]

console.log(
  `${generations} times ${rounds} rounds of ${ms} ms. x: so many times as fast, median of the rounds (of the least of each)\n`
)
console.log(codingTable(decoded, [readline, jsonOfBytes], 'decode'))
console.log(`\n${codingTable(encoded, [readline, jsonOfBytes], 'encode')}`)
console.log('\nrlock and runlock at the other server, one round trip, both with the tuple:\n')
console.log(roundTripTable(roundTrips, ours, old))
console.log(`\n${aimText('tuple, at least 5.5 times as fast as readline', ours, old, 5.5)}`)
console.log(aimText('tuple, faster than JSON.parse of bytes', ours, decodedAs(jsonOfBytes), 1))
console.log(aimText('tuple beside a readline that is shared, no aim', ours, decodedAs(sharedReadline)))
console.log(`\n${machine()}`)
