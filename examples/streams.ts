/**
 * Streams between two servers: a conversation in both directions, a window that stops a generator, a `break`.
 *
 * Run it: `node --import tsx examples/streams.ts`
 */

import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { streaming } from '../lib/index.ts'
import { startPair } from './start-pair.ts'

/** A payload, then words in and words out, with a window of 2 words in each direction. */
const shout = streaming<{ mark: string }, string, string>('shout', { inCapacity: 2, outCapacity: 2 })
/** No requests after the payload: `never` in the type, 0 as the capacity. Responses may be 8 ahead of the consumer. */
const primes = streaming<{ from: number }, never, number>('primes', { inCapacity: 0, outCapacity: 8 })

const { one, two, close } = await startPair()

two.handle(shout, async function* ({ mark }, words) {
  let count = 0
  for await (const word of words) {
    count += 1
    yield `${word.toUpperCase()}${mark}`
  }
  // The caller has ended its half. The half of the handler is still open.
  yield `(${count} words)`
})

let found = 0
const ended = new EventEmitter()
two.handle(primes, function* ({ from }) {
  try {
    for (let number = from; ; number++) {
      if (!isPrime(number)) continue
      found += 1
      yield number
    }
  } finally {
    ended.emit('ended')
  }
})
two.handle('echo', (payload) => payload)

const peer = one.connection(two.local)
await peer.waitForConnect()

console.log('A conversation: two words in, then their end.')
const talk = peer.newStream(shout, { mark: '!' })
await talk.send('hello')
await talk.send('grid')
talk.requests.end()
const heard: string[] = []
for await (const word of talk) heard.push(word)
console.log(`  heard: ${heard.join(' ')}; then the stream ${(await talk.closed).how}`)
assert.deepEqual(heard, ['HELLO!', 'GRID!', '(2 words)'])

console.log('A generator that never ends, and a consumer that takes three values and pauses.')
const generatorEnded = once(ended, 'ended')
const taken: number[] = []
for await (const prime of peer.newStream(primes, { from: 1_000_000 })) {
  taken.push(prime)
  if (taken.length < 3) continue
  // While it pauses, 100 requests are answered on the same connection: enough time to run ahead, if that were possible.
  for (let count = 0; count < 100; count++) await peer.request('echo')
  console.log(`  taken: ${taken.join(', ')}; the remote generator found ${found}, it may find 3 + 8`)
  assert.ok(found <= 3 + primes.outCapacity)
  break
}
await generatorEnded
console.log('  break: the remote generator has ended, its finally block has run')

await close()
console.log('done: both servers are closed')

function isPrime(number: number): boolean {
  for (let divisor = 2; divisor * divisor <= number; divisor++) if (number % divisor === 0) return false
  return true
}
