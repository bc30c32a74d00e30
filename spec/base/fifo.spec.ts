/** A queue: order, and that it keeps neither items nor memory that were taken. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Fifo } from '../../lib/base/fifo.ts'
import { rounds } from '../support/random.ts'

describe('Fifo', () => {
  it('gives items in the order they came, and undefined when it is empty', () => {
    const fifo = new Fifo<string>()
    assert.equal(fifo.shift(), undefined)
    fifo.push('a')
    fifo.push('b')
    assert.deepEqual([fifo.length, fifo.peek()], [2, 'a'])
    assert.deepEqual([fifo.shift(), fifo.shift(), fifo.shift(), fifo.peek()], ['a', 'b', undefined, undefined])
    fifo.push('c')
    assert.deepEqual([fifo.length, fifo.shift(), fifo.length], [1, 'c', 0])
  })

  it('keeps falsy items apart from emptiness', () => {
    const fifo = new Fifo<number | string | boolean | null>()
    for (const item of [0, '', false, null]) fifo.push(item)
    assert.deepEqual([fifo.shift(), fifo.shift(), fifo.shift(), fifo.shift(), fifo.length], [0, '', false, null, 0])
  })

  it('is empty after clear, and usable again', () => {
    const fifo = new Fifo<number>()
    for (let i = 0; i < 5; i++) fifo.push(i)
    fifo.shift()
    fifo.clear()
    assert.deepEqual([fifo.length, fifo.shift(), fifo.peek()], [0, undefined, undefined])
    fifo.push(9)
    assert.equal(fifo.shift(), 9)
  })

  it('does the same as an array in any order of pushes and shifts, also past its compaction', () => {
    rounds(30, (random) => {
      const fifo = new Fifo<number>()
      const model: number[] = []
      // Sometimes more comes than goes, sometimes less, so that it grows long and runs empty.
      let bias = 0.5
      for (let step = 0; step < 2000; step++) {
        if (step % 200 === 0) bias = 0.2 + 0.6 * random()
        if (random() < bias) {
          fifo.push(step)
          model.push(step)
        } else {
          assert.equal(fifo.peek(), model[0])
          assert.equal(fifo.shift(), model.shift())
        }
        assert.equal(fifo.length, model.length)
      }
    })
  })
})
