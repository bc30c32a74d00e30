/**
 * A peer that connects again and again, and reads nothing of how its conns before are closed: they do not pile up.
 */

import { describe, it } from 'node:test'
import { FrameType } from '../../lib/wire/frame.ts'
import { namesInOrder } from '../support/grid/manager.ts'
import { Servers } from '../support/grid/servers.ts'
import { RawDialer } from '../support/raw/dialer.ts'
import { until } from '../support/until.ts'

const conns = 12

describe('a peer that connects again and again', () => {
  it('leaves no more than two conns behind that take their time to close', async (test) => {
    const servers = new Servers(test)
    const [dialer, listener] = namesInOrder()
    const { server, manager } = await servers.node(listener, [dialer, listener])
    for (let n = 0; n < conns; n++) {
      const raw = await RawDialer.open(server.url)
      servers.onEnd(() => raw.cut())
      await raw.shakeHands({ host: dialer, remote: listener })
      raw.frames().send({ type: FrameType.handlers, flags: 0, entries: [] })
      const isIn = () => manager.connection(dialer).stats().reconnects === n
      await until(() => isIn() && manager.connection(dialer).state === 'connected', `session ${n} is in use`)
      raw.wire.pause()
    }
    // The close of a conn that is not read takes a second.
    await until(() => server.sockets.size <= 3, `${server.sockets.size} conns are left, not 3`, 400)
  })
})
