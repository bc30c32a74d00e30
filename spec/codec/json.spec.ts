/** JSON as a codec: what it carries, and that nothing in a text surprises whoever gets the value. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CodecError, json } from '../../lib/index.ts'

const codec = json<unknown>()
const read = (text: string) => codec.decode(Buffer.from(text))

describe('json', () => {
  it('carries what JSON carries', () => {
    for (const value of [null, true, -1.5, 'ä𝄞', [], [1, [2]], {}, { a: { b: [null] } }]) {
      assert.deepEqual(codec.decode(codec.encode(value)), value)
    }
    assert.equal(Buffer.from(codec.encode({ a: 1 })).toString(), '{"a":1}')
  })

  it('reads bytes that stand in the middle of others', () => {
    assert.deepEqual(codec.decode(Buffer.from('xx[1]xx').subarray(2, 5)), [1])
  })

  it('refuses values that JSON has nothing for', () => {
    const cycle: { self?: unknown } = {}
    cycle.self = cycle
    const throws = {
      get a(): number {
        throw new Error('hunter2')
      }
    }
    for (const value of [undefined, () => 1, Symbol('s'), 1n, cycle, throws]) {
      assert.throws(
        () => codec.encode(value),
        (error: Error) => error instanceof CodecError && !/hunter2/.test(`${error.message} ${error.cause}`)
      )
    }
  })

  it('refuses what is no JSON, and quotes nothing of it', () => {
    for (const text of ['', '{', 'hunter2', '{"hunter2": }', '[1,]']) {
      assert.throws(() => read(text), { name: 'CodecError', message: 'invalid JSON' })
    }
  })

  it('refuses what is nested deeper than 512, and counts no brackets in strings', () => {
    const deep = (depth: number) => `${'[{"a":'.repeat(depth / 2)}1${'}]'.repeat(depth / 2)}`
    assert.equal(JSON.stringify(read(deep(512))), deep(512))
    assert.throws(() => read(deep(514)), { name: 'CodecError', message: 'invalid JSON: nested deeper than 512' })
    assert.throws(() => read('['.repeat(1_000_000)), { name: 'CodecError' })
    const brackets = JSON.stringify(['[{'.repeat(600), '\\"[{'.repeat(600)])
    assert.equal(JSON.stringify(read(brackets)), brackets)
    const flat = JSON.stringify(Array.from({ length: 1000 }, () => [{}]))
    assert.equal(JSON.stringify(read(flat)), flat)
  })

  it('refuses a key that would reach into prototypes, however it is spelled', () => {
    for (const text of ['{"__proto__":{"a":1}}', '[{"x":{"__proto__":1}}]', '{"\\u005f_proto__":1}']) {
      assert.throws(() => read(text), { name: 'CodecError', message: 'invalid JSON: a key named __proto__' })
    }
    assert.deepEqual(read('["__proto__","\\u005f"]'), ['__proto__', '_'])
  })
})
