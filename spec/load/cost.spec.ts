/**
 * What a call costs, in bytes and promises, stays under stated numbers, on whatever machine this runs.
 *
 * Both ends of each call run in one process over an in-memory conn, with V8's optimiser off: what is counted are the
 * objects that the code makes, so that the same code gives the same numbers everywhere. What the optimiser leaves of
 * them, and how long it all takes, the micro-benchmarks tell; see docs/performance.md.
 */

import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { type Cost, plainCostsOf } from '../../benchmarks/harness/pieces/costs.ts'

/**
 * Per request or message, both ends together: what was measured, and up to 50 B and half a promise more. So one more
 * object of 100 B fails, and one more promise does. Whoever makes calls cheaper lowers them.
 */
const limits: Readonly<Record<string, Cost>> = {
  'request-1': { heap: 8_140, buffers: 2_130, promises: 16.8 },
  'request-64': { heap: 3_840, buffers: 3_150, promises: 7.1 },
  'request-64-struct': { heap: 5_520, buffers: 290, promises: 6.9 },
  'request-64-failed': { heap: 6_840, buffers: 1_700, promises: 12 },
  'stream-message': { heap: 1_270, buffers: 1_590, promises: 6.7 },
  'stream-send': { heap: 2_030, buffers: 1_590, promises: 7.6 },
  'streams-64': { heap: 9_950, buffers: 1_620, promises: 9 },
  'streams-64-echo': { heap: 12_250, buffers: 3_150, promises: 15.2 },
  'stream-echo': { heap: 1_380, buffers: 3_150, promises: 4.8 },
  'request-64-caller': { heap: 8_260, buffers: 3_150, promises: 10.1 },
  'request-64-handler': { heap: 5_310, buffers: 3_150, promises: 8.1 },
  'request-64-published': { heap: 8_410, buffers: 3_150, promises: 8.1 },
  'request-64-metadata': { heap: 4_960, buffers: 3_370, promises: 7.2 },
  'request-64-metadata-4': { heap: 5_390, buffers: 3_520, promises: 7.3 },
  'traced-64-unsampled': { heap: 15_350, buffers: 3_390, promises: 8.3 }
}

/** What the things of known cost must be measured as. */
const known: Readonly<Record<string, Cost>> = {
  'ruler-object': { heap: 104, buffers: 0, promises: 0 },
  'ruler-promise': { heap: 216, buffers: 0, promises: 1 },
  'ruler-buffer': { heap: 88, buffers: 512, promises: 0 }
}

/** Objects have the same size wherever pointers have; a later V8 may lay them out in another way. */
const sameObjects = process.versions.node.startsWith('20.')

describe('the cost of a call', () => {
  let costs = new Map<string, Cost>()

  before(async () => {
    const names = [...Object.keys(limits), ...Object.keys(known)]
    const library = new URL('../../lib/', import.meta.url)
    const module = new URL('../../benchmarks/micro/pieces/index.ts', import.meta.url)
    const measured = await plainCostsOf({ library, module }, names)
    costs = new Map(names.map((name, index) => [name, measured[index] as Cost]))
  })

  for (const [name, { heap, buffers, promises }] of Object.entries(limits)) {
    it(`is at most ${heap} B of objects, ${buffers} B of buffers and ${promises} promises for ${name}`, (test) => {
      const cost = costs.get(name) as Cost
      test.diagnostic(`${name}: ${cost.heap.toFixed(1)} B, ${cost.buffers.toFixed(1)} B, ${cost.promises.toFixed(3)}`)
      assert.ok(cost.promises <= promises, `${cost.promises} promises`)
      assert.ok(cost.buffers <= buffers, `${cost.buffers} B of buffers`)
      if (sameObjects) assert.ok(cost.heap <= heap, `${cost.heap} B of objects`)
    })
  }

  it('is measured right: things of known cost have it', (test) => {
    if (!sameObjects) return test.skip('the sizes of objects are those of Node 20')
    for (const [name, expected] of Object.entries(known)) {
      const cost = costs.get(name) as Cost
      for (const what of ['heap', 'buffers', 'promises'] as const) {
        const off = Math.abs(cost[what] - expected[what])
        // Taking the readings costs a little, too: some 3 KB and two promises for a thousand operations.
        assert.ok(off < (what === 'promises' ? 0.01 : 5), `${name}: ${cost[what]} ${what}, not ${expected[what]}`)
      }
    }
  })
})
