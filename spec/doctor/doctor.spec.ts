/** The doctor, at set-ups that are broken for real: it names the cause of each. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { describe, it, type TestContext } from 'node:test'
import { WebSocketServer } from 'ws'
import { defaultLimits } from '../../lib/errors/options.ts'
import { type Cause, type DoctorOptions, doctor, type Finding } from '../../lib/extras/doctor/index.ts'
import { dialerOf, type ManagerOptions, sharedSecret, silentLogger } from '../../lib/index.ts'
import { Listener } from '../../lib/listen/listener.ts'
import { createInstance, listenHandshake } from '../../lib/peer/handshake.ts'
import { Wire } from '../../lib/wire/wire.ts'
import { Servers, TestServer } from '../support/grid/servers.ts'
import { type Certificate, makeAuthority, selfSigned } from '../support/network/certificates.ts'
import { freePort, freePorts } from '../support/network/free-port.ts'
import { Child } from '../support/process/child.ts'
import { until } from '../support/until.ts'
import type { IllInit } from './ill-server.ts'

const guestSecretText = 'a secret of guests'
const auth = sharedSecret(guestSecretText)
const open = { guests: { allow: () => true, auth }, introspection: () => true } satisfies Partial<ManagerOptions>
const at = (port: number, name = '127.0.0.1') => `http://${name}:${port}`

/** What it says of these hosts. */
async function examine(hosts: readonly string[], options: Partial<DoctorOptions> = {}): Promise<Finding[]> {
  const findings: Finding[] = []
  for await (const finding of doctor({ hosts, auth, name: 'doctor', timeoutMs: 3000, ...options }))
    findings.push(finding)
  return findings
}

/** It names this cause, and no other: but on a busy machine event loops are held up, which it rightly tells. */
function assertCause(findings: readonly Finding[], ...causes: readonly Cause[]): void {
  const faults = findings.filter(({ level }) => level === 'fault').map(({ cause }) => cause)
  const found = faults.filter((cause) => cause !== 'blockedLoop' || causes.includes('blockedLoop'))
  assert.deepEqual([...new Set(found)].sort(), [...causes].sort(), JSON.stringify(findings, null, 2))
}

/** Servers under the names at which they are, unless they have others. */
async function serve(
  test: TestContext,
  ports: readonly number[],
  of: (at: number) => Partial<ManagerOptions> = () => ({})
) {
  const servers = new Servers(test)
  const hosts = ports.map((port) => at(port))
  const managers = []
  for (const [index, port] of ports.entries()) {
    const { local = hosts[index] as string, hosts: list = hosts, ...others } = of(index)
    const server = await servers.listen(port)
    const manager = servers.manager({ local, hosts: list, ...open, ...others })
    manager.attach(server.http)
    managers.push(manager)
  }
  return { servers, hosts, managers }
}

/** Whatever is done with each conn. */
async function listen(test: TestContext, onSocket: (socket: Socket) => unknown): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    onSocket(socket)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  test.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

/** One that answers each upgrade with this status. */
async function answering(test: TestContext, status: number): Promise<string> {
  const server = await new TestServer(createServer()).listen()
  server.http.on('upgrade', (_, socket) => void socket.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`))
  test.after(() => server.stop())
  return server.url
}

async function secure(test: TestContext, { key, cert }: Certificate): Promise<string> {
  const server = await new TestServer(createTlsServer({ key, cert }) as never).listen()
  test.after(() => server.stop())
  return `https://127.0.0.1:${server.port}`
}

/** In a process of its own. */
async function ill(test: TestContext, how: Pick<IllInit, 'skewMs' | 'blockMs'>): Promise<string> {
  const port = await freePort()
  const init: IllInit = { local: at(port), hosts: [at(port)], port, guestSecret: guestSecretText, ...how }
  const child = new Child<{ listening: () => unknown }>(new URL('ill-server.ts', import.meta.url), init)
  test.after(() => child.kill())
  await child.ask('listening')
  return at(port)
}

describe('the doctor', () => {
  it('finds nothing wrong with an event loop that was not held up', async (test) => {
    const stalls = monitorEventLoopDelay({ resolution: 5 })
    stalls.enable()
    test.after(() => stalls.disable())
    let loop: Finding | undefined
    // On a busy machine it may stand still, which the doctor rightly tells: the servers are those of this process.
    do {
      const { hosts } = await serve(test, [await freePort()])
      stalls.reset()
      loop = (await examine(hosts)).find(({ check }) => check === 'loop')
    } while (stalls.max / 1e6 > 90)
    assert.equal(loop?.level, 'good', JSON.stringify(loop))
  })

  it('finds nothing wrong with servers that are well, and says what it has looked at', async (test) => {
    const { hosts, managers } = await serve(test, await freePorts(3))
    await Promise.all(managers.map((manager) => manager.waitForPeers()))
    const findings = await examine(hosts.slice(0, 1))
    assertCause(findings)
    const checks = (host: string | undefined) => findings.filter((each) => each.host === host).map(({ check }) => check)
    assert.deepEqual(checks(hosts[2]), ['port', 'path', 'guest', 'clock', 'loop', 'list'])
    assert.equal(findings.filter(({ check }) => check === 'pair').length, 3)
  })

  it('finds a name that does not resolve', async () => {
    assertCause(await examine(['http://no-such-server.invalid:9000']), 'nameUnknown')
  })

  it('finds a port at which nothing listens', async () => {
    assertCause(await examine([at(await freePort())]), 'portClosed')
  })

  it('finds a port that accepts and never answers, by http and by https', async (test) => {
    const port = await listen(test, () => undefined)
    for (const host of [at(port), `https://127.0.0.1:${port}`]) {
      assertCause(await examine([host], { timeoutMs: 300 }), 'silent')
    }
  })

  it('finds a certificate that has expired', async (test) => {
    const certificate = await selfSigned(['127.0.0.1'], { validMs: -1000 })
    assertCause(await examine([await secure(test, certificate)], { tls: { ca: certificate.ca } }), 'tlsExpired')
  })

  it('finds a certificate for another name', async (test) => {
    const certificate = await selfSigned(['other.example'])
    assertCause(await examine([await secure(test, certificate)], { tls: { ca: certificate.ca } }), 'tlsOtherName')
  })

  it('finds a certificate of an authority that is not trusted, and one that is wrong in two ways', async (test) => {
    const authority = await makeAuthority('Own')
    assertCause(await examine([await secure(test, await authority.issue(['127.0.0.1']))]), 'tlsUntrusted')
    const bad = await authority.issue(['other.example'], { validMs: -1000 })
    assertCause(await examine([await secure(test, bad)]), 'tlsExpired', 'tlsOtherName')
  })

  it('finds a server that wants a certificate of the guest, which has none or one that is not trusted', async (test) => {
    const [authority, stranger] = [await makeAuthority('Own'), await makeAuthority('Other')]
    const { key, cert } = await authority.issue(['127.0.0.1'])
    const ca = authority.cert
    const server = await new TestServer(createTlsServer({ key, cert, ca, requestCert: true }) as never).listen()
    test.after(() => server.stop())
    const other = await stranger.issue(['doctor.guest.invalid'])
    for (const own of [{}, { key: other.key, cert: other.cert }]) {
      assertCause(await examine([`https://127.0.0.1:${server.port}`], { tls: { ca, ...own } }), 'certificateRefused')
    }
  })

  it('finds a server of plain HTTP under a name of https, and the reverse', async (test) => {
    const tls = await secure(test, await selfSigned(['127.0.0.1']))
    assertCause(await examine([tls.replace('https:', 'http:')]), 'tlsOnHttp')
    const { hosts } = await serve(test, await freePorts(1))
    assertCause(await examine([String(hosts[0]).replace('http:', 'https:')]), 'plainOnHttps')
  })

  it('finds a path on which no grid is served', async (test) => {
    const { hosts } = await serve(test, await freePorts(1), () => ({ path: '/other' }))
    assertCause(await examine(hosts), 'wrongPath')
  })

  it('finds another WebSocket server, what is no HTTP, a server that shuts down, and a proxy without one', async (test) => {
    const other = await new TestServer().listen()
    test.after(() => other.stop())
    const sockets = new WebSocketServer({ server: other.http, handleProtocols: () => false })
    assertCause(await examine([other.url]), 'otherServer')
    sockets.options.handleProtocols = () => 'it-grid.v1'
    assertCause(await examine([other.url], { timeoutMs: 300 }), 'noSession')
    const port = await listen(test, (socket) => socket.end('SSH-2.0-Other\r\n'))
    assertCause(await examine([at(port)]), 'otherServer')
    assertCause(await examine([await answering(test, 503)]), 'shuttingDown')
    assertCause(await examine([await answering(test, 502)]), 'proxyFailed')
  })

  it('finds another server of the grid at an address, and looks into that one', async (test) => {
    const [port = 0] = await freePorts(1)
    await serve(test, [port], () => ({ local: at(port, 'localhost'), hosts: [at(port, 'localhost')] }))
    const findings = await examine([at(port)])
    assertCause(findings, 'wrongName')
    assert.ok(findings.some(({ text }) => text === `it is ${at(port, 'localhost')}, and its list has 0 other servers`))
  })

  it('finds a guest with the wrong secret, one that is not taken, and a server that takes none', async (test) => {
    const ofServer: readonly Partial<ManagerOptions>[] = [
      {},
      { guests: { ...open.guests, admit: () => false } },
      { guests: undefined, auth }
    ]
    const { hosts } = await serve(test, await freePorts(3), (index) => ofServer[index] ?? {})
    const wrong = sharedSecret('another secret of guests')
    assertCause(await examine(hosts.slice(0, 1), { auth: wrong }), 'wrongSecret')
    assertCause(await examine(hosts.slice(1, 2)), 'guestRefused')
    assertCause(await examine(hosts.slice(2, 3)), 'noGuests')
    const [found] = (await examine(hosts.slice(2, 3), { auth: wrong })).filter(({ cause }) => cause === 'wrongSecret')
    assert.match(found?.advice ?? '', /^look whether that server has the option guests: /)
  })

  it('finds a server of a version that knows no guests', async (test) => {
    const server = await new TestServer().listen()
    test.after(() => server.stop())
    const local = server.url
    const { signal } = new AbortController()
    const admit = (host: string) => ({ reason: 'unknownHost', message: `${host} is not among the hosts` }) as const
    const listener = new Listener({
      ...{ path: '/grid/v1', maxConnMessageBytes: 2 ** 20, logger: silentLogger },
      onTlsRefused: () => undefined,
      onListening: () => undefined,
      // As of before there were guests.
      onConn(conn) {
        const wire = new Wire(conn)
        const end = { wire, local, instance: createInstance(), auth, limits: defaultLimits, wantChecksum: true, signal }
        listenHandshake({ ...end, admit }).catch(() => wire.close('refused'))
      }
    })
    listener.attach(server.http)
    assertCause(await examine([local]), 'oldVersion')
  })

  it('doubts only what it cannot look at, without introspection', async (test) => {
    const { hosts } = await serve(test, await freePorts(1), () => ({ introspection: false }))
    const findings = await examine(hosts)
    assertCause(findings)
    assert.deepEqual(
      findings.filter(({ level }) => level === 'doubt').map(({ cause }) => cause),
      ['cannotLook']
    )
  })

  it('finds a clock that is wrong', async (test) => {
    const findings = await examine([await ill(test, { skewMs: -90_000, blockMs: 0 })])
    assertCause(findings, 'clockSkew')
    assert.match(findings.find(({ cause }) => cause === 'clockSkew')?.text ?? '', /^its clock is 90\.\d s behind/)
  })

  it('finds an event loop that is held up', async (test) => {
    assertCause(await examine([await ill(test, { skewMs: 0, blockMs: 500 })], { timeoutMs: 20_000 }), 'blockedLoop')
  })

  it('finds a server that is not in the list of another one, and lists that differ', async (test) => {
    const ports = await freePorts(3)
    const [a, b, c] = ports.map((port) => at(port)) as [string, string, string]
    const lists = [
      [a, b, c],
      [a, b],
      [a, b, c]
    ]
    const { managers } = await serve(test, ports, (index) => ({ hosts: lists[index] as string[] }))
    await managers[0]?.waitForPeers()
    const findings = await examine([a])
    assertCause(findings, 'notInList', 'listsDiffer')
    const texts = findings.filter(({ level }) => level === 'fault').map(({ text }) => text)
    assert.ok(texts.includes(`${c} is not in the list of hosts of ${b}, which therefore refuses it`))
    assert.ok(texts.includes(`the lists of ${a} and ${b} differ: ${b} misses ${c}`))
  })

  it('finds a server that is in no list at all, and one that another names and that is down', async (test) => {
    const [one = 0, two = 0, down = 0] = await freePorts(3)
    const { hosts } = await serve(test, [one, two], (index) => ({
      hosts: index === 0 ? [at(one), at(down)] : [at(two)]
    }))
    const findings = await examine(hosts)
    assertCause(findings, 'notInList', 'listsDiffer', 'portClosed', 'notConnected')
    assert.ok(
      findings.some(({ text }) => text === `neither ${at(one)} nor ${at(two)} has the other one in its list of hosts`)
    )
  })

  it('finds two servers with different secrets', async (test) => {
    const { hosts, managers } = await serve(test, await freePorts(2), (index) =>
      index === 0 ? {} : { auth: sharedSecret('another secret than the first') }
    )
    const dialer = managers.find(({ local }) => local === dialerOf(hosts[0] as string, hosts[1] as string))
    await until(() => dialer?.connections[0]?.lastError !== undefined, 'it was refused')
    assertCause(await examine(hosts), 'peersSecret')
  })

  it('finds two servers that both wait for the other one to dial', async (test) => {
    for (;;) {
      const [one = 0, two = 0] = await freePorts(2)
      const [a, b, asA, asB] = [at(one), at(two), at(one, 'localhost'), at(two, 'localhost')]
      if (dialerOf(a, asB) === a || dialerOf(b, asA) === b) continue
      await serve(test, [one, two], (index) => ({ hosts: index === 0 ? [a, asB] : [b, asA] }))
      const findings = await examine([a])
      assertCause(findings, 'wrongName', 'bothWait')
      return
    }
  })

  it('ends by its signal', async (test) => {
    const { hosts } = await serve(test, await freePorts(1))
    const reason = new Error('enough')
    await assert.rejects(examine(hosts, { signal: AbortSignal.abort(reason) }), reason)
  })

  it('leaves no guest behind, at whatever finding the loop is left', async (test) => {
    const { hosts, managers } = await serve(test, await freePorts(1))
    const isAlone = () => managers[0]?.stats().guests.every(({ state }) => state !== 'connected') === true
    for (const left of ['port', 'path', 'guest', 'clock', 'list']) {
      for await (const { check } of doctor({ hosts, auth, timeoutMs: 3000 })) if (check === left) break
      await until(isAlone, `no guest is left where the loop is left at ${left}`)
    }
  })
})
