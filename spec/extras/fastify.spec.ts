/** `it-grid/fastify`: a grid on the server of a Fastify app, beside its routes and its other plugins, from its start to its end. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import websocket from '@fastify/websocket'
import fastify, { type FastifyInstance } from 'fastify'
import { type ConnDialer, silentLogger, single } from 'it-grid'
import { fastifyGrid } from 'it-grid/fastify'
import { WebSocket } from 'ws'
import { paced } from '../support/clock/pace.ts'
import { Gate } from '../support/gate.ts'
import { namesInOrder, secret } from '../support/grid/manager.ts'
import { rejection, Servers } from '../support/grid/servers.ts'
import { rawExchange, upgradeHead } from '../support/raw/http.ts'
import { settled, until } from '../support/until.ts'

const whoami = single<string, string>('whoami')

/** An app under the name `local`, and a server without Fastify that is its peer. */
async function appAndPeer(
  test: TestContext,
  [local, other] = namesInOrder() as readonly [string, string],
  ofApp: { readonly pluginTimeout?: number } = {}
) {
  const servers = new Servers(test)
  const hosts = [local, other]
  const peer = await servers.node(other, hosts)
  peer.manager.handle(whoami, (asker) => `${other} to ${asker}`)
  const app = fastify(ofApp)
  servers.onEnd(() => app.close())
  const options = { local, hosts, auth: secret, dialer: servers.dialer, logger: silentLogger }
  const listen = async () => {
    await app.listen({ port: 0, host: '127.0.0.1' })
    servers.urls.set(local, urlOf(app))
    return urlOf(app)
  }
  return { servers, app, peer, local, other, hosts, options, listen }
}

function urlOf(app: FastifyInstance): string {
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
}

/** The app dials its peer, or is dialed. */
const [first, second] = namesInOrder()
const orders = { dials: [first, second], 'is dialed': [second, first] } as const

describe('fastifyGrid', () => {
  for (const [order, names] of Object.entries(orders)) {
    it(`makes a grid that calls and is called beside the routes of the app, which ${order}`, async (test) => {
      const { app, peer, local, other, options, listen } = await appAndPeer(test, names)
      await app.register(fastifyGrid, options)
      app.grid.handle(whoami, (asker) => `${local} to ${asker}`)
      app.get('/ask', (request) => request.server.grid.connection(other).request(whoami, 'the app'))
      const url = await listen()
      await app.grid.waitForPeers()
      assert.equal(await (await fetch(`${url}/ask`)).text(), `${other} to the app`)
      assert.equal(await peer.manager.connection(local).request(whoami, 'a peer'), `${local} to a peer`)
      assert.equal((await fetch(`${url}/nothing`)).status, 404)
    })
  }

  it('takes a manager of yours, on the path that it was made with', async (test) => {
    const { app, servers, hosts, local, other, listen } = await appAndPeer(test, orders['is dialed'])
    const path = '/internal/grid'
    const grid = servers.manager({ local, hosts, path })
    await app.register(fastifyGrid, { grid, path })
    assert.equal(app.grid, grid)
    app.grid.handle(whoami, (asker) => `${local} to ${asker}`)
    await listen()
    const there = servers.manager({ local: other, hosts, path }).connection(local)
    assert.equal(await there.request(whoami, 'one', { waitForReady: true }), `${local} to one`)
  })

  it('is there for the whole app, or only inside of the plugin that registers it', async (test) => {
    const { app, options } = await appAndPeer(test)
    await app.register(async (inner) => {
      await inner.register(fastifyGrid, options)
      inner.get('/inner', async () => inner.grid.local)
    })
    await app.ready()
    assert.equal('grid' in app, false)
    assert.equal((await app.inject('/inner')).body, options.local)
  })

  it('dials nobody before the server listens, so a second copy whose port is taken disturbs nobody', async (test) => {
    const { app, servers, peer, other, options, listen } = await appAndPeer(test, orders.dials)
    const dialed: string[] = []
    const dialer: ConnDialer = (host, ...rest) => {
      dialed.push(host)
      return servers.dialer(host, ...rest)
    }
    await app.register(fastifyGrid, { ...options, dialer })
    await app.ready()
    await until(() => app.grid.connection(other).state === 'connecting', 'it would dial')
    const taken = await rejection(app.listen({ port: peer.server.port, host: '127.0.0.1' }))
    assert.equal(taken.code, 'EADDRINUSE')
    assert.deepEqual(dialed, [])
    await listen()
    await app.grid.waitForPeers()
    assert.deepEqual(dialed, [other])
  })

  it('logs to the log of the app, with the fields of each line', async (test) => {
    const lines: { msg: string; host?: string; level: number }[] = []
    const stream = { write: (line: string) => void lines.push(JSON.parse(line)) }
    const logging = fastify({ logger: { level: 'info', stream } })
    test.after(() => logging.close())
    const [local, other] = orders.dials
    const dialer = () => Promise.reject(new Error('no way there'))
    await logging.register(fastifyGrid, { local, hosts: [local, other], auth: secret, dialer })
    await logging.listen({ port: 0, host: '127.0.0.1' })
    await until(() => lines.some(({ msg, host }) => /no way there/.test(msg) && host === other), 'it is logged')
  })

  for (const [what, options, wrong] of [
    ['an option that there is not', { secret: 'x' }, /no option "secret" \(use auth: sharedSecret/],
    ['a wrong option', { dialer: 'x' }, /dialer/],
    ['a wrong time', { close: { timeout: Number.NaN } }, /close\.timeout of fastifyGrid must be/],
    ['no option at all', { local: undefined }, /local/]
  ] as const) {
    it(`refuses ${what} as the manager does`, async (test) => {
      const { app, options: right } = await appAndPeer(test)
      const wrongly = { ...right, ...options } as unknown as typeof right
      const error = await rejection(Promise.resolve(app.register(fastifyGrid, wrongly)).then(() => app.ready()))
      assert.equal(error.code, 'ERR_INVALID_OPTION')
      assert.match(error.message, wrong)
    })
  }

  it('refuses a wrong close when it is registered, not when it closes', async (test) => {
    const { app, options } = await appAndPeer(test)
    for (const [close, text] of [
      [5, /close of fastifyGrid must be an object/],
      [null, /close of fastifyGrid must be an object/],
      [{ timeoutMs: 5 }, /close of fastifyGrid has no option "timeoutMs"; it has timeout/]
    ] as const) {
      const wrongly = { ...options, close } as unknown as typeof options
      const error = await rejection(fastifyGrid(app, wrongly))
      assert.equal(error.code, 'ERR_INVALID_OPTION')
      assert.match(error.message, text)
    }
  })

  it('refuses a grid that is none, a closed one, and a second one', async (test) => {
    const { servers, options } = await appAndPeer(test)
    const attempt = async (...registered: object[]) => {
      const app = fastify()
      servers.onEnd(() => app.close())
      for (const each of registered) app.register(fastifyGrid, each as typeof options)
      return await rejection(app.ready())
    }
    assert.match((await attempt({ grid: {} })).message, /grid of fastifyGrid must be a Manager/)
    const closed = servers.manager({ local: 'http://a:1', hosts: ['http://a:1'] })
    await closed.close()
    assert.equal((await attempt({ grid: closed })).code, 'ERR_CLOSED')
    assert.equal((await attempt(options, options)).code, 'FST_ERR_DEC_ALREADY_PRESENT')
  })

  it('says which Fastify it is for', () => {
    assert.deepEqual(Reflect.get(fastifyGrid, Symbol.for('plugin-meta')), { name: 'it-grid', fastify: '5.x' })
  })
})

describe('fastifyGrid beside other users of upgrades', () => {
  for (const order of ['before', 'after'] as const) {
    it(`leaves those of @fastify/websocket alone, which is registered ${order} it, and keeps its own`, async (test) => {
      const { app, peer, local, options, listen } = await appAndPeer(test, orders['is dialed'])
      if (order === 'before') await app.register(websocket)
      await app.register(fastifyGrid, options)
      if (order === 'after') await app.register(websocket)
      // A hook that takes its time, so that an answer to the upgrade of the grid would come late.
      app.addHook('onRequest', () => new Promise((resolve) => setTimeout(resolve, 5)))
      app.grid.handle(whoami, (asker) => `${local} to ${asker}`)
      app.register(async (inner) => {
        inner.get('/chat', { websocket: true }, (socket) => {
          socket.on('message', (text) => socket.send(`heard ${text}`))
        })
      })
      const url = await listen()
      const there = peer.manager.connection(local)
      await there.waitForConnect()
      assert.equal(await there.request(whoami, 'a peer'), `${local} to a peer`)
      const chat = new WebSocket(`${url.replace('http', 'ws')}/chat`)
      await once(chat, 'open')
      chat.send('hello')
      assert.equal(String((await once(chat, 'message'))[0]), 'heard hello')
      assert.equal(await there.request(whoami, 'a peer'), `${local} to a peer`)
      assert.equal(there.stats().reconnects, 0)
      chat.terminate()
    })
  }

  it('answers requests on its path that are no upgrades, whatever they offer', async (test) => {
    const { app, options, listen } = await appAndPeer(test)
    await app.register(websocket)
    await app.register(fastifyGrid, options)
    await listen()
    const { port } = app.server.address() as AddressInfo
    assert.equal((await app.inject({ url: '/grid/v1', headers: { upgrade: 'websocket' } })).statusCode, 404)
    const old = upgradeHead('/grid/v1').replace('HTTP/1.1', 'HTTP/1.0')
    assert.equal((await rawExchange(port, old)).status, 404)
  })

  it('leaves a request that only offers another protocol to its route', async (test) => {
    const { app, options, listen } = await appAndPeer(test)
    await app.register(fastifyGrid, options)
    app.get('/plain', async () => 'plain')
    await listen()
    const { port } = app.server.address() as AddressInfo
    const request = httpRequest({ port, path: '/plain', headers: { Connection: 'Upgrade', Upgrade: 'h2c' } }).end()
    const [response] = await once(request, 'response')
    assert.equal(response.statusCode, 200)
    response.resume()
  })
})

describe('the end of a Fastify app with a grid', () => {
  it('lets HTTP requests that run call the grid, then drains it, then stops', async (test) => {
    const { app, peer, local, other, options, listen } = await appAndPeer(test)
    const [gate, closing] = [new Gate(), new Gate()]
    app.addHook('preClose', async () => closing.open())
    await app.register(fastifyGrid, options)
    app.grid.handle(whoami, async (asker, { draining }) => {
      await once(draining, 'abort')
      return `drained, ${asker}`
    })
    const started = new Gate()
    app.get('/late', async () => {
      started.open()
      await gate.opened
      return await app.grid.connection(other).request(whoami, 'late')
    })
    const url = await listen()
    await Promise.all([app.grid.waitForPeers(), peer.manager.waitForPeers()])
    const running = peer.manager.connection(local).request(whoami, 'peer')
    const late = fetch(`${url}/late`)
    await until(() => app.grid.stats().connections[0]?.session?.runningHandlers === 1, 'the call runs')
    await started.opened
    const closed = app.close()
    await closing.opened
    for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate)
    gate.open()
    assert.equal(await (await late).text(), `${other} to late`)
    assert.equal(await running, 'drained, peer')
    await closed
    assert.equal(app.server.listening, false)
    await assert.rejects(app.grid.connection(other).request(whoami, 'x'), { code: 'ERR_CLOSED' })
  })

  it('waits for no request that does not end, nor for a call, longer than it is told', async (test) => {
    const { app, peer, local, options, listen } = await appAndPeer(test)
    await app.register(fastifyGrid, { ...options, close: { timeout: 30 } })
    app.grid.handle(whoami, () => new Promise<string>(() => undefined))
    const started = new Gate()
    app.get('/endless', () => {
      started.open()
      return new Promise(() => undefined)
    })
    const url = await listen()
    await Promise.all([app.grid.waitForPeers(), peer.manager.waitForPeers()])
    const aborting = new AbortController()
    const endless = fetch(`${url}/endless`, { signal: aborting.signal })
    await started.opened
    const call = rejection(peer.manager.connection(local).request(whoami, 'peer'))
    const closed = app.close()
    assert.equal((await call).code, 'ERR_DISCONNECTED')
    aborting.abort()
    await rejection(endless)
    await closed
  })

  for (const [order, names] of Object.entries(orders)) {
    it(`drains it for longer than Fastify lets a hook take, without an error, where the app ${order}`, async (test) => {
      const { app, peer, local, options, listen } = await appAndPeer(test, names, { pluginTimeout: paced(1000) })
      await app.register(fastifyGrid, { ...options, close: { timeout: Number.POSITIVE_INFINITY } })
      const [started, gate] = [new Gate(), new Gate()]
      app.grid.handle(whoami, async () => {
        started.open()
        await gate.opened
        return 'late'
      })
      await listen()
      await Promise.all([app.grid.waitForPeers(), peer.manager.waitForPeers()])
      const call = peer.manager.connection(local).request(whoami, 'peer')
      await started.opened
      let isClosed = false
      const closed = app.close().then(() => {
        isClosed = true
      })
      await until(() => !app.server.listening, 'Fastify goes on')
      assert.equal(await settled(() => Number(isClosed)), 0, 'it waits for the grid')
      gate.open()
      assert.equal(await call, 'late')
      await closed
      assert.equal(app.grid.health().live, false)
    })
  }

  it('waits for no request whose client has gone while a hook before the grid looked at it', async (test) => {
    const { app, options, listen } = await appAndPeer(test)
    const [arrived, started] = [new Gate(), new Gate()]
    app.addHook('onRequest', async (_, { raw }) => {
      arrived.open()
      await once(raw, 'close')
    })
    await app.register(fastifyGrid, { ...options, close: { timeout: paced(30_000) } })
    app.get('/endless', () => {
      started.open()
      return new Promise(() => undefined)
    })
    const aborting = new AbortController()
    const lost = rejection(fetch(`${await listen()}/endless`, { signal: aborting.signal }))
    await arrived.opened
    aborting.abort()
    await Promise.all([lost, started.opened])
    const startMs = performance.now()
    await app.close()
    assert.ok(performance.now() - startMs < paced(15_000))
  })

  it('needs no listening server, nor a grid that is still open', async (test) => {
    const { app, options } = await appAndPeer(test)
    await app.register(fastifyGrid, options)
    await app.ready()
    await app.grid.close()
    await app.close()
  })
})
