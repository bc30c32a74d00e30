/** Peers that are who their certificates say: which certificates are let in, which are not and why, and how they are replaced. */

import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerOptions } from 'node:https'
import type net from 'node:net'
import type { AddressInfo } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import tls, { type ConnectionOptions } from 'node:tls'
import {
  type CertificateClaims,
  type Connection,
  connectDuplex,
  connectWS,
  duplexConn,
  type Manager,
  type MutualTLSOptions,
  mutualTLS,
  RejectedError
} from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { LogBook, nameThat, testManager } from '../support/grid/manager.ts'
import { Servers, TestServer } from '../support/grid/servers.ts'
import {
  type Authority,
  type Certificate,
  type CertificateOptions,
  makeAuthority
} from '../support/network/certificates.ts'
import { until } from '../support/until.ts'

interface Side extends CertificateOptions {
  /** Names of its certificate. Default: its own name. */
  readonly names?: readonly string[]
  /** Default: the one that all trust. */
  readonly issuer?: Authority
}

interface PairOptions {
  readonly dialer?: Side
  readonly listener?: Side
  readonly auth?: MutualTLSOptions
  readonly server?: ServerOptions
  readonly tls?: ConnectionOptions | (() => ConnectionOptions)
}

interface Pair {
  readonly dialing: Manager
  readonly waiting: Manager
  /** The dialer's connection. */
  readonly peer: Connection
  readonly certificates: { dialer: Certificate; listener: Certificate }
  readonly server: ReturnType<typeof createServer>
  /** What the listener has logged. */
  readonly log: LogBook
  /** Why the dialer is not connected. */
  refused(): Promise<Error>
}

const authority = await makeAuthority('authority of the specs')
const stranger = await makeAuthority('another authority')

async function pair(test: TestContext, options: PairOptions = {}): Promise<Pair> {
  const { dialer = {}, listener = {} } = options
  const servers = new Servers(test)
  const server = createServer({ requestCert: true, ...options.server })
  const { port } = await servers.watch(new TestServer(server)).listen(0, 'localhost')
  const listenerName = `https://localhost:${port}`
  const dialerName = nameThat('dials', listenerName, dialerNameOf)
  const dialerHost = new URL(dialerName).hostname
  const issue = ({ names, issuer = authority, ...rest }: Side, host: string) =>
    issuer.issue(names ?? [host], { commonName: host, ...rest })
  const certificates = { dialer: await issue(dialer, dialerHost), listener: await issue(listener, 'localhost') }
  const { key, cert } = certificates.listener
  server.setSecureContext({ key, cert, ca: authority.cert })
  const dialTls = { ...certificates.dialer, ca: authority.cert }
  const more = options.tls
  const tlsOptions = typeof more === 'function' ? () => ({ ...dialTls, ...more() }) : { ...dialTls, ...more }
  const log = new LogBook()
  const common = { hosts: [listenerName, dialerName], auth: mutualTLS(options.auth) }
  const waiting = servers.manager({ ...common, local: listenerName, logger: log })
  const dialing = servers.manager({ ...common, local: dialerName, dialer: connectWS({ tls: tlsOptions }) })
  waiting.handle('echo', (payload) => payload)
  waiting.attach(server)
  const peer = dialing.connection(listenerName)
  const refused = async () => {
    await until(() => peer.lastError !== undefined, 'the dial has failed')
    assert.notEqual(peer.state, 'connected')
    return peer.lastError as Error
  }
  return { dialing, waiting, peer, certificates, server, log, refused }
}

const dialerNameOf = (n: number) => `https://dialer-${n}.grid.test:9000`

/** Refused by the listener's `mutualTLS`, after TLS itself let the peer pass. */
async function assertRefused({ refused, log }: Pair, why: RegExp): Promise<void> {
  const error = await refused()
  assert.ok(error instanceof RejectedError)
  assert.equal(error.reason, 'authFailed')
  assert.doesNotMatch(error.message, why, 'the reason stays in the log of the listener')
  await until(() => log.warnings().length > 0, 'the refusal is logged')
  assert.match(log.warnings().join('\n'), why)
}

describe('mutualTLS', () => {
  it('lets in a peer whose certificate is for its host name, and tells its handlers of it', async (test) => {
    const { waiting, peer, dialing, certificates } = await pair(test)
    waiting.handle('who', (_, { remote }) => Buffer.from(JSON.stringify(remote.identity)))
    await peer.waitForConnect({ signal: AbortSignal.timeout(paced(15_000)) })
    const { expiresAt, claims } = JSON.parse(Buffer.from(await peer.request('who')).toString())
    assert.equal(expiresAt, Date.parse(new X509Certificate(certificates.dialer.cert).validTo))
    assert.equal((claims as CertificateClaims).subjectAltName, `DNS:${new URL(dialing.local).hostname}`)
    assert.match((claims as CertificateClaims).fingerprint256, /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/)
  })

  it('refuses a peer whose certificate is for another name', async (test) => {
    const got = await pair(test, { dialer: { names: ['other.test'] } })
    await assertRefused(
      got,
      /the certificate is not for https:\/\/dialer-\d+\.grid\.test:9000, it is for DNS:other\.test/
    )
  })

  it('does not take the common name of the subject for a name', async (test) => {
    // It is that of the dialer in all of these specs, here it has another name besides.
    const got = await pair(test, { dialer: { names: ['other.test'] } })
    const { subject } = new X509Certificate(got.certificates.dialer.cert)
    assert.equal(subject, `CN=${new URL(got.dialing.local).hostname}`)
    await assertRefused(got, /is not for/)
  })

  it('refuses a wildcard, unless it is told to take them', async (test) => {
    await assertRefused(await pair(test, { dialer: { names: ['*.grid.test'] } }), /it is for DNS:\*\.grid\.test/)
    const { peer } = await pair(test, { dialer: { names: ['*.grid.test'] }, auth: { wildcards: true } })
    await peer.waitForConnect({ signal: AbortSignal.timeout(paced(15_000)) })
  })

  it('asks a function of the user in place of the names', async (test) => {
    const asked: string[] = []
    const isFor: MutualTLSOptions['isFor'] = (certificate, host) => {
      asked.push(`${certificate.subjectAltName} ${host}`)
      return true
    }
    const { peer, dialing } = await pair(test, { dialer: { names: ['spiffe.test'] }, auth: { isFor } })
    await peer.waitForConnect({ signal: AbortSignal.timeout(paced(15_000)) })
    assert.ok(asked.includes(`DNS:spiffe.test ${dialing.local}`))
    assert.ok(asked.includes(`DNS:localhost ${peer.host}`))
  })

  it('takes nothing but true from that function, not even a promise of it', async (test) => {
    const isFor = (async () => true) as unknown as MutualTLSOptions['isFor']
    await assertRefused(await pair(test, { auth: { isFor } }), /is not for/)
  })

  it('refuses what TLS let pass without trust: an unknown authority, no certificate, an expired one', async (test) => {
    const lax = { server: { rejectUnauthorized: false } }
    await assertRefused(await pair(test, { ...lax, dialer: { issuer: stranger } }), /is not trusted: UNABLE_TO/)
    const bare = { key: undefined, cert: undefined }
    await assertRefused(await pair(test, { ...lax, tls: bare }), /sent no certificate/)
    await assertRefused(await pair(test, { ...lax, dialer: { validMs: -1000 } }), /CERT_HAS_EXPIRED/)
  })

  it('is preceded by TLS, which refuses these by itself when it is strict', async (test) => {
    for (const dialer of [{ issuer: stranger }, { validMs: -1000 }]) {
      const { refused, waiting, log } = await pair(test, { dialer })
      assert.match(
        (await refused()).message,
        /^cannot connect to .* \(has it refused our certificate, or does a proxy .*\?\)$/
      )
      await until(() => log.warnings().length > 0, 'the listener says why')
      assert.match(
        log.warnings().join(),
        /^warn refused a conn from .*: TLS does not accept its certificate: (UNABLE_TO|CERT_HAS_EXPIRED)/
      )
      assert.equal(waiting.stats().pendingHandshakes, 0)
    }
  })

  it('refuses a server whose certificate is for another name, where TLS was told not to look', async (test) => {
    const options = { listener: { names: ['other.test'] }, tls: { checkServerIdentity: () => undefined } }
    const error = await (await pair(test, options)).refused()
    assert.match(error.message, /the certificate is not for https:\/\/localhost:\d+, it is for DNS:other\.test/)
  })

  it('refuses a conn without TLS', async (test) => {
    const { there } = await new Servers(test).pair({ auth: mutualTLS() }, { auth: mutualTLS() })
    await until(() => there.lastError !== undefined, 'the dial has failed')
    assert.match(String(there.lastError?.message), /mutualTLS needs a conn over TLS/)
  })

  it('refuses an end of TLS in the middle, even one whose certificate both ends would take', async (test) => {
    // Each end sees a good certificate for the name that it expects; but these are two TLS conns, not one.
    const names = ['listener.test', 'dialer.test']
    const both = await authority.issue(names)
    const options = { ...both, requestCert: true, rejectUnauthorized: true }
    const listenerName = 'https://listener.test:9000'
    const local = nameThat('dials', listenerName, (n) => `https://dialer.test:${1000 + n}`)
    const common = { hosts: [listenerName, local], auth: mutualTLS() }
    const waiting = testManager({ ...common, local: listenerName })
    const server = tls.createServer(options, (socket) => waiting.incomingConn(duplexConn(socket)))
    const connect = (port: number, host: string) => tls.connect({ ...both, host: '127.0.0.1', port, servername: host })
    const sockets: net.Socket[] = []
    const middle = tls.createServer(options, (socket) => {
      const onward = connect(portOf(server), new URL(listenerName).hostname)
      sockets.push(socket, onward)
      for (const end of [socket, onward]) end.on('error', () => undefined)
      socket.pipe(onward).pipe(socket)
    })
    for (const each of [server, middle]) await once(each.listen(0, '127.0.0.1'), 'listening')
    let through = middle
    const dialer = connectDuplex((address) => connect(portOf(through), new URL(address).hostname))
    const dialing = testManager({ ...common, local, dialer })
    test.after(async () => {
      await Promise.all([dialing.close(), waiting.close()])
      for (const socket of sockets) socket.destroy()
      for (const each of [server, middle]) each.close()
    })
    const [peer] = dialing.connections
    await until(() => peer?.lastError !== undefined, 'the dial has failed')
    assert.ok(peer?.lastError instanceof RejectedError)
    through = server
    await peer.waitForConnect({ signal: AbortSignal.timeout(paced(15_000)) })
  })
})

function portOf(server: net.Server): number {
  return (server.address() as AddressInfo).port
}

describe('certificates that end', () => {
  it('are replaced while calls go on: none fails, the connection stays connected', async (test) => {
    const first = { validMs: paced(3000) }
    let renewed = {}
    const options = { dialer: first, listener: first, tls: () => renewed }
    const { peer, waiting, server, dialing } = await pair(test, options)
    await peer.waitForConnect({ signal: AbortSignal.timeout(paced(15_000)) })
    const states: string[] = []
    peer.on('state', ({ state }) => states.push(state))
    const { key, cert } = await authority.issue(['localhost'])
    server.setSecureContext({ key, cert, ca: authority.cert })
    renewed = await authority.issue([new URL(dialing.local).hostname])
    const back = waiting.connection(dialing.local)
    dialing.handle('echo', (payload) => payload)
    let calls = 0
    const hasFresh = () => peer.stats().reconnects > 0 && back.stats().reconnects > 0
    const start = Date.now()
    while (!(hasFresh() && Date.now() - start > first.validMs + 500)) {
      await peer.request('echo', Buffer.of(1))
      calls++
      assert.ok(Date.now() - start < paced(20_000), 'it was renewed')
    }
    assert.ok(calls > 10)
    assert.deepEqual(states, [])
    assert.equal(peer.stats().reconnects, 1)
  })
})
