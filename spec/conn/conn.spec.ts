/**
 * The contract of a conn, for each thing that carries one.
 */

import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import net, { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex, PassThrough } from 'node:stream'
import { describe } from 'node:test'
import tls from 'node:tls'
import type { Conn, ConnDialer } from '../../lib/conn/conn.ts'
import { connectDuplex } from '../../lib/conn/connect-duplex.ts'
import { connectWS } from '../../lib/conn/connect-ws.ts'
import { duplexConn } from '../../lib/conn/duplex.ts'
import { memoryPair } from '../../lib/conn/memory.ts'
import { silentLogger } from '../../lib/errors/logger.ts'
import { defaultLimits, maxConnMessageBytes as largestConnMessageBytes } from '../../lib/errors/options.ts'
import { Listener } from '../../lib/listen/listener.ts'
import { selfSigned } from '../support/network/certificates.ts'
import { type ConnPair, connSuite } from './suite.ts'

const certificate = await selfSigned(['localhost', '127.0.0.1'])
const path = '/grid/v1'
const maxConnMessageBytes = largestConnMessageBytes(defaultLimits)

async function dialed(dialer: ConnDialer, address: string, accepted: Promise<Conn>): Promise<[Conn, Conn]> {
  const options = { signal: new AbortController().signal, path, maxConnMessageBytes }
  return await Promise.all([dialer(address, options), accepted])
}

async function webSocketPair(server: Server, scheme: string, dialer: ConnDialer): Promise<ConnPair> {
  let listener: Listener | undefined
  const accepted = new Promise<Conn>((resolve) => {
    listener = new Listener({
      path,
      maxConnMessageBytes,
      onConn: resolve,
      onTlsRefused: () => undefined,
      onListening: () => undefined,
      logger: silentLogger
    })
  })
  listener?.attach(server)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const [a, b] = await dialed(dialer, `${scheme}://127.0.0.1:${port}`, accepted)
  return { a, b, dispose: () => dispose(server, a, b) }
}

async function dispose(server: net.Server, ...conns: Conn[]): Promise<void> {
  for (const conn of conns) conn.abort(new Error('the spec is over'))
  await new Promise((resolve) => server.close(resolve))
}

async function duplexPair(server: net.Server, event: string, dialer: ConnDialer): Promise<ConnPair> {
  const accepted = once(server, event).then(([socket]) => duplexConn(socket))
  const [a, b] = await dialed(dialer, 'http://unused', accepted)
  return { a, b, dispose: () => dispose(server, a, b) }
}

describe('the contract of a conn', { concurrency: true }, () => {
  connSuite('a WebSocket', () => webSocketPair(createServer(), 'http', connectWS()))

  connSuite('a WebSocket with masking', () => webSocketPair(createServer(), 'http', connectWS({ mask: true })))

  connSuite('a WebSocket over TLS', () =>
    webSocketPair(createSecureServer(certificate), 'https', connectWS({ tls: { ca: certificate.ca } }))
  )

  connSuite('TCP', async () => {
    const server = net.createServer()
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    return duplexPair(
      server,
      'connection',
      connectDuplex(() => net.connect(port, '127.0.0.1'))
    )
  })

  connSuite('TLS', async () => {
    const server = tls.createServer(certificate)
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    const dialer = connectDuplex(() => tls.connect({ port, host: '127.0.0.1', ca: certificate.ca }))
    return duplexPair(server, 'secureConnection', dialer)
  })

  connSuite('a Unix socket', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'it-grid-'))
    const file = join(folder, 'socket')
    const server = net.createServer()
    await once(server.listen(file), 'listening')
    const pair = await duplexPair(
      server,
      'connection',
      connectDuplex(async () => net.connect(file))
    )
    const { a, b } = pair
    return { a, b, dispose: () => pair.dispose().finally(() => rmSync(folder, { recursive: true })) }
  })

  // Neither a stream that passes on the memory that is written to it, nor whoever holds messages, is done with them.
  connSuite(
    'streams that keep what is written to them',
    async () => {
      const [there, back] = [new PassThrough(), new PassThrough()]
      const a = duplexConn(Duplex.from({ readable: back, writable: there }))
      const b = duplexConn(Duplex.from({ readable: there, writable: back }))
      const dispose = async () => {
        for (const conn of [a, b]) conn.abort(new Error('the spec is over'))
      }
      return { a, b, dispose }
    },
    false
  )

  connSuite(
    'memory',
    async () => {
      const [a, b] = memoryPair()
      return { a, b, dispose: async () => a.abort(new Error('the spec is over')) }
    },
    false
  )
})
