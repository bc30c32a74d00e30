/**
 * A manager beside listeners that take all others off the server and call them themselves, as engine.io does with those of
 * 'request': what such a listener, or the app behind it, serves is answered once, and by no manager.
 */

import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { refuseUpgrade, serveUpgrades } from '../../lib/listen/upgrade-hub.ts'
import { listening, rawExchange, rawSocket, upgradeHead } from '../support/raw/http.ts'
import { until } from '../support/until.ts'

type Listener = (...args: unknown[]) => unknown
type Wrap = (
  server: Server,
  event: 'request' | 'upgrade',
  own: (request: IncomingMessage, rest: never) => boolean
) => void

/** What listeners that were called have thrown: it would end a process. */
const thrown: unknown[] = []

function call(listener: Listener, server: Server, ...args: unknown[]): void {
  try {
    listener.call(server, ...args)
  } catch (error) {
    thrown.push(error)
  }
}

/** What engine.io does: `own` says whether it has answered by itself. */
const takeAllOver: Wrap = (server, event, own) => {
  const taken = server.listeners(event).slice() as Listener[]
  server.removeAllListeners(event)
  server.on(event, (request: IncomingMessage, ...rest: unknown[]) => {
    if (!own(request, rest[0] as never)) for (const listener of taken) call(listener, server, request, ...rest)
  })
}

const wraps: [string, Wrap][] = [
  ['takes all others over', takeAllOver],
  [
    'wraps each of them in a function, as a tracer does, and adds its own',
    (server, event, own) => {
      for (const listener of server.listeners(event) as Listener[]) {
        server.off(event, listener)
        server.on(event, (request: IncomingMessage, ...rest: unknown[]) => {
          if (request.url !== '/chat') call(listener, server, request, ...rest)
        })
      }
      server.on(event, own as never)
    }
  ]
]

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`

describe('a listener that', () => {
  let server: Server
  let port: number
  let answeredByOther: number
  const ends: (() => void)[] = []

  function serve(path: string, word: string): () => void {
    return serveUpgrades(server, path, {
      onUpgrade: (_request: IncomingMessage, socket: Duplex) => refuseUpgrade(socket, 418, word),
      onAnsweredByOther: () => {
        answeredByOther++
      }
    })
  }

  function wrapRequests(wrap: Wrap): void {
    wrap(server, 'request', ({ url }, response: ServerResponse) => {
      if (url === '/chat') response.end('chat')
      return url === '/chat'
    })
  }

  function wrapUpgrades(wrap: Wrap): void {
    wrap(server, 'upgrade', ({ url }, socket: Duplex) => {
      if (url === '/chat') refuseUpgrade(socket, 418, 'chat')
      return url === '/chat'
    })
  }

  /** Answers at once, or in a later turn. */
  function addApp(isLate: boolean): void {
    server.on('request', async (_request, response) => {
      if (isLate) await nextTurn()
      response.writeHead(200).end('app')
    })
  }

  beforeEach(async () => {
    server = createServer()
    server.on('connection', (socket) => ends.push(() => socket.destroy()))
    answeredByOther = 0
    port = await listening(server)
  })

  afterEach(async () => {
    for (const end of ends.splice(0)) end()
    await new Promise((resolve) => server.close(resolve))
    assert.deepEqual(thrown.splice(0), [])
  })

  for (const [what, wrap] of wraps) {
    for (const isLate of [false, true]) {
      for (const order of ['before', 'after', 'between']) {
        const when = { before: 'before it', after: 'after it', between: 'before and after it' }[order]
        const app = isLate ? 'an app that answers later' : 'an app that answers at once'
        it(`${what} leaves requests to ${app}, with managers attached ${when}`, async () => {
          addApp(isLate)
          if (order !== 'after') serve('/one', 'first')
          wrapRequests(wrap)
          if (order !== 'before') serve('/two', 'second')
          for (const path of ['/', '/one', '/two']) assert.match((await rawExchange(port, get(path))).body, /app/)
          assert.match((await rawExchange(port, get('/chat'))).body, /chat/)
        })
      }
    }

    for (const order of ['before', 'after', 'between']) {
      const when = { before: 'before it', after: 'after it', between: 'before and after it' }[order]
      it(`${what} serves its upgrades, and the managers that were attached ${when} theirs, once each`, async () => {
        server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
          if (request.url === '/app') refuseUpgrade(socket, 418, 'app')
        })
        const detach = order === 'after' ? () => {} : serve('/one', 'first')
        wrapUpgrades(wrap)
        if (order !== 'before') serve('/two', 'second')
        const expected = [
          ['/chat', 'chat\n'],
          ['/app', 'app\n'],
          ...(order === 'after' ? [] : [['/one', 'first\n']]),
          ...(order === 'before' ? [] : [['/two', 'second\n']])
        ] as const
        for (const [path, word] of expected) {
          assert.equal((await rawExchange(port, upgradeHead(path as string))).body, word)
        }
        detach()
        serve('/one', 'again')
        assert.equal((await rawExchange(port, upgradeHead('/one'))).body, 'again\n')
        assert.equal(answeredByOther, 0)
      })
    }
  }

  it('took a manager over that has left, and that is alone, is not answered for', async () => {
    const leave = serve('/one', 'first')
    wrapRequests(takeAllOver)
    wrapUpgrades(takeAllOver)
    leave()
    const sockets = [await rawSocket(port), await rawSocket(port)]
    let all = ''
    for (const socket of sockets) {
      socket.on('data', (chunk) => {
        all += chunk
      })
    }
    sockets[0]?.write(get('/'))
    sockets[1]?.write(upgradeHead('/one'))
    assert.match((await rawExchange(port, get('/chat'))).body, /chat/)
    assert.equal((await rawExchange(port, upgradeHead('/chat'))).body, 'chat\n')
    assert.equal(all, '')
    for (const socket of sockets) socket.destroy()
  })

  it('is there for one request only is left that one', async () => {
    let answer: (() => void) | undefined
    server.once('request', (_request, response) => {
      answer = () => response.writeHead(200).end('once')
    })
    serve('/one', 'first')
    const exchange = rawExchange(port, get('/'))
    await until(() => answer !== undefined, 'it was called')
    answer?.()
    assert.match((await exchange).body, /once/)
    assert.equal((await rawExchange(port, get('/'))).status, 404)
  })
})
