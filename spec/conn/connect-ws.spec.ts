/** How a dial of a WebSocket fails, gives up, and what it asks for. */

import assert from 'node:assert/strict'
import { getEventListeners, once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { after, afterEach, before, describe, it } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import type { DialOptions } from '../../lib/conn/conn.ts'
import { connectWS } from '../../lib/conn/connect-ws.ts'
import { subprotocol } from '../../lib/errors/options.ts'
import { freePort } from '../support/network/free-port.ts'

function dialOptions(signal = new AbortController().signal): DialOptions {
  return { signal, path: '/grid/v1', maxConnMessageBytes: 100_000 }
}

let server: Server
let address: string

before(async () => {
  server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

after(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

afterEach(() => server.removeAllListeners('upgrade'))

/** Answers the next upgrade with raw text. */
function answerWith(text: string, end = true): void {
  server.once('upgrade', (_request: IncomingMessage, socket: Duplex) => {
    socket.on('error', () => socket.destroy())
    // The client is the one that must let go, also of a socket that stays open here.
    socket.on('end', () => socket.end()).resume()
    if (end) socket.end(text)
    else socket.write(text)
  })
}

describe('connectWS', () => {
  for (const status of [200, 301, 401, 502]) {
    it(`rejects with the status when the upgrade is answered with ${status}`, async () => {
      answerWith(`HTTP/1.1 ${status} Odd\r\nLocation: ${address}/other\r\nContent-Length: 0\r\n\r\n`)
      const error = { code: 'ERR_DIAL', message: new RegExp(`answered the upgrade with ${status}`) }
      await assert.rejects(connectWS()(address, dialOptions()), error)
    })
  }

  it('asks for attach() and the path when an app answers, with a page or a status of its own', async () => {
    for (const status of [200, 204, 401, 403, 404, 405]) {
      answerWith(`HTTP/1.1 ${status} Odd\r\nContent-Length: 0\r\n\r\n`)
      const message = new RegExp(`with ${status} \\(does it call attach\\(\\), with this path\\? .*\\?\\)$`)
      await assert.rejects(connectWS()(address, dialOptions()), message)
    }
  })

  for (const [status, hint] of [
    [301, 'redirects are not followed'],
    [400, 'does a proxy on the way change the request, or speak the PROXY protocol?'],
    [426, 'does a proxy on the way drop the Upgrade header?'],
    [502, 'does a proxy on the way not reach the server?'],
    [503, 'has a proxy on the way no server for it?'],
    [504, 'did a proxy on the way wait in vain for the server?']
  ]) {
    it(`says which server answered with ${status}, and what that usually means`, async () => {
      const odd = `a proxy/1.0 ${'x'.repeat(1000)}`
      for (const [server, shown] of [
        ['Server: a-proxy/1.0\r\n', 'server: a-proxy/1.0; '],
        ['Server: a\r\nServer: b\r\n', 'server: a; '],
        [`Server: ${odd}\r\n`, `server: a proxy/1.0 ${'x'.repeat(52)}; `],
        ['', '']
      ]) {
        answerWith(`HTTP/1.1 ${status} Odd\r\n${server}Content-Type: text/html\r\nContent-Length: 4\r\n\r\n<p/>`)
        const message = `${address} answered the upgrade with ${status} (${shown}${hint})`
        await assert.rejects(connectWS()(address, dialOptions()), { code: 'ERR_DIAL', message })
      }
    })
  }

  it('says of a 400, a 403 and a 503 in plain text what that says, and nothing else', async () => {
    for (const status of [400, 403, 503]) {
      answerWith(`HTTP/1.1 ${status} Odd\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nbusy`)
      const message = `${address} answered the upgrade with ${status}: busy`
      await assert.rejects(connectWS()(address, dialOptions()), { message })
    }
  })

  it('shows the first 256 characters of a plain-text refusal, as one line', async () => {
    const body = `busy\r\n${'x'.repeat(10_000)}`
    answerWith(`HTTP/1.1 503 Busy\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    await assert.rejects(connectWS()(address, dialOptions()), (error: Error) => {
      assert.match(error.message, /503: busy x+$/)
      assert.ok(error.message.length < 350)
      return true
    })
  })

  it('does not wait for a refusal whose text never ends', async () => {
    answerWith('HTTP/1.1 503 Busy\r\nContent-Type: text/plain\r\nContent-Length: 900\r\n\r\nbusy', false)
    await assert.rejects(connectWS()(address, dialOptions()), /503: busy$/)
  })

  it('does not show a refusal that is not plain text', async () => {
    answerWith('HTTP/1.1 502 Bad\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<p/>')
    await assert.rejects(
      connectWS()(address, dialOptions()),
      /with 502 \(does a proxy on the way not reach the server\?\)$/
    )
  })

  it('rejects when the server does not agree on the subprotocol', async () => {
    const other = new WebSocketServer({ noServer: true, handleProtocols: () => false })
    server.once('upgrade', (request, socket, head) => other.handleUpgrade(request, socket, head, () => {}))
    await assert.rejects(connectWS()(address, dialOptions()), { code: 'ERR_DIAL', message: /subprotocol/ })
  })

  it('opens where the upgrade shows no socket, as under Bun', async (test) => {
    const { emit } = WebSocket.prototype
    test.mock.method(WebSocket.prototype, 'emit', function (this: WebSocket, name: string, ...args: unknown[]) {
      if (name === 'upgrade') args = [Object.create(args[0] as IncomingMessage, { socket: { value: null } })]
      return Reflect.apply(emit, this, [name, ...args])
    })
    const other = new WebSocketServer({ noServer: true })
    server.once('upgrade', (request, socket, head) => other.handleUpgrade(request, socket, head, () => {}))
    const conn = await connectWS()(address, dialOptions(AbortSignal.timeout(5000)))
    assert.equal(conn.remoteAddress, address)
    conn.abort(new Error('done'))
  })

  it('rejects with the cause when nobody listens', async () => {
    const port = await freePort()
    await assert.rejects(connectWS()(`http://127.0.0.1:${port}`, dialOptions()), {
      code: 'ERR_DIAL',
      message: /ECONNREFUSED/
    })
    await assert.rejects(connectWS()(`http://localhost:${port}`, dialOptions()), /ECONNREFUSED/)
  })

  it('rejects when an option cannot be used', async () => {
    const dial = connectWS({ tls: { cert: 'no certificate' } })
    await assert.rejects(dial(address.replace('http', 'https'), dialOptions()), { code: 'ERR_DIAL' })
  })

  it('opens nothing for a signal that is aborted already', async () => {
    const reason = new Error('not wanted')
    let upgrades = 0
    server.on('upgrade', () => {
      upgrades += 1
    })
    await assert.rejects(connectWS()(address, dialOptions(AbortSignal.abort(reason))), reason)
    assert.equal(upgrades, 0)
  })

  it('gives up with the reason of the signal, closes the socket and keeps no listener on the signal', async () => {
    const controller = new AbortController()
    const upgraded = once(server, 'upgrade')
    const dial = assert.rejects(connectWS()(address, dialOptions(controller.signal)), /too slow/)
    const [, socket] = await upgraded
    const socketEnded = once(socket.resume(), 'end')
    controller.abort(new Error('too slow'))
    await dial
    await socketEnded
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
  })

  it('gives up with the reason of the signal also while it waits for the TLS options, and opens nothing', async () => {
    const controller = new AbortController()
    let upgrades = 0
    server.on('connection', () => {
      upgrades += 1
    })
    const tls = async () => {
      controller.abort(new Error('too slow'))
      return {}
    }
    await assert.rejects(connectWS({ tls })(address, dialOptions(controller.signal)), /^Error: too slow$/)
    assert.equal(upgrades, 0)
  })

  it('rejects when the TLS options cannot be had', async () => {
    const tls = () => Promise.reject(new Error('no such file'))
    await assert.rejects(connectWS({ tls })(address, dialOptions()), { code: 'ERR_DIAL', message: /no such file/ })
  })

  for (const given of [undefined, null, 7, '/grid/v1', 'node-2:80/grid', 'ftp://node-2', new URL('file:///x'), {}]) {
    it(`rejects when url gives ${given instanceof URL ? given : JSON.stringify(given)}, which no WebSocket can be dialed at`, async () => {
      const dial = connectWS({ url: () => given as string })(address, dialOptions())
      const message = /^cannot connect to http:\S+: url of connectWS\(\) must give a whole URL .*; it gave \w/
      await assert.rejects(dial, { code: 'ERR_DIAL', message })
    })
  }

  it('rejects when url throws, and does not show what may be a secret in it', async () => {
    const url = () => {
      throw new Error('no such host')
    }
    await assert.rejects(connectWS({ url })(address, dialOptions()), { code: 'ERR_DIAL', message: /no such host/ })
    const hidden = () => `${address.replace('//', '//user:hush@')}/x?token=hush#hush`
    await assert.rejects(
      connectWS({ url: hidden })(address, dialOptions()),
      (error: Error) => !/hush/.test(error.message)
    )
  })

  it('dials where url has the host, is as secure as that, and says where in its errors', async () => {
    const asked: [string, string][] = []
    const dial = connectWS({
      url: (host, path) => {
        asked.push([host, path])
        return new URL(`${address}/node-2${path}?key=1`)
      }
    })
    const upgraded = once(server, 'upgrade')
    const failing = dial('https://node-2:9000', dialOptions())
    const [request, socket] = (await upgraded) as [IncomingMessage, Duplex]
    socket.end('HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n')
    const hint = 'does a proxy on the way not reach the server?'
    const where = `${address.slice('http://'.length)}/node-2/grid/v1`
    await assert.rejects(failing, {
      message: `https://node-2:9000 answered the upgrade with 502 (${hint}) (at ${where})`
    })
    assert.deepEqual(asked, [['https://node-2:9000', '/grid/v1']])
    assert.equal(request.url, '/node-2/grid/v1?key=1')
    const webSockets = new WebSocketServer({ noServer: true, handleProtocols: () => subprotocol })
    server.once('upgrade', (upgrade, to, head) => webSockets.handleUpgrade(upgrade, to, head, () => undefined))
    const conn = await dial('https://node-2:9000', dialOptions())
    assert.equal(conn.secure, false)
    conn.abort(new Error('the spec is over'))
  })

  it('asks for the path and the subprotocol, sends the given headers, and no Origin or extension', async () => {
    const upgraded = once(server, 'upgrade')
    const dial = connectWS({ headers: { 'X-Proxy': 'yes' } })(address, dialOptions())
    const [request, socket] = (await upgraded) as [IncomingMessage, Duplex]
    socket.end('HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n')
    await assert.rejects(dial, /400/)
    assert.equal(request.url, '/grid/v1')
    assert.equal(request.headers['sec-websocket-protocol'], subprotocol)
    assert.equal(request.headers['x-proxy'], 'yes')
    assert.equal(request.headers.origin, undefined)
    assert.equal(request.headers['sec-websocket-extensions'], undefined)
  })
})
