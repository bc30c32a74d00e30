/** What bytes say of themselves, whatever their class, and that memory which is gone is noticed. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { byteLengthOf, isBytes, isGone, viewPart } from '../../lib/base/bytes.ts'
import { giveAway, goingMemory, oddBytes, resizable } from '../support/calls/hostile-values.ts'

describe('bytes', () => {
  it('are those of a Uint8Array and its classes, not a proxy of them, nor what only inherits from them', () => {
    const bytes = [new Uint8Array(1), Buffer.alloc(1), ...Object.values(oddBytes).map((make) => make())]
    assert.deepEqual(
      bytes.map(isBytes),
      bytes.map(() => true)
    )
    const others = [new Proxy(new Uint8Array(1), {}), Object.create(Uint8Array.prototype), new Int8Array(1), [1], null]
    assert.deepEqual(
      others.map(isBytes),
      others.map(() => false)
    )
  })

  it('are as many as they are, and parts of them are plain, whatever they say of themselves', () => {
    for (const [what, make] of Object.entries(oddBytes)) {
      const bytes = make()
      const length = byteLengthOf(bytes)
      assert.ok(length === 3 || length === 200_000, what)
      const part = viewPart(bytes, 1, length)
      assert.deepEqual([part.constructor, part.length], [Uint8Array, length - 1], what)
    }
    const pooled = Buffer.from('abc')
    assert.deepEqual(viewPart(pooled, 1, 3), Uint8Array.from(Buffer.from('bc')))
  })

  for (const [how, make] of Object.entries(goingMemory)) {
    it(`are gone when their memory was ${how}`, () => {
      for (const size of [16, 0]) {
        const { bytes, go } = make(size)
        assert.deepEqual([byteLengthOf(bytes), isGone(bytes)], [size, false])
        go()
        assert.deepEqual([byteLengthOf(bytes), isGone(bytes)], [0, true])
      }
    })
  }

  it('are there when there are none, and when a buffer shrank to where they begin', () => {
    const buffer = resizable(16)
    const following = new Uint8Array(buffer, 8)
    buffer.resize(8)
    for (const bytes of [new Uint8Array(0), Buffer.alloc(0), following]) assert.equal(isGone(bytes), false)
    const given = new Uint8Array(0)
    giveAway(given)
    assert.equal(isGone(given), true)
  })
})
