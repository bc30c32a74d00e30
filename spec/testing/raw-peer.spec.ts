/** `rawPeer`: it shakes hands as the protocol page says, and then says what the test gives. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { rawPeer, testGrid } from '../../lib/extras/testing/index.ts'
import { sharedSecret } from '../../lib/index.ts'
import { nameThat } from '../support/grid/manager.ts'
import { rejection } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

const local = 'http://server:1'
const raw = nameThat('dials', local)
const other = nameThat('is dialed', local)

/** A grid of one server that runs; the others are names only. */
async function oneServer() {
  const grid = await testGrid([local, raw, other], {
    setup: (server) => server.handle('echo', (payload) => payload)
  })
  grid.kill(1)
  grid.kill(2)
  const [server] = grid.grids
  assert.ok(server !== undefined)
  return { grid, server }
}

describe('rawPeer()', () => {
  it('is a peer of the server, and gets its table of handlers', async () => {
    const { grid, server } = await oneServer()
    await using _ = grid
    await using peer = await rawPeer(server, { host: raw })
    const { value } = await peer.received.next()
    assert.ok(Buffer.from(value ?? []).includes('echo'))
  })

  it('is cut when it breaks a rule, and hears why', async () => {
    const { grid, server } = await oneServer()
    await using _ = grid
    await using peer = await rawPeer(server, { host: raw })
    await peer.received.next()
    await peer.send(Uint8Array.of(0xff, 0xff), Uint8Array.of(0xff))
    const { value } = await peer.received.next()
    assert.match(Buffer.from(value ?? []).toString('latin1'), /unknown frame type/)
    for await (const _batch of peer.received);
    await until(() => server.connection(raw).stats().session === undefined, 'it is cut')
    assert.equal((await rejection(peer.send(Uint8Array.of(1)))).code, 'ERR_DISCONNECTED')
  })

  it('says nothing without a handshake, and is refused for a wrong first message', async () => {
    const { grid, server } = await oneServer()
    await using _ = grid
    await using peer = await rawPeer(server, { host: raw, handshake: false })
    assert.equal(server.stats().pendingHandshakes, 1)
    await peer.send(Uint8Array.of(9))
    await until(() => server.stats().refusedHandshakes === 1, 'it is refused')
  })

  it('is told why it is refused, and who dials', async () => {
    const { grid, server } = await oneServer()
    await using _ = grid
    const stranger = nameThat('dials', local, (n) => `http://stranger-${n}:1`)
    const refused = await rejection(rawPeer(server, { host: stranger }))
    assert.deepEqual([refused.name, refused.reason], ['RejectedError', 'unknownHost'])
    const auth = sharedSecret('another secret of a test')
    assert.equal((await rejection(rawPeer(server, { host: raw, auth }))).reason, 'authFailed')
    assert.match((await rejection(rawPeer(server, { host: other }))).message, /dials .*, not the other way round: give/)
    assert.match((await rejection(rawPeer({} as never, { host: raw }))).message, /takes a Manager first/)
  })
})
