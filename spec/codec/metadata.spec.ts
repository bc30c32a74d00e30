/**
 * Metadata as bytes: a map of short texts has a way of its own, which nobody may notice but by its speed.
 *
 * The other way, which all else takes, is written down here once more, as slow as it is. Both must come to the same.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import { checkMetadata, decodeMetadata, encodeMetadata, type Metadata } from '../../lib/codec/metadata.ts'
import { encodePayload } from '../../lib/codec/payload.ts'
import { CodecError, type GridError } from '../../lib/errors/errors.ts'
import { decodeMsgpack, encodeMsgpack } from '../../lib/msgpack/msgpack.ts'
import { decodeTexts, encodeTexts } from '../../lib/msgpack/texts.ts'
import { oneOf, rounds, wholeBelow } from '../support/random.ts'

type Random = () => number

const values = ['string', 'number', 'boolean', 'bigint']

function encodeSlowly(metadata: Metadata): Uint8Array {
  checkMetadata(metadata)
  return encodePayload<unknown>({ encode: encodeMsgpack, decode: decodeMsgpack }, metadata, 'metadata', 'notSent')
}

function decodeSlowly(bytes: Uint8Array): unknown {
  const decoded = decodeMsgpack(bytes) as object
  const isMap = typeof decoded === 'object' && decoded !== null && Object.getPrototypeOf(decoded) === Object.prototype
  const isPlain = (value: unknown) => value === null || value instanceof Uint8Array || values.includes(typeof value)
  if (isMap && Object.values(decoded).every(isPlain)) return decoded
  throw new CodecError('the metadata of the call is not a map of plain values')
}

/** What it comes to: a value, or the code, the delivery and the text of an error. */
function outcome<T>(work: () => T): unknown {
  try {
    return { value: work() }
  } catch (error) {
    const { code, delivery, message } = error as GridError
    return { code, delivery, message }
  }
}

/** No encoder writes the name that is made of it. */
const hidden = '--proto--'
const names = [
  'traceparent',
  'tenant',
  '',
  '0',
  '7',
  'constructor',
  'toJSON',
  'toString',
  'size',
  'length',
  'then',
  'ä',
  hidden
]
const lengths = [0, 1, 2, 15, 31, 32, 33, 55, 63, 64, 65, 127, 128, 255, 256, 257, 300]

function randomText(random: Random, longest = 300): string {
  const text = 'a'.repeat(Math.min(longest, oneOf(random, lengths)))
  const odd = oneOf(random, ['', '', '', '\u007f', '\0', '\n', '\u0080', 'é', '€', '😀', '\ud800', '\ufeff'])
  const at = wholeBelow(random, text.length + 1)
  return text.slice(0, at) + odd + text.slice(at)
}

function randomValue(random: Random): unknown {
  if (random() < 0.85) return randomText(random)
  const bytes = Buffer.alloc(wholeBelow(random, 40), 7)
  return oneOf(random, [
    0,
    -1,
    0.5,
    2 ** 40,
    2n ** 63n,
    true,
    false,
    null,
    undefined,
    bytes,
    Number.NaN,
    -0,
    () => 1,
    {}
  ])
}

function randomMetadata(random: Random): Metadata {
  const metadata: Record<string, unknown> = random() < 0.1 ? Object.create(null) : {}
  for (let left = oneOf(random, [0, 1, 1, 2, 4, 14, 15, 16, 17, 40]); left > 0; left--) {
    const name = random() < 0.5 ? oneOf(random, names) : `${randomText(random)}${left}`
    metadata[name] = randomValue(random)
  }
  return metadata as Metadata
}

/** Bytes of metadata, and often with something wrong in them. */
function randomBytes(random: Random): Uint8Array {
  const texts: Record<string, string> = {}
  for (let left = wholeBelow(random, 5); left > 0; left--) {
    texts[random() < 0.5 ? oneOf(random, names) : randomText(random, 40)] = randomText(random, 70)
  }
  const encoded = Buffer.from(encodeMsgpack(texts)).toString('latin1')
  let bytes: Buffer = Buffer.from(random() < 0.5 ? encoded.replace(hidden, '__proto__') : encoded, 'latin1')
  for (let left = oneOf(random, [0, 0, 1, 1, 2, 4]); left > 0; left--) {
    const at = wholeBelow(random, bytes.length)
    const byte = oneOf(random, [
      0x80,
      0x81,
      0x8f,
      0xa0,
      0xa1,
      0xbf,
      0xc0,
      0xd9,
      0xda,
      0x61,
      0xff,
      wholeBelow(random, 256)
    ])
    const length = oneOf(random, [0, 1])
    bytes = Buffer.concat([bytes.subarray(0, at), Buffer.of(byte), bytes.subarray(at + length)])
  }
  return random() < 0.2 ? bytes.subarray(0, wholeBelow(random, bytes.length + 1)) : bytes
}

describe('metadata', () => {
  it('is the same bytes whichever way it takes, or the same error', () => {
    let short = 0
    rounds(20_000, (random) => {
      const metadata = randomMetadata(random)
      const before = { ...metadata }
      const expected = outcome(() => Buffer.from(encodeSlowly(metadata)))
      assert.deepEqual(
        outcome(() => Buffer.from(encodeMetadata(metadata, 1e6) as Uint8Array)),
        expected
      )
      if (encodeTexts(metadata) !== undefined) short++
      assert.deepEqual({ ...metadata }, before)
    })
    assert.ok(short > 500, `${short} took the short way`)
  })

  it('is read as the same from whatever bytes, its keys in the same order, or refused with the same error', () => {
    let short = 0
    rounds(40_000, (random) => {
      const bytes = randomBytes(random)
      const copy = Buffer.from(bytes)
      const read = outcome(() => decodeMetadata(bytes))
      const expected = outcome(() => decodeSlowly(bytes))
      assert.deepEqual(read, expected)
      assert.equal(inspect(read), inspect(expected))
      assert.deepEqual(bytes, copy)
      if (decodeTexts(bytes) !== undefined) short++
    })
    assert.ok(short > 500, `${short} took the short way`)
  })

  it('is read from a view that is no Buffer, and is no part of it', () => {
    const bytes = new Uint8Array(100).fill(0x61)
    bytes.set(encodeMsgpack({ tenant: 'acme' }), 20)
    const metadata = decodeMetadata(bytes.subarray(20, 33))
    bytes.fill(0)
    assert.deepEqual(metadata, { tenant: 'acme' })
  })

  it('that cannot be read, or is none, is refused as ever', () => {
    const throwing = Object.defineProperty({}, 'a', { enumerable: true, get: () => assert.fail('not to be told') })
    const tagged = { a: 'b', [Symbol.toStringTag]: 'Map' }
    const given: unknown[] = [throwing, tagged, null, 5, 'text', [], ['a'], new Map(), () => 1, new Date(), 5n]
    class Instance {
      own = 'text'
    }
    given.push(new Instance(), Object.create({ inherited: 'text' }), JSON.parse('{"__proto__":"x"}'))
    given.push(new Proxy({ a: 'b' }, {}), new Proxy({}, { ownKeys: () => assert.fail('not to be told') }))
    for (const each of given as Metadata[]) {
      const expected = outcome(() => Buffer.from(encodeSlowly(each)))
      assert.deepEqual(
        outcome(() => Buffer.from(encodeMetadata(each, 1e6) as Uint8Array)),
        expected
      )
    }
  })

  it('with more bytes than the peer accepts is refused whichever way it takes', () => {
    const refused = { code: 'ERR_INVALID_OPTION', delivery: 'notSent', message: /has 13 bytes; .* at most 12/ }
    assert.throws(() => encodeMetadata({ tenant: 'acme' }, 12), refused)
    assert.equal(encodeMetadata({ tenant: 'acme' }, 13)?.length, 13)
  })

  it('with a getter that gives a rejected promise each time ends no process', async () => {
    const metadata = Object.defineProperty({}, 'a', { enumerable: true, get: () => Promise.reject(new Error('no')) })
    assert.throws(() => encodeMetadata(metadata, 1e6), { code: 'ERR_INVALID_OPTION', delivery: 'notSent' })
    await new Promise(setImmediate)
  })
})
