/**
 * A stream can be the source of a pipeline, its sink, or a stage in its middle.
 *
 * Run it: `node --import tsx examples/pipeline.ts`
 */

import assert from 'node:assert/strict'
import batch from 'it-batch'
import map from 'it-map'
import { pipe, streaming } from '../lib/index.ts'
import { startPair } from './start-pair.ts'

const readings = streaming<{ count: number }, never, number>('readings', { inCapacity: 0 })
const store = streaming<{ name: string }, number[], { stored: number }>('store')
const square = streaming<void, number, number>('square')

const { one, two, close } = await startPair()

two.handle(readings, function* ({ count }) {
  for (let reading = 1; reading <= count; reading++) yield reading
})
const shelf = new Map<string, number[]>()
two.handle(store, async function* ({ name }, chunks) {
  const numbers: number[] = []
  for await (const chunk of chunks) numbers.push(...chunk)
  shelf.set(name, numbers)
  yield { stored: numbers.length }
})
// A handler may be a pipeline itself.
two.handle(square, (_payload, numbers) => map(numbers, (number) => number * number))

const peer = one.connection(two.local)
await peer.waitForConnect()

const sums = await pipe(
  peer.newStream(readings, { count: 10 }),
  (numbers) => batch(numbers, 4),
  (batches) => map(batches, sum),
  collect
)
console.log(`as the source: readings 1 to 10, added up in batches of 4: ${sums.join(', ')}`)
assert.deepEqual(sums, [10, 26, 19])

const upload = peer.newStream(store, { name: 'first' })
await pipe([[1, 2], [3], [4, 5, 6]], upload.sink)
const [receipt] = await collect(upload)
console.log(`as the sink: three chunks sent, ${receipt?.stored} numbers stored at the other server`)
assert.deepEqual(shelf.get('first'), [1, 2, 3, 4, 5, 6])

const squares = await pipe(
  [1, 2, 3],
  peer.newStream(square),
  (numbers) => map(numbers, (number) => `${number}`),
  collect
)
console.log(`in the middle: 1, 2, 3 went to the other server and came back as ${squares.join(', ')}`)
assert.deepEqual(squares, ['1', '4', '9'])

await close()
console.log('done: both servers are closed')

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

async function collect<T>(source: AsyncIterable<T> | Iterable<T>): Promise<T[]> {
  const values: T[] = []
  for await (const value of source) values.push(value)
  return values
}
