/** A value that cannot be encoded is refused with the path to what is wrong in it, whatever its codec, and with nothing of it. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bytes, type Codec, field, json, msgpack, none, tuple } from '../../lib/index.ts'

const inItem = (when: unknown) => ({ items: [{}, {}, {}, { when }] })
const cycle: Record<string, unknown> = {}
cycle.list = [cycle]
const throws = {
  get secret(): string {
    throw new Error('hunter2')
  }
}
const item = tuple({ name: field.optional(field.string), when: field.any() })
const struct = tuple({ id: field.optional(field.number), items: field.nullable(field.array(field.optional(item))) })
const strict = tuple({ ids: field.array(field.number) })

const cases: [codec: string, is: Codec<unknown>, value: unknown, text: string][] = [
  ['msgpack', msgpack(), inItem(() => 1), 'payload.items[3].when holds a function'],
  ['msgpack', msgpack(), inItem(new Date(Number.NaN)), 'payload.items[3].when holds an invalid Date'],
  ['msgpack', msgpack(), inItem(2n ** 70n), 'payload.items[3].when holds a bigint of more than 64 bits'],
  ['msgpack', msgpack(), inItem(throws), 'payload.items[3].when.secret threw when read'],
  ['msgpack', msgpack(), inItem(new Map()), 'payload.items[3].when holds a Map, which is no plain data'],
  ['msgpack', msgpack(), new Float64Array(1), 'payload holds a Float64Array, which is no plain data'],
  ['msgpack', msgpack(), [new URL('http://a/hunter2')], 'payload[0] holds a URL, which is no plain data'],
  ['msgpack', msgpack(), Object.setPrototypeOf(new Set(), null), 'payload holds an object, which is no plain data'],
  ['msgpack', msgpack(), { 'two words': { '1': Symbol('a') } }, 'payload["..."]["..."] holds a symbol'],
  ['msgpack', msgpack(), () => 1, 'payload holds a function'],
  [
    'msgpack',
    msgpack(),
    [[cycle]],
    `payload[0][0]${'.list[0]'.repeat(7)}... holds a value nested deeper than 64, or a cycle`
  ],
  ['json', json(), inItem(7n), 'payload.items[3].when holds a bigint'],
  ['json', json(), inItem(cycle), 'payload.items[3].when.list[0] holds a cycle'],
  ['json', json(), inItem(throws), 'payload.items[3].when.secret threw when read'],
  ['json', json(), inItem({ toJSON: () => ({ n: 1n }) }), 'payload.items[3].when.n holds a bigint'],
  ['json', json(), 1n, 'payload holds a bigint'],
  ['tuple', struct as Codec<unknown>, inItem(Symbol('a')), 'payload.items[3].when holds a symbol'],
  ['tuple', struct as Codec<unknown>, inItem({ deep: [() => 1] }), 'payload.items[3].when.deep[0] holds a function'],
  [
    'tuple',
    strict as Codec<unknown>,
    { ids: [1, 'b'] },
    'payload.ids[1] does not fit its field: a number was expected; it is a string'
  ],
  ['tuple', strict as Codec<unknown>, null, 'payload does not fit its field: an object was expected; it is null'],
  ['bytes', bytes() as Codec<unknown>, [1], 'payload must be a Uint8Array; it is an array'],
  ['none', none() as Codec<unknown>, 5, 'payload must be undefined, as the codec is none(); it is 5']
]

describe('a value that cannot be encoded', () => {
  for (const [name, codec, value, text] of cases) {
    it(`is named by its path in ${name}(): ${text}`, () => {
      assert.throws(() => codec.encode(value), { name: 'CodecError', message: `the value cannot be encoded: ${text}` })
    })
  }
})
