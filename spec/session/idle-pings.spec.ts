/** Which pings a session sends and which it leaves out: between two servers that call nothing, and while data waits; in virtual time. */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { virtualTime } from '../../lib/extras/testing/index.ts'
import { rawSingle } from '../../lib/handler/definition.ts'
import { FrameType } from '../../lib/wire/frame.ts'
import { World } from '../support/grid/world.ts'
import { addHandler, open, ping } from '../support/raw/make.ts'
import { rawPeer } from '../support/raw/peer.ts'
import { until } from '../support/until.ts'

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

it('a listener leaves out its pings at a peer that pings, and sends each of them while its outbox is blocked', async () => {
  using clock = virtualTime(Math.random)
  const intervalMs = 1000
  // Held, it takes one batch, and then nothing.
  const peer = rawPeer({ role: 'listener', capacity: 1, keepAlive: { intervalMs } })
  addHandler(peer.handlers, rawSingle('echo'), (payload) => payload)
  await peer.start()
  const intervals = async (count: number) => {
    for (let interval = 0; interval < count; interval++) {
      const { framesIn } = peer.session.stats()
      peer.send(ping(1))
      await until(() => peer.session.stats().framesIn > framesIn, 'its ping has arrived')
      await clock.run(intervalMs)
    }
  }
  const settled = () => until(() => peer.link.inFlight === 0 && !peer.wire.outbox.isBlocked, 'all has arrived')
  await intervals(4)
  await settled()
  const idle = peer.pings.length
  await intervals(4)
  await settled()
  assert.equal(peer.pings.length, idle, 'it leaves them out')
  peer.link.hold()
  peer.send(open(1, 0))
  await until(() => peer.link.inFlight === 1, 'its answer is on the way')
  peer.send(open(3, 0))
  await until(() => peer.wire.outbox.isBlocked, 'the next one waits')
  await intervals(3)
  peer.link.release()
  await settled()
  assert.equal(peer.pings.length, idle + 3)
  assert.equal(peer.of(FrameType.data).length, 2)
  await peer.stop()
})
