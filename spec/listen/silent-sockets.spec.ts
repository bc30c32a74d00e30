/** Which sockets of a server have carried no request yet, on real servers, with and without TLS, over TCP and Unix sockets. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import net, { type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import tls from 'node:tls'
import { SilentSockets } from '../../lib/listen/silent-sockets.ts'
import { selfSigned } from '../support/network/certificates.ts'

const certificate = await selfSigned(['127.0.0.1'])

for (const [kind, makeServer, over] of [
  ['http', createServer, 'tcp'],
  ['https', () => createSecureServer(certificate), 'tcp'],
  ['http over a Unix socket', createServer, 'unix'],
  ['https over a Unix socket', () => createSecureServer(certificate), 'unix']
] as const) {
  describe(`SilentSockets of ${kind}`, { concurrency: 1 }, () => {
    const isTls = kind.startsWith('https')
    let folder: string
    let server: Server
    let silent: SilentSockets
    /** As they were accepted, below TLS. */
    let sockets: Socket[]

    async function connect(): Promise<Socket> {
      const to = over === 'unix' ? { path: join(folder, 'socket') } : (server.address() as AddressInfo)
      const target = 'port' in to ? { port: to.port, host: '127.0.0.1' } : to
      const accepted = once(server, isTls ? 'secureConnection' : 'connection')
      const socket = isTls ? tls.connect({ ...target, rejectUnauthorized: false }) : net.connect(target)
      socket.on('error', () => socket.destroy())
      await accepted
      return socket
    }

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'it-grid-'))
      server = makeServer()
      silent = new SilentSockets(server)
      sockets = []
      server.on('connection', (socket: Socket) => sockets.push(socket))
      server.on('request', (request, response) => {
        silent.heard(request.socket)
        response.end('served')
      })
      await once(over === 'unix' ? server.listen(join(folder, 'socket')) : server.listen(0, '127.0.0.1'), 'listening')
    })

    afterEach(async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      rmSync(folder, { recursive: true })
    })

    it('are those on which no request has arrived, and which are open', async () => {
      const [heard, gone, waiting] = [await connect(), await connect(), await connect()]
      heard.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      await once(heard, 'data')
      const closed = once(sockets[1] as Socket, 'close')
      gone.destroy()
      await closed
      const left = silent.stop()
      // With TLS over a Unix socket there is no address by which to know them.
      assert.equal(left.length, isTls && over === 'unix' ? 0 : 1)
      for (const socket of left) socket.destroy()
      if (left.length > 0) await once(waiting.resume(), 'close')
      heard.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      await once(heard, 'data')
      heard.destroy()
      waiting.destroy()
    })

    it('have no listener left on them when they are heard, or no longer watched', async () => {
      const count = () => sockets.map((socket) => socket.listenerCount('close'))
      const [heard, waiting] = [await connect(), await connect()]
      const [before, other] = count() as [number, number]
      const one = isTls && over === 'unix' ? 0 : 1
      heard.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      await once(heard, 'data')
      silent.stop()
      assert.deepEqual(count(), [before - one, other - one])
      heard.destroy()
      waiting.destroy()
    })
  })
}
