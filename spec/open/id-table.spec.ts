/** The table of ids against a map that does the same, over ids that rise, live shortly, and sometimes for long. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { IdTable } from '../../lib/open/id-table.ts'
import { randomFrom, seed } from '../support/random.ts'

describe('IdTable', () => {
  it(`finds what a map finds, whatever comes and goes (seed ${seed})`, () => {
    const random = randomFrom(seed)
    for (const open of [10, 100, 3000, 100_000]) {
      const table = new IdTable<{ id: number }>()
      const model = new Map<number, { id: number }>()
      let next = 1
      for (let step = 0; step < open * 6; step++) {
        if (model.size < open && random() < 0.7) {
          const entry = { id: next }
          next += random() < 0.9 ? 1 : 2
          table.add(entry)
          model.set(entry.id, entry)
        } else {
          // The young go first, as calls do; the oldest stay for long.
          const id = next - 1 - Math.floor(random() ** 3 * next)
          assert.equal(table.delete(id), model.delete(id))
        }
        const probe = Math.floor(random() * (next + 10))
        assert.equal(table.get(probe), model.get(probe))
        assert.equal(table.size, model.size)
      }
      assert.deepEqual(new Set(table.values()), new Set(model.values()))
      for (const id of model.keys()) assert.ok(table.delete(id))
      assert.equal(table.size, 0)
    }
  })

  it('keeps an entry that lives while the ids go round and round', () => {
    const table = new IdTable<{ id: number }>()
    const elder = { id: 1 }
    table.add(elder)
    for (let id = 3; id < 300_000; id += 2) {
      table.add({ id })
      assert.ok(table.delete(id))
    }
    assert.equal(table.get(1), elder)
    assert.equal(table.size, 1)
  })

  it('tells ids apart that share their low bits, also beyond 2^32', () => {
    const table = new IdTable<{ id: number }>()
    const entries = [1, 1 + 2 ** 16, 1 + 2 ** 32, 1 + 2 ** 40].map((id) => ({ id }))
    for (const entry of entries) table.add(entry)
    for (const entry of entries) assert.equal(table.get(entry.id), entry)
    assert.equal(table.get(1 + 2 ** 33), undefined)
    assert.equal(table.delete(1 + 2 ** 33), false)
  })
})
