/**
 * Several paths, foreign listeners and plain requests on one real HTTP server.
 * The routes here answer with a word each; the real ones are in listener.spec.ts.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { refuseUpgrade, serveUpgrades } from '../../lib/listen/upgrade-hub.ts'
import { listening, rawExchange, rawSocket, upgradeHead } from '../support/raw/http.ts'
import { until } from '../support/until.ts'

/** A route that answers with a word of its own. */
function route(word: string, onAnsweredByOther = () => {}) {
  return {
    onUpgrade: (_request: IncomingMessage, socket: Duplex) => refuseUpgrade(socket, 418, word),
    onAnsweredByOther
  }
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`

describe('serveUpgrades', () => {
  let server: Server
  let port: number
  let namesBefore: (string | symbol)[]

  beforeEach(async () => {
    server = createServer()
    namesBefore = server.eventNames()
    port = await listening(server)
  })

  afterEach(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })

  it('routes upgrades of one server by path, with one listener for all', async () => {
    const detachOne = serveUpgrades(server, '/one', route('first'))
    const detachTwo = serveUpgrades(server, '/two', route('second'))
    assert.deepEqual([server.listenerCount('upgrade'), server.listenerCount('request')], [1, 1])
    assert.equal((await rawExchange(port, upgradeHead('/one?x=/two'))).body, 'first\n')
    assert.equal((await rawExchange(port, upgradeHead('/two'))).body, 'second\n')
    detachOne()
    assert.equal((await rawExchange(port, upgradeHead('/one'))).status, 404)
    assert.equal((await rawExchange(port, upgradeHead('/two'))).body, 'second\n')
    detachTwo()
    detachTwo()
    assert.deepEqual(server.eventNames(), namesBefore)
  })

  it('serves a server again after it was left', async () => {
    serveUpgrades(server, '/one', route('first'))()
    const detach = serveUpgrades(server, '/one', route('again'))
    assert.equal((await rawExchange(port, upgradeHead('/one'))).body, 'again\n')
    detach()
  })

  for (const [who, isServed] of [
    ['when nobody serves the server any more, so that none waits for an answer', false],
    ['but not when somebody else does', true]
  ] as const) {
    it(`cuts who has not said yet what he wants when the last path is left, ${who}`, async () => {
      const detach = serveUpgrades(server, '/one', route('first'))
      if (isServed) server.on('request', (_, response) => response.end('served'))
      const accepted = once(server, 'connection')
      const socket = await rawSocket(port)
      let closed = false
      socket.resume().once('close', () => {
        closed = true
      })
      await accepted
      detach()
      if (isServed) assert.match((await rawExchange(port, get('/'))).body, /served/)
      else await until(() => closed, 'it is cut')
      assert.equal(closed, !isServed)
      socket.destroy()
    })
  }

  it('refuses to serve one path twice, and a late detach leaves the new owner alone', async () => {
    const detach = serveUpgrades(server, '/one', route('first'))
    assert.throws(() => serveUpgrades(server, '/one', route('second')), { code: 'ERR_INVALID_OPTION' })
    detach()
    const detachNew = serveUpgrades(server, '/one', route('new'))
    detach()
    assert.equal((await rawExchange(port, upgradeHead('/one'))).body, 'new\n')
    detachNew()
  })

  it('leaves other paths to a foreign upgrade listener, and ours are not disturbed by it', async () => {
    server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
      if (request.url === '/foreign') refuseUpgrade(socket, 418, 'foreign')
    })
    const detach = serveUpgrades(server, '/one', route('first'))
    assert.equal((await rawExchange(port, upgradeHead('/foreign'))).body, 'foreign\n')
    assert.equal((await rawExchange(port, upgradeHead('/one'))).body, 'first\n')
    detach()
    assert.equal((await rawExchange(port, upgradeHead('/foreign'))).body, 'foreign\n')
  })

  it('answers a plain GET with 426 on our path and 404 elsewhere when nobody else serves requests', async () => {
    const detach = serveUpgrades(server, '/one', route('first'))
    const ours = await rawExchange(port, get('/one?x'))
    assert.equal(ours.status, 426)
    assert.match(ours.head, /Upgrade: websocket/)
    assert.match(ours.body, /WebSocket upgrades/)
    assert.equal((await rawExchange(port, get('/'))).status, 404)
    detach()
  })

  it('leaves requests alone when somebody else serves them', async () => {
    const detach = serveUpgrades(server, '/one', route('first'))
    server.on('request', (_request, response) => response.end('mine'))
    assert.match((await rawExchange(port, get('/one'))).body, /mine/)
    assert.equal((await rawExchange(port, upgradeHead('/one'))).body, 'first\n')
    detach()
  })
})

describe('refuseUpgrade', () => {
  it('destroys at once a socket that takes no answer any more', async () => {
    const { PassThrough } = await import('node:stream')
    const socket = new PassThrough()
    socket.end()
    refuseUpgrade(socket, 403, 'no')
    assert.equal(socket.destroyed, true)
  })
})
