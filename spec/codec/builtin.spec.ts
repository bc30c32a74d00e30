/** The codecs that need no declaration. Their values are checked in the specs of what they stand on. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as z from 'zod'
import { bytes, CodecError, msgpack, none, single, streaming } from '../../lib/index.ts'

describe('the codecs', () => {
  it('none() is nothing in no bytes, and refuses anything in its place', () => {
    assert.equal(none().encode().length, 0)
    assert.equal(none().decode(new Uint8Array(0)), undefined)
    assert.throws(() => none().encode(1 as never), CodecError)
    assert.throws(() => none().decode(Uint8Array.of(0xc0)), CodecError)
  })

  it('bytes() hands out what it is given, and refuses what is no Uint8Array', () => {
    const payload = Uint8Array.of(1)
    assert.equal(bytes().encode(payload), payload)
    assert.equal(bytes().decode(payload), payload)
    for (const wrong of [null, 'text', [1], new ArrayBuffer(1)]) {
      assert.throws(() => bytes().encode(wrong as never), CodecError)
    }
  })

  it('are checked when a definition is made', () => {
    for (const wrong of [bytes, z.string(), null, 7, { encode: () => new Uint8Array(0) }]) {
      const refused = (name: string) => ({
        name: 'InvalidOptionError',
        message: new RegExp(`^${name} of (single|streaming)\\(\\) must be a codec, .*; it is `)
      })
      assert.throws(() => single('a', { request: wrong as never }), refused('request'))
      assert.throws(() => single('a', { response: wrong as never }), refused('response'))
      assert.throws(() => streaming('a', { payload: wrong as never, inCapacity: 0 }), refused('payload'))
    }
  })

  it('msgpack() is one and the same for all types', () => {
    assert.equal(msgpack<string>(), msgpack<number>() as unknown)
  })
})
