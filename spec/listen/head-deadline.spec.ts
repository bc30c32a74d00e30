/**
 * The deadline from TCP accept to the first request head, on real servers, with and without TLS.
 * Who is refused after the head is in listener.spec.ts.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import tls from 'node:tls'
import { HeadDeadline } from '../../lib/listen/head-deadline.ts'
import { paced } from '../support/clock/pace.ts'
import { selfSigned } from '../support/network/certificates.ts'
import { listening, rawSocket } from '../support/raw/http.ts'
import { settled, until } from '../support/until.ts'

const certificate = await selfSigned(['127.0.0.1'])
/** Long enough for a TLS handshake on a busy machine. */
const timeoutMs = paced(250)

/** Resolves once the remote end has cut the socket. */
function cut(socket: net.Socket): Promise<unknown> {
  return new Promise((resolve) => {
    socket.resume().once('close', resolve)
  })
}

describe('HeadDeadline', { concurrency: true }, () => {
  for (const [kind, makeServer] of [
    ['http', createServer],
    ['https', () => createSecureServer(certificate)]
  ] as const) {
    describe(`on ${kind}`, { concurrency: 1 }, () => {
      let server: Server
      let watch: HeadDeadline
      let port: number
      const heads: (number | undefined)[] = []
      let namesBefore: (string | symbol)[]

      const connect = async (): Promise<net.Socket> => {
        if (kind === 'http') return rawSocket(port)
        const socket = tls.connect({ port, host: '127.0.0.1', ca: certificate.ca })
        await once(socket, 'secureConnect')
        return socket.on('error', () => socket.destroy())
      }

      beforeEach(async () => {
        heads.length = 0
        server = makeServer()
        server.on('request', (request, response) => {
          heads.push(watch.headArrived(request.socket))
          response.end('served')
        })
        namesBefore = server.eventNames()
        watch = new HeadDeadline(server, () => timeoutMs)
        port = await listening(server)
      })

      afterEach(async () => {
        watch.stop()
        assert.deepEqual(server.eventNames(), namesBefore)
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      })

      it('destroys a socket that stays silent after TCP accept', async () => {
        const accepted = once(server, 'connection')
        const socket = await rawSocket(port)
        await cut(socket)
        const [serverSide] = await accepted
        assert.equal(serverSide.destroyed, true)
      })

      it('destroys a socket that stops in the middle of a request head', async () => {
        const socket = await connect()
        socket.write('GET /grid/v1 HTTP/1.1\r\nHost: node-1\r\nX-Long: ')
        await cut(socket)
        assert.deepEqual(heads, [])
      })

      it('leaves a socket alone from its first whole head on, and knows when it was accepted', async () => {
        const before = performance.now()
        const socket = await connect()
        socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
        await once(socket, 'data')
        assert.equal(heads.length, 1)
        const acceptedAtMs = heads[0] ?? Number.NaN
        assert.ok(acceptedAtMs >= before && acceptedAtMs <= performance.now())
        const silentFrom = performance.now()
        await until(() => performance.now() - silentFrom > timeoutMs * 2, 'twice the deadline has passed')
        socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
        await once(socket, 'data')
        assert.deepEqual(heads, [acceptedAtMs, undefined])
        socket.destroy()
      })

      it('holds the deadline against nobody once it stopped', async () => {
        const accepted = once(server, kind === 'http' ? 'connection' : 'secureConnection')
        const socket = await connect()
        await accepted
        watch.stop()
        const stoppedAt = performance.now()
        await until(() => performance.now() - stoppedAt > timeoutMs * 2, 'twice the deadline has passed')
        socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
        await once(socket, 'data')
        socket.destroy()
      })

      it('spares a socket when heads arrive that it is not told of', async () => {
        server.on('checkContinue', (_request, response) => {
          heads.push(0)
          response.writeContinue()
        })
        const socket = await connect()
        const connectedAt = performance.now()
        socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n')
        await once(socket, 'data')
        await until(() => performance.now() - connectedAt > timeoutMs * 2, 'twice the deadline has passed')
        assert.equal(await settled(() => Number(socket.destroyed), 20), 0)
        socket.destroy()
        server.removeAllListeners('checkContinue')
      })
    })
  }
})

describe('HeadDeadline on https over a Unix socket', () => {
  it('watches from the TLS handshake on, as there are no addresses to know a socket by', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'it-grid-'))
    const file = join(folder, 'socket')
    const server = createSecureServer(certificate)
    const watch = new HeadDeadline(server, () => timeoutMs)
    await once(server.listen(file), 'listening')
    const socket = tls.connect({ path: file, servername: '', rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    await cut(socket)
    watch.stop()
    await new Promise((resolve) => server.close(resolve))
    rmSync(folder, { recursive: true })
  })
})
