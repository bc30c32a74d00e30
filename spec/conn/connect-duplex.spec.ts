/** How a dialer of one's own transport waits for its stream, gives up, and fails. */

import assert from 'node:assert/strict'
import { getEventListeners, once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { type Duplex, PassThrough } from 'node:stream'
import { describe, it } from 'node:test'
import tls from 'node:tls'
import type { DialOptions } from '../../lib/conn/conn.ts'
import { connectDuplex } from '../../lib/conn/connect-duplex.ts'
import { selfSigned } from '../support/network/certificates.ts'
import { until } from '../support/until.ts'

function dialOptions(signal = new AbortController().signal): DialOptions {
  return { signal, path: '/unused', maxConnMessageBytes: 1000 }
}

describe('connectDuplex', () => {
  it('waits for a TCP conn, and knows its remote end', async () => {
    const server = net.createServer()
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    const accepted = once(server, 'connection')
    const conn = await connectDuplex(() => net.connect(port, '127.0.0.1'))('http://node-1', dialOptions())
    assert.equal(conn.remoteAddress, `127.0.0.1:${port}`)
    conn.abort(new Error('the spec is over'))
    const [socket] = await accepted
    socket.destroy()
    server.close()
  })

  it('waits for the handshake of TLS, and is secure', async () => {
    const certificate = await selfSigned(['127.0.0.1'])
    const server = tls.createServer(certificate)
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    const secured = once(server, 'secureConnection')
    const options = { port, host: '127.0.0.1' }
    const conn = await connectDuplex(() => tls.connect({ ...options, ca: certificate.ca }))('x', dialOptions())
    // With TLS 1.3 the client is done before the server.
    const [socket] = await secured
    assert.equal(conn.secure, true)
    conn.abort(new Error('the spec is over'))
    socket.destroy()
    await assert.rejects(connectDuplex(() => tls.connect(options))('x', dialOptions()), {
      code: 'ERR_DIAL',
      message: /self-signed/
    })
    server.close()
  })

  it('rejects with the cause when it cannot connect, however the stream came', async () => {
    const gone = (): net.Socket => net.connect('/nowhere/it-grid')
    const error = { code: 'ERR_DIAL', message: /cannot connect to x: .*ENOENT/ }
    await assert.rejects(connectDuplex(gone)('x', dialOptions()), error)
    await assert.rejects(connectDuplex(async () => gone())('x', dialOptions()), error)
    const failing = (): never => {
      throw new Error('no route')
    }
    await assert.rejects(connectDuplex(async () => failing())('x', dialOptions()), { message: /no route/ })
    await assert.rejects(connectDuplex(failing)('x', dialOptions()), { code: 'ERR_DIAL', message: /no route/ })
  })

  it('gives up with the reason of the signal, and destroys a stream that comes later', async () => {
    const controller = new AbortController()
    const stream = new PassThrough()
    let hand: ((made: Duplex) => void) | undefined
    const dialer = connectDuplex(
      () =>
        new Promise((resolve) => {
          hand = resolve
        })
    )
    const dial = assert.rejects(dialer('x', dialOptions(controller.signal)), /too slow/)
    controller.abort(new Error('too slow'))
    await dial
    hand?.(stream)
    await until(() => stream.destroyed, 'the late stream is destroyed')
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
  })

  it('gives up while the stream is connecting', async () => {
    const controller = new AbortController()
    const stream = Object.assign(new PassThrough(), { connecting: true })
    const dial = assert.rejects(connectDuplex(() => stream)('x', dialOptions(controller.signal)), /too slow/)
    controller.abort(new Error('too slow'))
    await dial
    assert.equal(stream.destroyed, true)
  })
})
