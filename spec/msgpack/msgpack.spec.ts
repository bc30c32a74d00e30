/** What the codec carries, what it refuses to send, and that no bytes can make it do anything else. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runInNewContext } from 'node:vm'
import { CodecError } from '../../lib/errors/errors.ts'
import { decodeMsgpack, encodeMsgpack } from '../../lib/msgpack/msgpack.ts'
import { maxMsgpackDepth } from '../../lib/msgpack/plain.ts'
import { goingMemory, gone, oddBytes } from '../support/calls/hostile-values.ts'

const secretText = 'hunter2-hunter2'

function isCodecError(error: unknown): boolean {
  assert.ok(error instanceof CodecError, String(error))
  assert.doesNotMatch(error.message, /hunter2/)
  assert.equal(error.cause, undefined)
  return true
}

function refusesBytes(hex: string, message: string) {
  assert.throws(() => decodeMsgpack(Uint8Array.from(Buffer.from(hex, 'hex'))), { name: 'CodecError', message })
}

function nested(depth: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { a: value }
  return value
}

/** A small seeded generator: a failure can be repeated. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A bigint that a number holds exactly is decoded as one. */
function asDecoded(value: bigint): bigint | number {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value
}

function randomValue(random: () => number, depth: number): unknown {
  const pick = Math.floor(random() * (depth > 4 ? 9 : 11))
  const length = Math.floor(random() ** 4 * 300)
  if (pick === 0) return null
  if (pick === 1) return random() < 0.5
  if (pick === 2) return Math.floor((random() - 0.5) * 2 ** Math.floor(random() * 54))
  if (pick === 3) return random() * 1e9
  if (pick === 4)
    return asDecoded(BigInt.asIntN(64, BigInt(Math.floor(random() * 2 ** 52)) << BigInt(Math.floor(random() * 64))))
  if (pick === 5) return 'ab'.repeat(length)
  if (pick === 6) return 'ä€𝄞z'.repeat(length)
  if (pick === 7) return new Uint8Array(length).fill(length)
  if (pick === 8) return new Date(Math.floor((random() - 0.5) * 1e13))
  if (pick === 9) return Array.from({ length: length % 20 }, () => randomValue(random, depth + 1))
  const entries = Array.from({ length: length % 20 }, (_, i) => [`key ${i} ${pick}`, randomValue(random, depth + 1)])
  return Object.fromEntries(entries)
}

describe('encodeMsgpack and decodeMsgpack', () => {
  it('refuse to send bytes whose memory is gone, or that lie about how many they are', () => {
    const lying = Object.entries(oddBytes).flatMap(([what, make]) => (what.includes('length') ? [make()] : []))
    for (const bytes of [...Object.keys(goingMemory).map((how) => gone(how)), ...lying]) {
      for (const value of [bytes, [bytes], { deep: { bytes } }]) assert.throws(() => encodeMsgpack(value), isCodecError)
    }
    // What was encoded before is not among what is encoded next.
    assert.deepEqual(decodeMsgpack(encodeMsgpack([new Uint8Array(0)])), [new Uint8Array(0)])
  })

  it('carry plain values unchanged', () => {
    const values = [
      null,
      true,
      false,
      0,
      127,
      128,
      255,
      65_536,
      2 ** 32 - 1,
      2 ** 32,
      Number.MAX_SAFE_INTEGER,
      -1,
      -32,
      -33,
      -32_769,
      -(2 ** 31) - 1,
      0.1,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      2n ** 64n - 1n,
      -(2n ** 63n),
      2n ** 53n,
      -(2n ** 53n),
      '',
      'ascii',
      'ümläut €𝄞',
      '\ufeffwith a byte order mark',
      'x'.repeat(70_000),
      new Uint8Array([1, 2, 3]),
      new Uint8Array(70_000),
      new Date(0),
      new Date(-1),
      new Date(1_700_000_000_123),
      new Date(8.64e15),
      [],
      {},
      [1, [2, [3]]],
      { a: { b: [{ constructor: 'x', hasOwnProperty: 1, toString: 2 }] } },
      Array.from({ length: 70_000 }, (_, i) => i)
    ]
    for (const value of values) assert.deepEqual(decodeMsgpack(encodeMsgpack(value)), value)
  })

  it('carry 3,000 random values unchanged', () => {
    const random = seeded(1)
    for (let i = 0; i < 3000; i++) {
      const value = randomValue(random, 0)
      assert.deepEqual(decodeMsgpack(encodeMsgpack(value)), value)
    }
  })

  it('send integers within ±(2^53-1) as integers, in as few bytes as there are, and all other numbers as float 64', () => {
    const sent: [number | bigint, string][] = [
      [127, '7f'],
      [128, 'cc80'],
      [-33, 'd0df'],
      [2 ** 32 - 1, 'ceffffffff'],
      [-(2 ** 31), 'd280000000'],
      [2 ** 32, 'd30000000100000000'],
      [1_700_000_000_123, 'd30000018bcfe5687b'],
      [-(2 ** 31) - 1, 'd3ffffffff7fffffff'],
      [-(2 ** 40), 'd3ffffff0000000000'],
      [Number.MAX_SAFE_INTEGER, 'd3001fffffffffffff'],
      [Number.MIN_SAFE_INTEGER, 'd3ffe0000000000001'],
      [2 ** 53, 'cb4340000000000000'],
      [-(2 ** 53), 'cbc340000000000000'],
      [1e300, 'cb7e37e43c8800759c'],
      [-0, '00'],
      [0.5, 'cb3fe0000000000000'],
      [Number.NaN, 'cb7ff8000000000000'],
      [Number.NEGATIVE_INFINITY, 'cbfff0000000000000'],
      [5n, 'd30000000000000005'],
      [2n ** 64n - 1n, 'cfffffffffffffffff']
    ]
    const odd = { at: new Date(5), undefined, hole: [undefined], instance: new (class Odd extends Array {})() }
    for (const [value, hex] of sent) {
      assert.equal(Buffer.from(encodeMsgpack(value)).toString('hex'), hex, String(value))
      // Wherever it stands, and whatever stands beside it.
      for (const beside of [value, odd, 'x'.repeat(5000)]) {
        const bytes = Buffer.from(encodeMsgpack([{ beside, value }])).toString('hex')
        assert.ok(bytes.endsWith(`a576616c7565${hex}`), String(value))
      }
    }
  })

  it('read an integer of any format as a number within ±(2^53-1), and as a bigint beyond', () => {
    const formats: [number | bigint, string[]][] = [
      [7, ['07', 'cc07', 'cd0007', 'ce00000007', 'cf0000000000000007', 'd007', 'd10007', 'd200000007']],
      [7, ['d30000000000000007', 'ca40e00000', 'cb401c000000000000']],
      [-1, ['ff', 'd0ff', 'd1ffff', 'd2ffffffff', 'd3ffffffffffffffff', 'cabf800000', 'cbbff0000000000000']],
      [2 ** 40, ['cf0000010000000000', 'd30000010000000000', 'cb4270000000000000']],
      [-(2 ** 40) - 1, ['d3fffffeffffffffff']],
      [Number.MAX_SAFE_INTEGER, ['cf001fffffffffffff', 'd3001fffffffffffff']],
      [Number.MIN_SAFE_INTEGER, ['d3ffe0000000000001']],
      [2n ** 53n, ['cf0020000000000000', 'd30020000000000000']],
      [2n ** 53n + 1n, ['cf0020000000000001', 'd30020000000000001']],
      [-(2n ** 53n), ['d3ffe0000000000000']],
      [2n ** 63n, ['cf8000000000000000']],
      [-(2n ** 63n), ['d38000000000000000']],
      [2 ** 53, ['cb4340000000000000']]
    ]
    for (const [value, all] of formats) {
      for (const hex of all) {
        assert.equal(decodeMsgpack(Buffer.from(hex, 'hex')), value, hex)
        // In a small message and in a large one, whose bytes are left as they are.
        for (const pad of [0, 5000]) {
          const bytes = Buffer.concat([
            Buffer.from('93c5', 'hex'),
            Buffer.alloc(2 + pad),
            Buffer.from(hex + hex, 'hex')
          ])
          bytes.writeUInt16BE(pad, 2)
          const given = Buffer.from(bytes)
          assert.deepEqual(decodeMsgpack(bytes), [new Uint8Array(pad), value, value], hex)
          assert.deepEqual(bytes, given)
        }
      }
    }
  })

  it('leave out undefined properties, turn other undefined into nil, and minus zero into zero', () => {
    assert.deepEqual(decodeMsgpack(encodeMsgpack({ a: undefined, b: { c: undefined, d: 1 } })), { b: { d: 1 } })
    const holes: unknown[] = [1]
    holes[2] = 3
    assert.deepEqual(decodeMsgpack(encodeMsgpack([undefined, holes])), [null, [1, null, 3]])
    assert.equal(decodeMsgpack(encodeMsgpack(undefined)), null)
    assert.ok(Object.is(decodeMsgpack(encodeMsgpack(-0)), 0), 'minus zero loses its sign')
  })

  it('send an instance of a class as its own properties, and objects without a prototype as objects', () => {
    class Entry {
      name = 'n'
      #hidden = 1
      size() {
        return this.#hidden
      }
    }
    assert.deepEqual(decodeMsgpack(encodeMsgpack(new Entry())), { name: 'n' })
    const bare = Object.assign(Object.create(null), { a: 1 })
    assert.deepEqual(decodeMsgpack(encodeMsgpack(bare)), { a: 1 })
  })

  it('carry bytes, dates, arrays and objects of another realm, or of an odd class, as what they are', () => {
    const wanted = { bytes: Uint8Array.of(1, 2), date: new Date(5), list: [1, [2]], object: { a: 1 }, none: {} }
    const ofOtherRealm: typeof wanted = runInNewContext(
      '({ bytes: new Uint8Array([1, 2]), date: new Date(5), list: [1, [2]], object: { a: 1, b: undefined }, none: {} })'
    )
    class Bytes extends Uint8Array {
      override get byteLength() {
        return 1
      }
    }
    class Moment extends Date {
      override getTime() {
        return 6
      }
    }
    class List extends Array<unknown> {}
    const odd = {
      bytes: Bytes.of(1, 2),
      date: new Moment(5),
      list: new List(1, [2]),
      object: Object.defineProperty({ a: 1 }, 'constructor', { value: Array }),
      none: Object.defineProperty({}, 'constructor', { value: Map })
    }
    const changed = {
      bytes: Object.defineProperty(Uint8Array.of(1, 2), 'constructor', { value: Object, enumerable: true }),
      date: Object.setPrototypeOf(new Date(5), Object.prototype),
      list: Object.setPrototypeOf([1, Object.setPrototypeOf([2], null)], Object.prototype),
      object: Object.assign(Object.create(ofOtherRealm), { a: 1 }),
      none: Object.create(Object.create(null))
    }
    for (const value of [wanted, ofOtherRealm, odd, changed]) {
      assert.deepEqual(decodeMsgpack(encodeMsgpack(value)), wanted)
      for (const [name, part] of Object.entries(value)) {
        assert.deepEqual(decodeMsgpack(encodeMsgpack(part)), wanted[name as keyof typeof wanted], name)
        // Beside it, what is left out and what is given away are told as ever.
        const beside = decodeMsgpack(encodeMsgpack([{ part, gone: undefined, hole: [undefined] }]))
        assert.deepEqual(beside, [{ part: wanted[name as keyof typeof wanted], hole: [null] }], name)
        assert.throws(() => encodeMsgpack({ part, bytes: gone('transferred') }), isCodecError)
      }
    }
  })

  it('carry a value at the depth limit, and refuse one beyond it on both sides', () => {
    const deepest = nested(maxMsgpackDepth)
    assert.deepEqual(decodeMsgpack(encodeMsgpack(deepest)), deepest)
    assert.throws(() => encodeMsgpack(nested(maxMsgpackDepth + 1)), isCodecError)
    assert.throws(() => encodeMsgpack(nested(5000)), isCodecError)
    refusesBytes(`${'91'.repeat(64)}90`, 'invalid msgpack: nested deeper than 64 at byte 64')
    refusesBytes(`${'91'.repeat(5000)}01`, 'invalid msgpack: nested deeper than 64 at byte 64')
    refusesBytes(`${'81a161'.repeat(5000)}01`, 'invalid msgpack: nested deeper than 64 at byte 192')
  })

  it('give bytes that later calls do not write to, and that do not pin a large buffer', () => {
    const kept = Array.from({ length: 5000 }, (_, i) => ({ i, bytes: encodeMsgpack({ i, pad: 'x'.repeat(i % 50) }) }))
    encodeMsgpack('y'.repeat(4_000_000))
    for (const { i, bytes } of kept) assert.deepEqual(decodeMsgpack(bytes), { i, pad: 'x'.repeat(i % 50) })
    const small = encodeMsgpack({ a: 1 })
    assert.ok(small.buffer.byteLength <= 256 * 1024, `pins ${small.buffer.byteLength} bytes`)
  })

  it('leave the input as it is, and give binary that does not alias it', () => {
    for (const length of [100, 10_000]) {
      const message = Buffer.from(encodeMsgpack({ bytes: new Uint8Array(length).fill(7), text: 'plain' }))
      const properties = Object.getOwnPropertyNames(message).length
      const decoded = decodeMsgpack(message) as { bytes: Uint8Array; text: string }
      assert.equal(Object.getOwnPropertyNames(message).length, properties)
      message.fill(0)
      assert.deepEqual(decoded, { bytes: new Uint8Array(length).fill(7), text: 'plain' })
      assert.equal(decoded.bytes.buffer.byteLength, length)
      assert.equal(Object.getPrototypeOf(decoded.bytes), Uint8Array.prototype)
    }
  })
})

describe('encodeMsgpack', () => {
  const cycle: Record<string, unknown> = { secretText }
  cycle.self = { cycle: [cycle] }
  const refused: Record<string, unknown> = {
    'a function': () => secretText,
    'a symbol': Symbol(secretText),
    'a cycle': cycle,
    'a bigint over 64 bits': 2n ** 64n,
    'a bigint under 64 bits': -(2n ** 63n) - 1n,
    'a Map': new Map([[secretText, 1]]),
    'a Set': new Set([secretText]),
    'an Error': new Error(secretText),
    'a RegExp': /hunter2/,
    'a promise that was not awaited': Promise.resolve(secretText),
    'a typed array that is not bytes': new Float64Array([1]),
    'an ArrayBuffer': new ArrayBuffer(4),
    'a DataView': new DataView(new ArrayBuffer(4)),
    'a URL': new URL('https://hunter2.example'),
    'a boxed string': Object(secretText),
    'an invalid Date': new Date(Number.NaN),
    'a Map of another realm': runInNewContext('new Map([[1, 2]])'),
    'an invalid Date of another realm': runInNewContext('new Date(NaN)'),
    'a Map that is no longer called one': Object.setPrototypeOf(new Map([[secretText, 1]]), Object.prototype),
    'a Set without a prototype': Object.setPrototypeOf(new Set([secretText]), null),
    'a Promise that is no longer called one': Object.setPrototypeOf(Promise.resolve(secretText), Object.prototype),
    'a Map that is called an object': Object.defineProperty(new Map([[secretText, 1]]), Symbol.toStringTag, {
      value: 'Object'
    }),
    'an object with toJSON': Object.create({ toJSON: () => secretText }),
    'a property named __proto__': JSON.parse('{"__proto__":{"polluted":true}}'),
    'a getter that throws': {
      get [secretText]() {
        throw new Error(secretText)
      }
    }
  }
  for (const [name, value] of Object.entries(refused)) {
    it(`refuses ${name}, wherever it stands, and works afterwards`, () => {
      for (const place of [value, [secretText, value], { secretText, deep: [{ value, gone: undefined }] }]) {
        assert.throws(() => encodeMsgpack(place), isCodecError)
      }
      assert.deepEqual(decodeMsgpack(encodeMsgpack({ fine: [1] })), { fine: [1] })
    })
  }
})

describe('decodeMsgpack', () => {
  it('refuses lengths beyond the bytes, sizing nothing from them', () => {
    const hugeLengths = ['ddffffffff', 'dfffffffff', 'c6ffffffff', 'dbffffffff', 'dcffff', 'deffff', 'c5ffff', 'daffff']
    for (const hex of [...hugeLengths, 'c4ff', 'd9ff', '9f', '8f', 'bf']) {
      refusesBytes(hex, 'invalid msgpack: truncated at byte 0')
      refusesBytes(`92c0${hex}00`, 'invalid msgpack: truncated at byte 2')
    }
    refusesBytes('', 'invalid msgpack: truncated at byte 0')
  })

  it('refuses __proto__ as a key in every spelling of its length, and leaves prototypes alone', () => {
    const key = Buffer.from('__proto__').toString('hex')
    for (const head of ['a9', 'd909', 'da0009', 'db00000009']) {
      refusesBytes(`81${head}${key}81a8706f6c6c75746564c3`, 'invalid msgpack: a key named __proto__ at byte 1')
    }
    assert.equal(({} as Record<string, unknown>).polluted, undefined)
    const constructorKey = encodeMsgpack({ constructor: { prototype: { polluted: true } }, toString: 1 })
    assert.deepEqual(Object.keys(decodeMsgpack(constructorKey) as object), ['constructor', 'toString'])
    assert.equal(({} as Record<string, unknown>).polluted, undefined)
    assert.equal(decodeMsgpack(Uint8Array.from([0xa9, ...Buffer.from('__proto__')])), '__proto__')
  })

  it('refuses keys that are not strings', () => {
    for (const hex of ['8101c0', '81c0c0', '8190c0', '81c40161c0', '81d6ff00000000c0', '82a16101c001']) {
      const at = hex.startsWith('82') ? 4 : 1
      refusesBytes(hex, `invalid msgpack: a key that is not a string at byte ${at}`)
    }
  })

  it('refuses every extension but timestamps', () => {
    const refusedTypes = [0x00, 0x42, 0x62, 0x65, 0x69, 0x70, 0x72, 0x73, 0x74, 0x78, 0xfe]
    for (const type of refusedTypes) {
      const byte = type.toString(16).padStart(2, '0')
      for (const hex of [
        `d4${byte}00`,
        `d5${byte}0000`,
        `d6${byte}00000000`,
        `c701${byte}90`,
        `d8${byte}${'00'.repeat(16)}`
      ]) {
        refusesBytes(hex, 'invalid msgpack: an extension that is not a timestamp at byte 0')
      }
    }
    for (const hex of ['d4ffff', 'd5ff0000', 'c704ff00000000', 'c8000cff', 'c90000000cff', `d8ff${'00'.repeat(16)}`]) {
      refusesBytes(hex, 'invalid msgpack: an extension that is not a timestamp at byte 0')
    }
    refusesBytes('c1', 'invalid msgpack: the reserved byte 0xc1 at byte 0')
    assert.deepEqual(decodeMsgpack(Buffer.from('d6ff00000001', 'hex')), new Date(1000))
    assert.deepEqual(decodeMsgpack(Buffer.from('c70cff00000000fffffffffffffffe', 'hex')), new Date(-2000))
  })

  it('refuses timestamps of a second of nanoseconds or more', () => {
    for (const hex of ['d7ffee6b280000000001', 'c70cff3b9aca000000000000000001', 'c70cffffffffff0000000000000001']) {
      refusesBytes(hex, 'invalid msgpack: a timestamp with a second of nanoseconds or more at byte 0')
    }
    for (const [hex, ms] of [
      ['d7ffee6b27fc00000001', 1999],
      ['c70cff3b9ac9ff0000000000000001', 1999],
      ['c70cff3b8b87c0ffffffffffffffff', -1]
    ] as const) {
      assert.deepEqual(decodeMsgpack(Buffer.from(hex, 'hex')), new Date(ms))
    }
  })

  it('refuses trailing bytes', () => {
    refusesBytes('c0c0', 'invalid msgpack: trailing bytes at byte 1')
    refusesBytes('9201020a', 'invalid msgpack: trailing bytes at byte 3')
  })

  it('refuses every truncation of a message', () => {
    const bytes = encodeMsgpack({
      list: [1, 300, 70_000, -5, 1.5, 9n, new Date(5), new Date(-5), 'ä'.repeat(40), 'x'.repeat(300)],
      bytes: new Uint8Array(300),
      empty: {},
      many: Array.from({ length: 20 }, () => ({ key: null }))
    })
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(() => decodeMsgpack(bytes.subarray(0, length)), isCodecError)
    }
  })

  it('gives a value or a CodecError for 20,000 mutated and random messages, and touches no prototype', () => {
    const random = seeded(2)
    const prototypes = [Object.prototype, Array.prototype, Date.prototype, Uint8Array.prototype]
    const before = prototypes.map((prototype) => Reflect.ownKeys(prototype))
    let values = 0
    for (let i = 0; i < 20_000; i++) {
      const bytes =
        i % 2 === 0
          ? Uint8Array.from({ length: Math.floor(random() * 40) }, () => random() * 256)
          : new Uint8Array(encodeMsgpack(randomValue(random, 2)))
      for (let flips = random() * 4; flips > 1; flips--) bytes[Math.floor(random() * bytes.length)] = random() * 256
      try {
        decodeMsgpack(bytes)
        values++
      } catch (error) {
        isCodecError(error)
      }
    }
    assert.ok(values > 1000 && values < 19_000, `${values} values`)
    assert.deepEqual(
      prototypes.map((prototype) => Reflect.ownKeys(prototype)),
      before
    )
  })
})
