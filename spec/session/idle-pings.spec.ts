/** What two servers send each other that call nothing, over the whole of two sessions in virtual time. */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { World } from '../support/grid/world.ts'

it('two servers that call nothing ping each other once an interval between them, and neither is taken for dead', async () => {
  await using world = new World({ keepAlive: { intervalMs: 5000 } })
  const hosts = ['https://a:1', 'https://b:1']
  const managers = hosts.map((host) => world.start(host, hosts))
  await world.untilWhole(managers)
  const counts = () => managers.map((manager) => manager.connections[0]?.stats())
  await world.run(60_000)
  const before = counts()
  for (const stats of before) assert.equal(typeof stats?.session?.rttMs, 'number')
  await world.run(400_000)
  const after = counts()
  const frames = after.map((stats, n) => (stats?.totals.framesOut ?? 0) - (before[n]?.totals.framesOut ?? 0))
  // 80 intervals: a ping and its pong each, and ten of the other side.
  for (const count of frames) assert.ok(count >= 85 && count <= 95, `${frames}`)
  assert.deepEqual(
    after.map((stats) => [stats?.state, stats?.reconnects]),
    [
      ['connected', 0],
      ['connected', 0]
    ]
  )
})
