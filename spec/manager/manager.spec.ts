/**
 * The manager by itself: its options, its handlers, and how it shares HTTP servers with others.
 */

import assert from 'node:assert/strict'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { describe, it } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import {
  ClosedError,
  connectDuplex,
  connectWS,
  HandlerExistsError,
  InvalidOptionError,
  Manager,
  type ManagerOptions,
  silentLogger,
  single,
  UnknownHostError
} from '../../lib/index.ts'
import { namesInOrder, secret } from '../support/grid/manager.ts'
import { rejection, Servers } from '../support/grid/servers.ts'
import { refusalOf } from '../support/raw/dialer.ts'
import { until } from '../support/until.ts'

const good: ManagerOptions = { local: 'http://a:1', hosts: ['http://a:1'], auth: secret }
const who = single<void, string>('who')

describe('the options of a manager', () => {
  const wrong: [what: string, options: object, text: RegExp][] = [
    ['local that is missing', { local: undefined }, /^local is required: it must be the name of this server/],
    ['local without a scheme', { local: 'node-1:9000' }, /node-1:9000/],
    ['local with a scheme of another protocol', { local: 'ftp://node-1' }, /ftp:\/\/node-1.*must start with/],
    ['local with a path', { local: 'http://node-1/grid' }, /without credentials, path/],
    ['local with credentials', { local: 'http://me:pw@node-1' }, /without credentials/],
    ['hosts that are missing', { hosts: undefined }, /^hosts is required: it must be an iterable/],
    ['hosts that are one string', { hosts: 'http://a:1' }, /hosts must be an iterable/],
    ['hosts that cannot be iterated', { hosts: {} }, /hosts must be an iterable/],
    ['a host that is no origin', { hosts: ['http://a:1', 'b:1'] }, /host "b:1"/],
    ['a host that is a number', { hosts: [1] }, /^hosts: host must be a string; it is 1$/],
    ['auth that is missing', { auth: undefined }, /auth is required/],
    ['auth without verify', { auth: { prove() {} } }, /^auth must be sharedSecret/],
    ['a path without a slash', { path: 'grid' }, /path/],
    ['an empty path', { path: '' }, /path/],
    ['a path with a query', { path: '/grid?v=1' }, /path/],
    ['a path that a URL would spell in another way', { path: '/grid v1' }, /path/],
    ['a path that is no string', { path: 1 }, /path/],
    [
      'a limit that does not exist',
      { limits: { maxMessages: 1 } },
      /limits has no option "maxMessages" .*; it has max/
    ],
    ['a limit of 0', { limits: { maxFragments: 0 } }, /limits\.maxFragments/],
    ['a limit that is no number', { limits: { maxFragments: '1' } }, /limits\.maxFragments/],
    ['a limit that is not whole', { limits: { maxNameBytes: 1.5 } }, /limits\.maxNameBytes/],
    ['a time that no timer can count', { limits: { handshakeTimeoutMs: 2 ** 31 } }, /limits\.handshakeTimeoutMs/],
    ['limits that are no object', { limits: null }, /limits/],
    ['a keep-alive option that does not exist', { keepAlive: { interval: 1 } }, /keepAlive has no option "interval"/],
    ['a keep-alive interval below 0', { keepAlive: { intervalMs: -1 } }, /keepAlive\.intervalMs/],
    ['a keep-alive interval of NaN', { keepAlive: { intervalMs: Number.NaN } }, /keepAlive\.intervalMs/],
    ['a reconnect option that does not exist', { reconnect: { __proto__x: 1 } }, /reconnect has no option/],
    ['an endless reconnect delay', { reconnect: { maxDelayMs: Number.POSITIVE_INFINITY } }, /reconnect\.maxDelayMs/],
    ['a dialer that is no function', { dialer: {} }, /dialer/],
    ['connectWS that was not called', { dialer: connectWS }, /dialer must be what connectWS\(\) .* \(call it\), or/],
    [
      'connectDuplex that was not called',
      { dialer: connectDuplex },
      /connectDuplex\(connect\) returns \(call it\), or/
    ],
    ['a logger without a method', { logger: { warn() {} } }, /logger/],
    ['a checksum that is no boolean', { checksum: 'crc32' }, /checksum/],
    ['an allowOrigin that is no function', { allowOrigin: ['https://a'] }, /allowOrigin/]
  ]
  for (const [what, options, text] of wrong) {
    it(`refuse ${what}, and name it`, () => {
      const construct = () => new Manager({ ...good, logger: silentLogger, ...options } as ManagerOptions)
      assert.throws(construct, (error: Error) => {
        assert.ok(error instanceof InvalidOptionError, `${error.name}: ${error.message}`)
        assert.match(error.message, text)
        assert.doesNotMatch(error.message, /pw/)
        return true
      })
    })
  }

  it('take undefined as the default', async () => {
    const manager = new Manager({ ...good, limits: { maxFragments: undefined }, path: undefined, keepAlive: undefined })
    await manager.close()
  })
})

describe('connection()', () => {
  it('finds a host by any spelling of its name', async (test) => {
    const hosts = ['https://Node-1', 'wss://node-2:443', 'http://b\u00fccher:8080', 'ws://node-3:80/']
    const manager = new Servers(test).manager({ local: 'https://node-1:443', hosts })
    assert.deepEqual(manager.hosts, ['https://node-2', 'http://xn--bcher-kva:8080', 'http://node-3'])
    const spellings = ['https://NODE-2/', 'wss://node-2', 'https://node-2:443']
    for (const name of spellings) assert.equal(manager.connection(name), manager.connections[0])
    assert.equal(manager.connection('ws://B\u00dcCHER:8080'), manager.connections[1])
  })

  it('throws UnknownHostError for a host that is not there, in any spelling', (test) => {
    const manager = new Servers(test).manager({ local: 'https://node-1', hosts: ['https://node-2'] })
    const ofUnknown = { name: 'UnknownHostError', message: /https:\/\/node-3 is not among the hosts/ }
    assert.throws(() => manager.connection('wss://node-3:443'), ofUnknown)
    assert.throws(() => manager.connection('https://NODE-3'), UnknownHostError)
    assert.throws(() => manager.connection('node-2'), InvalidOptionError)
  })

  it('says which host is there that an unknown one is like, to those that call, that dial, and that list it', async (test) => {
    const servers = new Servers(test)
    const [local, other] = ['http://127.0.0.1:9000', 'http://localhost:9000']
    const { manager, log, server } = await servers.node(local, [other])
    const hint =
      /; there is http:\/\/(?:localhost|127\.0\.0\.1):9000: a server has one name, in all lists and as its own/
    assert.throws(() => manager.connection('http://[::1]:9000'), { message: hint })
    assert.match(log.lines.join('\n'), new RegExp(`hosts does not name this server, ${local} .*${hint.source}`))
    const { reason, message } = await refusalOf(server.url, { host: 'http://[::1]:9000', remote: local })
    assert.equal(reason, 'unknownHost')
    assert.match(message, hint)
  })
})

describe('handlers', () => {
  it('are taken once per id and subroute', (test) => {
    const manager = new Servers(test).manager(good)
    manager.handle('echo', (payload) => payload)
    assert.throws(() => manager.handle('echo', (payload) => payload), HandlerExistsError)
    assert.throws(() => manager.handle(single('echo'), () => undefined), {
      code: 'ERR_HANDLER_EXISTS',
      message: /echo/
    })
    manager.handle('echo', (payload) => payload, { subroute: 'disk1' })
    const again = () => manager.handle('echo', (payload) => payload, { subroute: 'disk1' })
    assert.throws(again, { name: 'HandlerExistsError', message: /"echo" under "disk1"/ })
    assert.equal(manager.stats().handlerCount, 2)
  })

  it('are refused without a function, an id, or with a name that cannot travel', (test) => {
    const manager = new Servers(test).manager({ ...good, limits: { maxNameBytes: 8 } })
    const echo = (payload: Uint8Array) => payload
    assert.throws(() => manager.handle('echo', undefined as unknown as typeof echo), InvalidOptionError)
    for (const id of ['', 'a\0b', 'much too long']) assert.throws(() => manager.handle(id, echo), InvalidOptionError)
    assert.throws(() => manager.handle('echo', echo, { subroute: 'much too long' }), InvalidOptionError)
    assert.equal(manager.stats().handlerCount, 0)
  })

  it('can be called whether they were registered before or after connecting', async (test) => {
    const { dialer, there, back, listener } = await new Servers(test).pair()
    listener.manager.handle('before', () => Buffer.from('before'))
    await there.waitForConnect()
    const textOf = async (answer: Promise<Uint8Array>) => Buffer.from(await answer).toString()
    assert.equal(await textOf(there.request('before')), 'before')
    listener.manager.handle('after', () => Buffer.from('after'))
    dialer.manager.handle('after', () => Buffer.from('after, too'))
    const known = async () => (await there.request('after').catch(() => '')) !== ''
    await until(known, 'the dialer knows of it')
    assert.equal(await textOf(there.request('after')), 'after')
    await until(async () => (await back.request('after').catch(() => '')) !== '', 'the listener knows of it')
    assert.equal(await textOf(back.request('after')), 'after, too')
  })

  it('with one id under different subroutes are different handlers', async (test) => {
    const { there, listener } = await new Servers(test).pair()
    for (const subroute of ['', 'disk1', 'disk1/meta']) {
      listener.manager.handle(who, (_, context) => `${subroute}|${context.subroute}`, { subroute })
    }
    await there.waitForConnect()
    assert.equal(await there.request(who), '|')
    assert.equal(await there.subroute('disk1').request(who), 'disk1|disk1')
    assert.equal(await there.subroute('disk1').subroute('meta').request(who), 'disk1/meta|disk1/meta')
    const error = await rejection(there.subroute('disk2').request(who))
    assert.match(error.message, /no handler "who" under "disk2"/)
  })
})

describe('managers on an HTTP server', () => {
  it('under different paths have each their own grid', async (test) => {
    const servers = new Servers(test)
    const [a, b] = namesInOrder()
    const left = await servers.listen()
    const right = await servers.listen()
    servers.urls.set(a, left.url).set(b, right.url)
    const made = ['/one', '/two'].map((path) => {
      const managers = [a, b].map((local) => servers.manager({ local, hosts: [a, b], path }))
      for (const manager of managers) manager.handle(who, () => `${manager.local} on ${path}`)
      managers[0]?.attach(left.http)
      managers[1]?.attach(right.http)
      return managers as [Manager, Manager]
    })
    for (const [at, path] of ['/one', '/two'].entries()) {
      const [from, to] = made[at] as [Manager, Manager]
      await Promise.all([from.connection(b).waitForConnect(), to.connection(a).waitForConnect()])
      assert.equal(await from.connection(b).request(who), `${b} on ${path}`)
      assert.equal(await to.connection(a).request(who), `${a} on ${path}`)
    }
    assert.equal(right.upgrades, 2)
    await made[0]?.[1].close()
    assert.equal(await made[1]?.[0].connection(b).request(who), `${b} on /two`)
  })

  it('under one path are refused', async (test) => {
    const servers = new Servers(test)
    const server = await servers.listen()
    servers.manager(good).attach(server.http)
    assert.throws(() => servers.manager(good).attach(server.http), {
      name: 'InvalidOptionError',
      message: /\/grid\/v1/
    })
  })

  it('leave the requests and upgrades of others alone, and no listener behind', async (test) => {
    const { listener, there } = await new Servers(test).pair()
    const { http, url } = listener.server
    const others = new WebSocketServer({ noServer: true })
    http.on('request', (_request, response) => response.end('mine'))
    const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (request.url === '/chat') others.handleUpgrade(request, socket, head, (ws) => ws.send('welcome'))
    }
    http.on('upgrade', onUpgrade)
    assert.equal(await textOf(`${url}/`), 'mine')
    assert.equal(await firstMessage(`${url}/chat`), 'welcome')
    await there.waitForConnect()
    await listener.manager.close()
    assert.equal(await firstMessage(`${url}/chat`), 'welcome')
    assert.deepEqual([http.listenerCount('upgrade'), http.listenerCount('request')], [1, 1])
    assert.throws(() => listener.manager.attach(http), ClosedError)
  })

  it('take the upgrades that are handed to them', async (test) => {
    const servers = new Servers(test)
    const [a, b] = namesInOrder()
    const server = await servers.listen()
    servers.urls.set(b, server.url)
    const listener = servers.manager({ local: b, hosts: [a] })
    server.http.on('upgrade', (request, socket, head) => {
      if (request.url === '/grid/v1') listener.handleUpgrade(request, socket, head)
      else socket.end('HTTP/1.1 418 Not Ours\r\n\r\n')
    })
    await servers
      .manager({ local: a, hosts: [b] })
      .connection(b)
      .waitForConnect()
    await assert.rejects(firstMessage(`${server.url}/chat`), /418/)
    assert.equal(listener.connection(a).state, 'connected')
    assert.equal(server.http.listenerCount('upgrade'), 1)
  })
})

it('a manager closes at the end of its scope with await using', async (test) => {
  const { there, dialer } = await new Servers(test).pair()
  await there.waitForConnect()
  {
    await using manager = dialer.manager
    assert.equal(manager.connections[0]?.state, 'connected')
  }
  assert.equal(there.state, 'closed')
  assert.equal(dialer.manager.stats().connections[0]?.session, undefined)
})

function textOf(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest(url, { agent: false }, (response) => {
      response.setEncoding('utf8')
      response.on('data', resolve)
    })
    asked.on('error', reject).end()
  })
}

async function firstMessage(url: string): Promise<string> {
  const ws = new WebSocket(url.replace('http', 'ws'))
  try {
    return await new Promise((resolve, reject) => {
      ws.on('message', (data) => resolve(String(data))).on('error', reject)
    })
  } finally {
    ws.terminate()
  }
}
