/**
 * A manager as a guest on the HTTP server of an app: whatever is not a WebSocket upgrade on our path has the outcome that it
 * has without us. The same bytes are sent to two servers of one kind, of which one has a manager attached.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import http2 from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import net, { type Socket } from 'node:net'
import { afterEach, beforeEach, describe, it, type TestContext } from 'node:test'
import tls from 'node:tls'
import { WebSocketServer } from 'ws'
import { connectWS, type Manager } from '../../lib/index.ts'
import type { HttpServer } from '../../lib/listen/http-server.ts'
import { paced } from '../support/clock/pace.ts'
import { LogBook, namesInOrder, testManager } from '../support/grid/manager.ts'
import { selfSigned } from '../support/network/certificates.ts'
import { MarkdownFile } from '../support/pages/markdown.ts'
import { listening, rawExchange, rawSocket, upgradeHead } from '../support/raw/http.ts'
import { until } from '../support/until.ts'

const certificate = await selfSigned(['127.0.0.1'])
/** For specs without a handshake: a busy machine takes longer for one. */
const quick = { limits: { handshakeTimeoutMs: paced(50) } }
const [dialerName, local] = namesInOrder()

/** Says what arrived, and ends its answers with a mark. */
async function app(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = ''
  for await (const chunk of request) body += chunk
  const { method, url, headers } = request
  response.setHeader('Date', 'today').end(`${method} ${url} ${headers.upgrade} "${body}"<end>`)
}

const kinds: [string, (listener?: RequestListener) => HttpServer][] = [
  ['http', (listener) => createServer(listener)],
  ['https', (listener) => createHttpsServer(certificate, listener)],
  [
    'http2 with allowHTTP1',
    (listener) => http2.createSecureServer({ ...certificate, allowHTTP1: true }, listener as never)
  ]
]

/** What is opened in a spec is closed at its end. */
class Guests {
  readonly #ends: (() => unknown)[] = []

  manager(options: object = {}): Manager {
    const manager = testManager({ local, hosts: [dialerName, local], ...options })
    manager.handle('echo', (payload) => payload)
    this.#ends.unshift(() => manager.close({ timeout: 0 }))
    return manager
  }

  async listen(server: HttpServer): Promise<number> {
    this.#ends.push(() => {
      if ('closeAllConnections' in server) server.closeAllConnections()
      server.close()
    })
    return await listening(server as never)
  }

  async socket(server: HttpServer, port: number, alpn?: string): Promise<Socket> {
    const isTls = server instanceof tls.Server
    const ca = certificate.ca
    const socket = isTls
      ? tls.connect({ port, host: '127.0.0.1', ca, ...(alpn === undefined ? {} : { ALPNProtocols: [alpn] }) })
      : net.connect(port, '127.0.0.1')
    this.#ends.unshift(() => socket.destroy())
    await once(socket, isTls ? 'secureConnect' : 'connect')
    return socket.on('error', () => socket.destroy())
  }

  /** What a request of a peer gives. */
  async call(server: HttpServer, port: number): Promise<string> {
    const url = `${server instanceof tls.Server ? 'https' : 'http'}://127.0.0.1:${port}`
    const connect = connectWS({ tls: { ca: certificate.ca } })
    const dialer = this.manager({
      local: dialerName,
      limits: {},
      dialer: (_: string, dial: never) => connect(url, dial)
    })
    const answer = await dialer.connection(local).request('echo', Buffer.from('hi'), { waitForReady: true })
    return Buffer.from(answer).toString()
  }

  async end(): Promise<void> {
    for (const end of this.#ends.splice(0)) await end()
  }
}

let guests: Guests
beforeEach(() => {
  guests = new Guests()
})
afterEach(() => guests.end())

/** All that comes. Each part is one request or more, and is sent when the one before it is answered. */
async function answers(socket: Socket, parts: readonly string[]): Promise<string> {
  let all = ''
  socket.on('data', (chunk: Buffer) => {
    all += chunk.toString('latin1')
  })
  const count = (text: string, what: string) => text.split(what).length - 1
  let requests = 0
  for (const part of parts) {
    requests += count(part, ' HTTP/1.')
    socket.write(part)
    await until(() => count(all, '<end>') >= requests || socket.readableEnded, `${requests} are answered`)
  }
  return all
}

const offer = (upgrade: string, path = '/', connection = 'Upgrade', rest = '\r\n') =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: ${connection}\r\nUpgrade: ${upgrade}\r\n${rest}`
const body = 'Content-Length: 5\r\n\r\nhello'
const chunked = 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'
const plain = 'GET /plain HTTP/1.1\r\nHost: x\r\n\r\n'

const offers: [string, string[]][] = [
  ['an h2c offer', [offer('h2c', '/', 'Upgrade, HTTP2-Settings', 'HTTP2-Settings: AAMAAABkAAQ\r\n\r\n')]],
  ['an h2c offer with a body', [offer('h2c', '/', 'Upgrade', body)]],
  ['an h2c offer with a body in chunks', [offer('h2c', '/', 'Upgrade', chunked)]],
  ['an h2c offer that expects 100-continue', [offer('h2c', '/', 'Upgrade', `Expect: 100-continue\r\n${body}`)]],
  ['an h2c offer on our path', [offer('h2c', '/grid/v1')]],
  ['a TLS/1.0 offer', [offer('TLS/1.0', '/', 'keep-alive, Upgrade')]],
  ['a WebSocket upgrade on another path', [upgradeHead('/chat')]],
  ['a WebSocket upgrade on our path in HTTP/1.0', [upgradeHead('/grid/v1').replace('HTTP/1.1', 'HTTP/1.0')]],
  ['one offer behind another on one socket', [offer('h2c', '/', 'keep-alive, Upgrade', body), offer('h2c'), plain]],
  ['an offer right behind a request', [`${plain}${offer('h2c')}`]]
]

for (const [kind, createApp] of kinds) {
  describe(`a guest on an ${kind} server`, { concurrency: 1 }, () => {
    for (const [what, parts] of offers) {
      it(`leaves to the app ${what}, before and after peers came, after it left, and when it is back`, async () => {
        const [alone, shared] = [createApp(app), createApp(app)]
        const [alonePort, port] = [await guests.listen(alone), await guests.listen(shared)]
        const older = await guests.socket(shared, port)
        await answers(older, [plain])
        const detach = guests.manager().attach(shared)
        const expected = await answers(await guests.socket(alone, alonePort), parts)
        assert.match(expected, /<end>/)
        assert.equal(await answers(await guests.socket(shared, port), parts), expected)
        assert.equal(await answers(older, parts), expected)
        assert.equal(await guests.call(shared, port), 'hi')
        assert.equal(await answers(await guests.socket(shared, port), parts), expected)
        const between = await guests.socket(shared, port)
        assert.equal(await answers(between, parts), expected)
        detach()
        assert.equal(await answers(await guests.socket(shared, port), parts), expected)
        guests.manager().attach(shared)
        const open = /Connection: close/.test(expected) ? [] : [older, between]
        for (const socket of open) assert.equal(await answers(socket, parts), expected)
      })
    }

    it('leaves alone who takes longer than a handshake may: silent sockets, slow heads, slow requests', async () => {
      const server = createApp(app)
      const port = await guests.listen(server)
      guests.manager(quick).attach(server)
      const silent = await guests.socket(server, port)
      const slow = await guests.socket(server, port)
      const answered = once(slow, 'data')
      const halves = ['POST / HTTP/1.1\r\nHost', ': x\r\nContent-Length: 5\r\n\r\nhe', 'llo']
      for (const half of halves) {
        slow.write(half)
        const since = performance.now()
        if (half !== 'llo')
          await until(() => performance.now() - since > 2 * quick.limits.handshakeTimeoutMs, 'time has passed')
      }
      const [answer] = await answered
      assert.match(String(answer), /"hello"<end>/)
      assert.match(await answers(silent, [plain]), /GET \/plain/)
    })

    it('takes upgrades on its path whose target is a whole URL', async () => {
      const server = createApp(app)
      const port = await guests.listen(server)
      guests.manager().attach(server)
      const socket = await guests.socket(server, port)
      socket.write(upgradeHead(`HTTP://node-1:${port}/grid/v1?from=proxy`))
      const [head] = await once(socket, 'data')
      assert.match(String(head), /^HTTP\/1\.1 101 /)
    })

    it('is left as it was, whatever was attached to it', async () => {
      const server = createApp(app)
      const names = () => server.eventNames().map((name) => [name, server.listeners(name)])
      const before = names()
      const [one, two] = [guests.manager().attach(server), guests.manager({ path: '/grid/two' }).attach(server)]
      one()
      two()
      assert.deepEqual(names(), before)
      guests.manager().attach(server)
      assert.equal(await guests.call(server, await guests.listen(server)), 'hi')
    })

    it('lets peers in beside a ws server of { noServer: true } and a listener that leaves our path alone', async () => {
      const server = createApp(app)
      const chat = new WebSocketServer({ noServer: true })
      const listen = () =>
        server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
          if (request.url === '/chat') chat.handleUpgrade(request, socket, head, (ws) => ws.send('welcome'))
        })
      listen()
      guests.manager().attach(server)
      const port = await guests.listen(server)
      assert.equal(await guests.call(server, port), 'hi')
      const socket = await guests.socket(server, port)
      socket.write(upgradeHead('/chat'))
      let all = ''
      socket.on('data', (chunk) => {
        all += chunk
      })
      await until(() => all.includes('welcome'), 'the chat is served')
    })
  })
}

it('the `upgrade` listener of the page lets peers in, serves its own path, and lets nobody wait', async () => {
  const code =
    new MarkdownFile('docs/http-server.md').text.match(/ {2}server\.on\('upgrade'[\s\S]*?\n {2}\}\)\n/)?.[0] ?? ''
  for (const order of ['before', 'after']) {
    const server = createServer(app)
    const chat = new WebSocketServer({ noServer: true }).on('connection', (ws) => ws.send('welcome'))
    if (order === 'after') guests.manager().attach(server)
    new Function('server', 'chat', code)(server, chat)
    if (order === 'before') guests.manager().attach(server)
    const port = await guests.listen(server)
    assert.equal(await guests.call(server, port), 'hi')
    for (const refused of [offer('h2c'), offer('h2c', '/chat'), offer('TLS/1.0'), upgradeHead('/other')]) {
      assert.equal((await rawExchange(port, refused)).status, 400)
    }
    const socket = await guests.socket(server, port)
    socket.write(upgradeHead('/chat?room=1'))
    let all = ''
    socket.on('data', (chunk) => {
      all += chunk
    })
    await until(() => all.includes('welcome'), 'the chat is served')
    assert.equal(await guests.call(server, port), 'hi')
  }
})

describe('a guest beside listeners that answer upgrades of all paths', () => {
  const other: [string, (server: HttpServer) => unknown][] = [
    ['a ws server with { server, path }', (server) => new WebSocketServer({ server: server as never, path: '/chat' })],
    ['a ws server with { server }', (server) => new WebSocketServer({ server: server as never })],
    [
      'a listener that destroys what it does not know',
      (server) => server.on('upgrade', (_, socket) => socket.destroy())
    ]
  ]
  for (const [what, add] of other) {
    for (const order of ['before', 'after']) {
      it(`says once what is wrong with ${what}, attached ${order} it`, async () => {
        const server = createServer(app)
        const log = new LogBook()
        if (order === 'after') add(server)
        guests.manager({ logger: log }).attach(server)
        if (order === 'before') add(server)
        const port = await guests.listen(server)
        for (const _ of [1, 2]) {
          const socket = await rawSocket(port)
          socket.on('data', () => socket.destroy()).write(upgradeHead('/grid/v1'))
          await once(socket, 'close')
        }
        await until(() => log.lines.length > 0, 'it is said')
        assert.equal(log.warnings(/another 'upgrade' listener of this HTTP server.*\/grid\/v1.*noServer/).length, 1)
      })
    }
  }
})

describe('a guest on an http2 server', () => {
  it('leaves its HTTP/2 sessions and streams alone, also where the app listens to streams', async () => {
    const server = http2.createSecureServer({ ...certificate, allowHTTP1: true })
    server.on('stream', (stream) => stream.end('stream'))
    guests.manager(quick).attach(server)
    const port = await guests.listen(server)
    const session = http2.connect(`https://127.0.0.1:${port}`, { ca: certificate.ca })
    const get = async () => {
      let all = ''
      for await (const chunk of session.request({ ':path': '/grid/v1' }).setEncoding('utf8')) all += chunk
      return all
    }
    assert.equal(await get(), 'stream')
    const since = performance.now()
    await until(() => performance.now() - since > 3 * quick.limits.handshakeTimeoutMs, 'the session was idle for long')
    assert.equal(await get(), 'stream')
    session.destroy()
  })
})

describe('attach', () => {
  const wrong: [string, () => unknown, RegExp][] = [
    ['an Express app', () => () => {}, /is a function \(an Express app\?\): give what app\.listen\(\) or/],
    ['an HTTP/2 server', () => http2.createServer(), /is an HTTP\/2 server.* allowHTTP1: true/],
    ['a secure HTTP/2 server without HTTP/1', () => http2.createSecureServer(certificate), /is an HTTP\/2 server/],
    ['a Fastify instance', () => ({ server: createServer() }), /is an object that has one: give its "server"/],
    ['a TCP server', () => net.createServer(), /is a server without HTTP: .*incomingConn\(duplexConn\(socket\)\)/],
    ['nothing', () => undefined, /is undefined$/],
    ['a port', () => 8080, /is 8080$/],
    ['an object', () => ({ on: () => {} }), /is an object: give what http\.createServer\(\) returns/]
  ]
  for (const [what, make, text] of wrong) {
    it(`refuses ${what} and says what to give`, () => {
      assert.throws(() => guests.manager().attach(make() as never), { code: 'ERR_INVALID_OPTION', message: text })
    })
  }

  it('to a server that is served by nobody else answers what merely offers an upgrade, and cuts who is silent when left', async (test: TestContext) => {
    const server = createServer()
    const detach = guests.manager().attach(server)
    const port = await guests.listen(server)
    assert.equal((await rawExchange(port, offer('h2c'))).status, 404)
    assert.equal((await rawExchange(port, offer('h2c', '/grid/v1'))).status, 426)
    const accepted = once(server, 'connection')
    const silent = await rawSocket(port)
    test.after(() => silent.destroy())
    await accepted
    const closed = new Promise((resolve) => {
      silent.resume().once('close', resolve)
    })
    detach()
    server.close()
    await Promise.all([closed, once(server, 'close')])
  })
})
