/** Structs as arrays: what stands on the wire, what a declaration lets grow, and what does not fit it. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runInNewContext } from 'node:vm'
import { expectTypeOf } from 'expect-type'
import * as z from 'zod'
import { bytes, CodecError, field, type Infer, msgpack, tuple, ValidationError } from '../../lib/index.ts'
import { decodeMsgpack, encodeMsgpack } from '../../lib/msgpack/msgpack.ts'

const lockArgs = tuple({
  uid: field.string,
  resources: field.array(field.string),
  owner: field.string,
  quorum: field.nullable(field.number)
})
const args = { uid: 'u-1', resources: ['a', 'b'], owner: 'node-1', quorum: null }

/** One of each kind of field. */
const all = tuple({
  text: field.string,
  count: field.number,
  big: field.bigint,
  flag: field.boolean,
  blob: field.binary,
  at: field.date,
  anything: field.any(),
  list: field.array(field.array(field.number)),
  maybe: field.nullable(field.string),
  inner: tuple({ x: field.number, y: field.number }),
  later: field.optional(field.string),
  limit: field.optional(field.number, 10)
})
const one: Infer<typeof all> = {
  ...{
    text: 'ä𝄞',
    count: -1.5,
    big: 2n ** 60n,
    flag: true,
    blob: Uint8Array.of(1, 2),
    at: new Date(1_700_000_000_123)
  },
  ...{ anything: { deep: [1, null] }, list: [[1], []], maybe: 'x', inner: { x: 1, y: 2 }, later: 'now', limit: 3 }
}

function pathOf(decode: () => unknown): readonly (string | number)[] {
  try {
    decode()
  } catch (error) {
    assert.ok(error instanceof ValidationError, String(error))
    return error.details.path
  }
  assert.fail('it was decoded')
}

describe('tuple', () => {
  it('puts the values on the wire in the order of the declaration, without keys', () => {
    assert.deepEqual(decodeMsgpack(lockArgs.encode(args)), ['u-1', ['a', 'b'], 'node-1', null])
    const { quorum, ...others } = args
    assert.deepEqual(lockArgs.encode({ quorum, ...others }), lockArgs.encode(args))
  })

  it('carries every kind of field there and back', () => {
    assert.deepEqual(all.decode(all.encode(one)), one)
    assert.deepEqual(lockArgs.decode(lockArgs.encode(args)), args)
    assert.deepEqual(Object.keys(lockArgs.decode(lockArgs.encode(args))), ['uid', 'resources', 'owner', 'quorum'])
  })

  it('takes bytes and dates of another realm, and refuses a date of it that is none', () => {
    const times = tuple({ at: field.date, blob: field.binary })
    const given = runInNewContext('({ at: new Date(5), blob: new Uint8Array([1, 2]) })')
    assert.deepEqual(times.decode(times.encode(given)), { at: new Date(5), blob: Uint8Array.of(1, 2) })
    const none = { ...given, at: runInNewContext('new Date(NaN)') }
    assert.throws(() => times.encode(none), {
      name: 'CodecError',
      message: /payload\.at does not fit its field: a valid Date was expected; it is a Date$/
    })
  })

  it('reads numbers and bigints from integers of every format, whatever their size', () => {
    const numbers = tuple({ n: field.number, big: field.bigint })
    const read = (hex: string) => numbers.decode(Buffer.from(`92${hex}`, 'hex'))
    const seven = ['07', 'cc07', 'cd0007', 'ce00000007', 'cf0000000000000007', 'd007', 'd10007', 'd200000007']
    for (const hex of [...seven, 'd30000000000000007', 'cb401c000000000000']) {
      assert.deepEqual(read(hex + hex), { n: 7, big: 7n }, hex)
    }
    for (const hex of ['cf0000010000000000', 'd30000010000000000', 'cb4270000000000000']) {
      assert.deepEqual(read(hex + hex), { n: 2 ** 40, big: 2n ** 40n }, hex)
    }
    for (const big of [0n, -1n, 2n ** 53n, -(2n ** 63n), 2n ** 64n - 1n]) {
      assert.deepEqual(numbers.decode(numbers.encode({ n: 1, big })), { n: 1, big })
    }
    // No number holds 2^53+1 exactly, and no bigint a half.
    assert.deepEqual(
      pathOf(() => read('cf0020000000000001' + '07')),
      ['n']
    )
    assert.deepEqual(
      pathOf(() => read('07' + 'cb3fe0000000000000')),
      ['big']
    )
    assert.deepEqual(
      pathOf(() => read('07' + 'cb43e0000000000000')),
      ['big']
    )
  })

  it('has the types of its declaration', () => {
    expectTypeOf<Infer<typeof lockArgs>>().toEqualTypeOf<{
      uid: string
      resources: string[]
      owner: string
      quorum: number | null
    }>()
    expectTypeOf<Infer<typeof all>>().toEqualTypeOf<{
      text: string
      count: number
      big: bigint
      flag: boolean
      blob: Uint8Array
      at: Date
      anything?: unknown
      list: number[][]
      maybe: string | null
      inner: { x: number; y: number }
      later?: string | undefined
      limit: number
    }>()
  })

  it('leaves the value alone that it encodes', () => {
    const given = structuredClone(one)
    all.encode(given)
    assert.deepEqual(given, one)
  })

  it('takes what an older sender sends: fields that are missing at the end are null, undefined, or their fallback', () => {
    const old = tuple({ uid: field.string })
    const grown = tuple({
      uid: field.string,
      owner: field.nullable(field.string),
      ttlMs: field.optional(field.number, 30_000),
      note: field.optional(field.string)
    })
    expectTypeOf<Infer<typeof grown>>().toEqualTypeOf<{
      uid: string
      owner: string | null
      ttlMs: number
      note?: string | undefined
    }>()
    assert.deepEqual(grown.decode(old.encode({ uid: 'a' })), { uid: 'a', owner: null, ttlMs: 30_000, note: undefined })
  })

  it('takes what a newer sender sends: fields after the last one are ignored', () => {
    const grown = tuple({ uid: field.string, more: field.any(), still: field.array(field.number) })
    const old = tuple({ uid: field.string })
    assert.deepEqual(old.decode(grown.encode({ uid: 'a', more: { x: 1 }, still: [1] })), { uid: 'a' })
  })

  it('gives each value a fallback of its own', () => {
    const tagged = tuple({ uid: field.string, tags: field.optional(field.array(field.string), []) })
    const decode = () => tagged.decode(encodeMsgpack(['a']))
    decode().tags.push('a secret')
    assert.deepEqual(decode(), { uid: 'a', tags: [] })
  })

  it('has fields that are called as what every object has', () => {
    const odd = tuple({ uid: field.string, toString: field.optional(field.string), constructor: field.any<string>() })
    const given = { uid: 'a', constructor: 'b' }
    assert.deepEqual(Object.entries(odd.decode(odd.encode(given as never))), [
      ['uid', 'a'],
      ['toString', undefined],
      ['constructor', 'b']
    ])
  })

  it('hides what a property says that throws when it is read', () => {
    const throws = {
      get uid(): string {
        throw new Error('hunter2')
      }
    }
    const message = 'the value cannot be encoded: payload.uid threw when read'
    assert.throws(() => tuple({ uid: field.string }).encode(throws), { name: 'CodecError', message })
  })

  it('refuses a date that is none', () => {
    const endOfTime = Uint8Array.from([
      0x91, 0xc7, 12, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
    ])
    assert.deepEqual(
      pathOf(() => tuple({ at: field.date }).decode(endOfTime)),
      ['at']
    )
  })

  it('leaves out optional values', () => {
    const some = tuple({ a: field.optional(field.string), b: field.number })
    assert.deepEqual(decodeMsgpack(some.encode({ b: 1 })), [null, 1])
    assert.deepEqual(some.decode(some.encode({ b: 1 })), { a: undefined, b: 1 })
  })

  it('refuses, with the path and nothing of the value, what does not fit where it arrives', () => {
    const secret = 'hunter2'
    const wrong: [unknown, (string | number)[]][] = [
      [secret, []],
      [{ uid: secret }, []],
      [[], ['uid']],
      [['u', [secret, 'b']], ['owner']],
      [
        ['u', [secret, 2, 'c'], 'o'],
        ['resources', 1]
      ],
      [['u', null, 'o'], ['resources']],
      [['u', secret, 'o'], ['resources']],
      [['u', [], 'o', secret], ['quorum']]
    ]
    for (const [value, path] of wrong) {
      assert.deepEqual(
        pathOf(() => lockArgs.decode(encodeMsgpack(value))),
        path
      )
      assert.throws(
        () => lockArgs.decode(encodeMsgpack(value)),
        (error: Error) => !error.message.includes(secret) && error.cause === undefined
      )
    }
    assert.throws(() => lockArgs.decode(encodeMsgpack({ uid: secret })), {
      message: 'the value is not valid: an array of 4 fields was expected; it is an object',
      details: { path: [], expected: 'an array of 4 fields', found: 'an object' }
    })
    assert.throws(() => lockArgs.decode(encodeMsgpack(['u', [secret, 2, 'c'], 'o'])), {
      message: 'the value is not valid at "resources.1": a string was expected; it is a number'
    })
    const nested = tuple({ list: field.array(tuple({ x: field.number })) })
    assert.deepEqual(
      pathOf(() => nested.decode(encodeMsgpack([[[1], ['x']]]))),
      ['list', 1, 'x']
    )
  })

  const expected: Record<string, string> = {
    ...{ text: 'string', count: 'number', big: 'bigint', flag: 'boolean', blob: 'Uint8Array', at: 'valid Date' },
    ...{ list: 'array', maybe: 'string', inner: 'object', later: 'string', limit: 'number' }
  }
  for (const name of [
    'text',
    'count',
    'big',
    'flag',
    'blob',
    'at',
    'list',
    'maybe',
    'inner',
    'later',
    'limit'
  ] as const) {
    it(`refuses a wrong ${name} at both ends`, () => {
      const wrong = { ...one, [name]: name === 'text' || name === 'maybe' || name === 'later' ? 1 : 'x' }
      assert.throws(() => all.encode(wrong as Infer<typeof all>), {
        name: 'CodecError',
        message: new RegExp(`: payload.${name} does not fit its field: an? ${expected[name]} was expected; it is a `)
      })
      const items = decodeMsgpack(all.encode(one)) as unknown[]
      items[Object.keys(one).indexOf(name)] = wrong[name]
      assert.deepEqual(
        pathOf(() => all.decode(encodeMsgpack(items))),
        [name]
      )
    })
  }

  it('refuses what is no msgpack, or nothing at all, as every codec does', () => {
    assert.throws(() => lockArgs.decode(Uint8Array.of(0x94)), CodecError)
    assert.throws(() => lockArgs.decode(new Uint8Array(0)), CodecError)
    assert.throws(() => lockArgs.encode(null as never), {
      message: 'the value cannot be encoded: payload does not fit its field: an object was expected; it is null'
    })
    assert.throws(() => tuple({ x: field.any() }, undefined as never), { name: 'InvalidOptionError' })
    assert.throws(() => tuple({ x: field.any() }).encode({ x: () => 1 }), CodecError)
  })

  it('costs no more memory than the bytes that claim to be long', () => {
    assert.throws(() => lockArgs.decode(Uint8Array.from([0xdd, 0xff, 0xff, 0xff, 0xff])), /truncated/)
  })

  it('refuses names that objects do not keep in their place', () => {
    for (const fields of [{ a: field.string, 1: field.string }, { ['__proto__']: field.string }, { __proto__: {} }]) {
      assert.throws(() => tuple(fields as never), { name: 'InvalidOptionError', message: /^a field cannot be named/ })
    }
  })

  it('can take a schema, and is then no field of another struct', () => {
    const positive = tuple({ n: field.number }, z.object({ n: z.number().positive() }))
    assert.deepEqual(positive.decode(positive.encode({ n: 1 })), { n: 1 })
    assert.deepEqual(
      pathOf(() => positive.decode(positive.encode({ n: -1 }))),
      ['n']
    )
    // @ts-expect-error its checks would be lost
    assert.throws(() => tuple({ positive }), { name: 'InvalidOptionError', message: /^positive is not a field/ })
    // @ts-expect-error a schema of something else
    tuple({ n: field.number }, z.object({ n: z.string() }))
  })

  it('gives values of its own to those who read in place', () => {
    const blob = tuple({ blob: field.binary, any: field.any<Uint8Array>() })
    const encoded = blob.encode({ blob: Uint8Array.of(1, 2, 3), any: Uint8Array.of(4) }).slice()
    const value = blob.decode(encoded)
    encoded.fill(0)
    assert.deepEqual([...value.blob, ...value.any], [1, 2, 3, 4])
    assert.equal(blob.readsInPlace, true)
    assert.notEqual(bytes().readsInPlace, true)
    assert.equal(msgpack(z.number()).readsInPlace, true)
  })
})
