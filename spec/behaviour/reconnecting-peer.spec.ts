/**
 * A peer that connects again and again, and reads nothing of how its conns before are closed: they do not pile up.
 */

import { describe, it } from 'node:test'
import { namesInOrder } from '../support/grid/manager.ts'
import { Servers } from '../support/grid/servers.ts'
import { enter } from '../support/raw/dialer.ts'
import { table } from '../support/raw/make.ts'
import { WebSocketWire } from '../support/raw/wire.ts'
import { until } from '../support/until.ts'

const conns = 12

describe('a peer that connects again and again', () => {
  it('leaves no more than two conns behind that take their time to close', async (test) => {
    const servers = new Servers(test)
    const [dialer, listener] = namesInOrder()
    const { server, manager } = await servers.node(listener, [dialer, listener])
    for (let n = 0; n < conns; n++) {
      const wire = await WebSocketWire.open(server.url)
      servers.onEnd(() => wire.cut())
      const raw = await enter(wire, { host: dialer, remote: listener })
      raw.send(table())
      const isIn = () => manager.connection(dialer).stats().reconnects === n
      await until(() => isIn() && manager.connection(dialer).state === 'connected', `session ${n} is in use`)
      wire.pause()
    }
    // The close of a conn that is not read takes a second.
    await until(() => server.sockets.size <= 3, `${server.sockets.size} conns are left, not 3`, 400)
  })
})
