/**
 * A server that is dialed tells those that dial it when it is there, and who else can make a server dial: over real sockets.
 */

import assert from 'node:assert/strict'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { type ConnDialer, connectDuplex, connectWS, duplexConn, type Manager, sharedSecret } from '../../lib/index.ts'
import { namesInOrder } from '../support/grid/manager.ts'
import { Servers } from '../support/grid/servers.ts'
import { selfSigned } from '../support/network/certificates.ts'
import { freePort, freePorts } from '../support/network/free-port.ts'
import { refusalOf } from '../support/raw/dialer.ts'
import { settled, until } from '../support/until.ts'

/** After its first two dials it would wait for minutes. */
const patient = { firstDelayMs: 1, baseDelayMs: 600_000, maxDelayMs: 600_000 }
const [a, b] = namesInOrder()

interface Place {
  readonly server: net.Server
  readonly accept: (manager: Manager) => void
  readonly dial: (port: number) => ConnDialer
}

const { key, cert, ca } = await selfSigned(['127.0.0.1'])
const places: Record<string, () => Place> = {
  ws: () => webSockets(http.createServer(), 'http', connectWS()),
  wss: () => webSockets(https.createServer({ key, cert }), 'https', connectWS({ tls: { ca } })),
  tcp() {
    const server = net.createServer()
    const accept = (manager: Manager) => server.on('connection', (socket) => manager.incomingConn(duplexConn(socket)))
    return { server, accept, dial: (port) => connectDuplex(() => net.connect(port, '127.0.0.1')) }
  }
}

function webSockets(server: http.Server, scheme: string, dialer: ConnDialer): Place {
  const dial =
    (port: number): ConnDialer =>
    (_name, options) =>
      dialer(`${scheme}://127.0.0.1:${port}`, options)
  return { server, accept: (manager) => manager.attach(server), dial }
}

describe('a server that is dialed', () => {
  for (const [kind, create] of Object.entries(places)) {
    it(`is dialed at once when it begins to listen, over ${kind}, however long the wait of the other one was`, async (test) => {
      const servers = new Servers(test)
      const [atA, atB] = [create(), create()]
      const [portOfA = 0, portOfB = 0] = await freePorts(2)
      for (const { server } of [atA, atB]) servers.onEnd(() => server.close())
      let dials = 0
      const dialer: ConnDialer = (name, options) => {
        dials++
        return atB.dial(portOfB)(name, options)
      }
      const dialing = servers.manager({ local: a, hosts: [a, b], dialer, reconnect: patient })
      atA.accept(dialing)
      atA.server.listen(portOfA, '127.0.0.1')
      await until(() => dials === 2, 'its waits are long from now on')
      const dialed = servers.manager({ local: b, hosts: [a, b], dialer: atA.dial(portOfA) })
      atB.accept(dialed)
      atB.server.listen(portOfB, '127.0.0.1')
      await Promise.all([dialing.connection(b).waitForConnect(), dialed.connection(a).waitForConnect()])
      assert.equal(dialing.stats().refusedHandshakes, 0)
    })
  }

  it('is dialed when it listens, and has been attached long before', async (test) => {
    const servers = new Servers(test)
    const port = await freePort()
    servers.urls.set(b, `http://127.0.0.1:${port}`)
    const dialing = await servers.node(a, [a, b], { reconnect: patient })
    const server = http.createServer()
    servers.onEnd(() => server.close())
    const dialed = servers.manager({ local: b, hosts: [a, b] })
    dialed.attach(server)
    const { log } = dialing
    const there = dialing.manager.connection(b)
    let dials = 0
    there.on('state', ({ state }) => state === 'connecting' && dials++)
    await until(() => dials >= 3, 'it was dialed in vain as it has knocked')
    await settled(() => dials, 500)
    assert.equal(there.state, 'waiting')
    server.listen(port, '127.0.0.1')
    await there.waitForConnect()
    assert.deepEqual(log.warnings(/refused/), [])
  })

  it('says why it is not dialed, where it could not knock', async (test) => {
    const servers = new Servers(test)
    const { manager } = await servers.node(b, [a, b])
    const { port } = await servers.listen()
    assert.ok(port > 0)
    const back = manager.connection(a)
    await until(() => back.lastError !== undefined, 'it has knocked')
    assert.match(back.lastError?.message ?? '', /nobody serves http:\/\/a yet/)
  })
})

describe('a peer that dials in the wrong direction', () => {
  /** It dials `b`, which is not there, and whose address is nobody's until the spec says so. */
  async function dialing(test: TestContext) {
    const servers = new Servers(test)
    let dials = 0
    const dialer: ConnDialer = (name, options) => {
      dials++
      return servers.dialer(name, options)
    }
    const node = await servers.node(a, [a, b], { dialer, reconnect: patient })
    await until(() => dials === 2, 'its waits are long from now on')
    return { ...node, servers, dials: () => dials }
  }

  it('is refused each time and begins the waits of the dialer anew, but causes no dial beside a session', async (test) => {
    const { manager, server, servers, dials, log } = await dialing(test)
    for (let knocks = 1; knocks <= 3; knocks++) {
      const { reason } = await refusalOf(server.url, { host: b, remote: a, knocks: knocks > 1 })
      assert.equal(reason, 'wrongDirection')
      await until(() => dials() >= 3, 'it dials')
    }
    // Each is followed by a dial at once and one after the first wait.
    assert.ok((await settled(dials)) <= 2 + 2 * 3, `${dials()} dials`)
    assert.equal(log.warnings(/refused a conn/).length, 1, 'only what is no knock is logged')
    assert.equal(manager.stats().refusedHandshakes, 1)
    await servers.node(b, [a, b])
    await manager.connection(b).waitForConnect()
    const before = dials()
    await refusalOf(server.url, { host: b, remote: a, knocks: true })
    assert.equal(await settled(dials), before)
    assert.equal(manager.connection(b).stats().reconnects, 0)
  })

  it('causes no dial without a proof, nor under a name that is not in the list', async (test) => {
    const { server, dials } = await dialing(test)
    const auth = sharedSecret('a secret of somebody else')
    const stranger = await refusalOf(server.url, { host: b, remote: a, knocks: true, auth })
    assert.equal(stranger.reason, 'authFailed')
    const unknown = await refusalOf(server.url, { host: 'http://c', remote: a, knocks: true })
    assert.equal(unknown.reason, 'unknownHost')
    assert.equal(await settled(dials), 2)
  })
})
