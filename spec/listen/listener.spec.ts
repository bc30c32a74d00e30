/**
 * Upgrades on real HTTP servers: who is accepted, who is refused, with which words.
 * Routing between several listeners is in upgrade-hub.spec.ts.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { Socket } from 'node:net'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { Conn } from '../../lib/conn/conn.ts'
import { connectWS } from '../../lib/conn/connect-ws.ts'
import { silentLogger } from '../../lib/errors/logger.ts'
import { subprotocol } from '../../lib/errors/options.ts'
import { Listener, type ListenerOptions } from '../../lib/listen/listener.ts'
import { collect, each, message } from '../conn/suite.ts'
import { selfSigned } from '../support/network/certificates.ts'
import { listening, parsed, rawExchange, rawSocket, upgradeHead } from '../support/raw/http.ts'
import { until } from '../support/until.ts'

const path = '/grid/v1'

function dial(port: number, toPath = path, scheme = 'http', ca?: string): Promise<Conn> {
  const options = { signal: new AbortController().signal, path: toPath, maxConnMessageBytes: 100_000 }
  return connectWS({ tls: { ca } })(`${scheme}://127.0.0.1:${port}`, options)
}

describe('Listener', () => {
  let server: Server
  let port: number
  let conns: Conn[]
  let listeners: Listener[]
  let namesBefore: (string | symbol)[]

  function listener(options: Partial<ListenerOptions> = {}): Listener {
    const made = new Listener({
      path,
      maxConnMessageBytes: 100_000,
      onTlsRefused: () => undefined,
      onListening: () => undefined,
      onConn: (conn) => conns.push(conn),
      logger: silentLogger,
      ...options
    })
    listeners.push(made)
    return made
  }

  async function accepted(count = 1): Promise<Conn> {
    await until(() => conns.length === count, `${count} conns are accepted`)
    return conns.at(-1) as Conn
  }

  beforeEach(async () => {
    conns = []
    listeners = []
    server = createServer()
    namesBefore = server.eventNames()
    port = await listening(server)
  })

  afterEach(async () => {
    for (const made of listeners) made.close()
    server.removeAllListeners('request')
    assert.deepEqual(server.eventNames(), namesBefore)
    for (const conn of conns) conn.abort(new Error('the spec is over'))
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })

  it('hands on a conn, whatever the query', async () => {
    listener().attach(server)
    const conn = await dial(port, `${path}?from=node-2`)
    const remote = await accepted()
    assert.equal(remote.secure, false)
    assert.match(remote.remoteAddress, /^127\.0\.0\.1:\d+$/)
    await conn.sink(each([message(100, 1)]))
    conn.close()
    assert.deepEqual(await collect(remote), [message(100, 1)])
  })

  it('hands on a secure conn from an https server', async () => {
    const certificate = await selfSigned(['127.0.0.1'])
    const secureServer = createSecureServer(certificate)
    const securePort = await listening(secureServer)
    const detach = listener().attach(secureServer)
    const conn = await dial(securePort, path, 'https', certificate.ca)
    const remote = await accepted()
    assert.deepEqual([conn.secure, remote.secure], [true, true])
    conn.abort(new Error('the spec is over'))
    detach()
    secureServer.close()
  })

  it('tells of certificates that TLS refused here, and not of those that a stranger refused there', () => {
    const refused: string[] = []
    const secureServer = createSecureServer()
    const detach = listener({ onTlsRefused: (code) => refused.push(code) }).attach(secureServer)
    for (const code of ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN', 'CERT_HAS_EXPIRED', 'ECONNRESET']) {
      secureServer.emit(
        'tlsClientError',
        Object.assign(new Error(code), { code }),
        new Socket().on('error', () => undefined)
      )
    }
    assert.deepEqual(refused, ['CERT_HAS_EXPIRED'])
    detach()
  })

  const refusals: [string, number, RegExp, Record<string, string | undefined>][] = [
    ['an Origin', 403, /Origin/, { Origin: 'https://evil.example' }],
    ['no subprotocol', 400, /it-grid\.v1 must be offered/, { 'Sec-WebSocket-Protocol': undefined }],
    ['another subprotocol', 400, /it-grid\.v1 must be offered/, { 'Sec-WebSocket-Protocol': 'it-grid.v0, chat' }],
    ['no key', 400, /Sec-WebSocket-Key/, { 'Sec-WebSocket-Key': undefined }],
    ['an unknown version', 400, /Sec-WebSocket-Version/, { 'Sec-WebSocket-Version': '7' }]
  ]
  for (const [what, status, text, headers] of refusals) {
    it(`refuses an upgrade with ${what} with ${status} and says why`, async () => {
      listener().attach(server)
      const response = await rawExchange(port, upgradeHead(path, headers))
      assert.equal(response.status, status)
      assert.match(response.body, text)
      assert.match(response.head, /Connection: close/)
      assert.match(response.head, new RegExp(`Content-Length: ${Buffer.byteLength(response.body)}\\b`))
      assert.equal(conns.length, 0)
    })
  }

  it('accepts an Origin that is allowed, and one subprotocol of several', async () => {
    listener({ allowOrigin: (origin) => origin === 'https://good.example' }).attach(server)
    const socket = await rawSocket(port)
    const several = `chat, ${subprotocol}`
    socket.write(upgradeHead(path, { Origin: 'https://good.example', 'Sec-WebSocket-Protocol': several }))
    const [head] = await once(socket, 'data')
    assert.match(String(head), /^HTTP\/1\.1 101 .*Sec-WebSocket-Protocol: it-grid\.v1\r\n/s)
    socket.destroy()
    const response = await rawExchange(port, upgradeHead(path, { Origin: 'null' }))
    assert.equal(response.status, 403)
  })

  it('refuses an Origin when the function that decides throws, and logs that', async () => {
    const errors: string[] = []
    const allowOrigin = (): boolean => {
      throw new Error('no list')
    }
    listener({ allowOrigin, logger: { ...silentLogger, error: (text) => errors.push(text) } }).attach(server)
    assert.equal((await rawExchange(port, upgradeHead(path, { Origin: 'https://x.example' }))).status, 403)
    assert.match(errors.join(), /no list/)
  })

  it('takes upgrades that the user routes himself, and refuses other paths and those after close', async () => {
    const routed = listener()
    server.on('upgrade', (request, socket, head) => routed.handleUpgrade(request, socket, head))
    const conn = await dial(port)
    await accepted()
    conn.abort(new Error('the spec is over'))
    assert.equal((await rawExchange(port, upgradeHead('/other'))).status, 404)
    routed.close()
    const response = await rawExchange(port, upgradeHead(path))
    assert.deepEqual([response.status, response.body], [503, 'this server is shutting down\n'])
    server.removeAllListeners('upgrade')
  })

  it('does not touch conns that it handed on when it closes', async () => {
    const closing = listener()
    closing.attach(server)
    const conn = await dial(port)
    const remote = await accepted()
    closing.close()
    await conn.sink(each([message(10, 1)]))
    conn.close()
    assert.deepEqual(await collect(remote), [message(10, 1)])
  })

  it('survives a refused peer that resets or goes on sending', async () => {
    listener().attach(server)
    const resetting = await rawSocket(port)
    resetting.write(upgradeHead(path, { Origin: 'x' }))
    resetting.resetAndDestroy()
    const flooding = await rawSocket(port)
    flooding.write(upgradeHead(path, { Origin: 'x' }))
    flooding.write(Buffer.alloc(1024 * 1024))
    const [answer] = await once(flooding, 'data')
    assert.equal(parsed(String(answer)).status, 403)
    await until(() => flooding.destroyed || flooding.readableEnded, 'the flooding socket is cut off')
    flooding.destroy()
    const conn = await dial(port)
    conn.abort(new Error('the spec is over'))
  })
})
