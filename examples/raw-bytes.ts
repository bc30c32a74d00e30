/**
 * The raw level: the caller names a handler by a string, and all values are `Uint8Array`s. There is no codec, and a large
 * payload is copied only once, so that it is yours.
 *
 * Run it: `node --import tsx examples/raw-bytes.ts`
 */

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { bytes, streaming } from '../lib/index.ts'
import { startPair } from './start-pair.ts'

const { one, two, close } = await startPair()

two.handle('sha256', (payload) => createHash('sha256').update(payload).digest())
// A raw stream is registered with the bytes codec. The caller needs only its id.
const raw = { payload: bytes(), request: bytes(), response: bytes(), outCapacity: 4 }
const chunks = streaming<Uint8Array, Uint8Array, Uint8Array>('xor', { ...raw, inCapacity: 4 })
two.handle(chunks, async function* ([key = 0], blocks) {
  for await (const block of blocks) yield block.map((byte) => byte ^ key)
})
// The same id may be registered again under a subroute, for example one for each disk of a server.
two.handle('sha256', () => Buffer.from('of disk 1'), { subroute: 'disk-1' })

const peer = one.connection(two.local)
await peer.waitForConnect()

const payload = randomBytes(1_000_000)
const digest = await peer.request('sha256', payload)
const expected = createHash('sha256').update(payload).digest()
console.log(`1,000,000 bytes sent, their SHA-256 came back: ${hex(digest).slice(0, 16)}…`)
assert.equal(hex(digest), hex(expected))

const stream = peer.newStream('xor', Uint8Array.of(0xff))
for (const block of [Uint8Array.of(1, 2), Uint8Array.of(3)]) await stream.send(block)
stream.requests.end()
const answers: string[] = []
for await (const block of stream) answers.push(hex(block))
console.log(`blocks 0102 and 03 went out, ${answers.join(' and ')} came back`)
assert.deepEqual(answers, ['fefd', 'fc'])

const ofDisk = await peer.subroute('disk-1').request('sha256')
console.log(`the handler with the same id under a subroute: "${Buffer.from(ofDisk)}"`)
assert.equal(Buffer.from(ofDisk).toString(), 'of disk 1')

await close()
console.log('done: both servers are closed')

function hex(data: Uint8Array): string {
  return Buffer.from(data).toString('hex')
}
