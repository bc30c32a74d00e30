/**
 * What connections at rest cost in memory, both ends together: objects of V8, which are the same on all machines, and buffers.
 *
 * Of many servers in one process, over conns that hold hardly anything. Whoever makes them cheaper lowers the numbers.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { held, memoryNow, perThing } from '../../benchmarks/harness/memory.ts'
import { World } from '../support/grid/world.ts'
// What others leave in this process, and what is noted of what runs, would be counted.
import '../support/uncovered.ts'

const size = 30
/** Objects have the same size wherever pointers have; a later V8 may lay them out in another way. */
const sameObjects = process.versions.node.startsWith('20.')

/** Bytes of a pair once all are connected, and once half of the servers were away for a minute. */
async function measure(count: number) {
  const hosts = Array.from({ length: count }, (_, n) => `https://node-${n}:9000`)
  const pairs = (count * (count - 1)) / 2
  const before = await memoryNow()
  await using world = new World()
  for (const host of hosts) world.start(host, hosts)
  await world.untilWhole([...world.servers.values()])
  const begun = held(perThing(before, await memoryNow(), pairs))
  const isLeft = new Map(hosts.map((host, n) => [host, n < count / 2]))
  world.part((one, other) => isLeft.get(one) !== isLeft.get(other))
  await world.run(60_000)
  world.heal()
  await world.untilWhole([...world.servers.values()])
  const healed = held(perThing(before, await memoryNow(), pairs))
  return { begun, healed }
}

describe('connections at rest', () => {
  it('hold at most 31,500 B a pair, and 38,500 B once half of them were away for a minute', async (test) => {
    if (!sameObjects) return test.skip('the sizes of objects are those of Node 20')
    // What is made once for a process, such as code and what V8 notes of it, is there before.
    await measure(6)
    const { begun, healed } = await measure(size)
    test.diagnostic(`${Math.round(begun)} B, ${Math.round(healed)} B`)
    assert.ok(begun <= 31_500, `${begun} B a pair`)
    assert.ok(healed <= 38_500, `${healed} B a pair`)
  })
})
