/** The fault proxy, shown with plain sockets: each fault alone, in one direction, and what it leaves as it was. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { faultProxy, type Place } from '../../lib/extras/testing/index.ts'
import { paced } from '../support/clock/pace.ts'
import { settled, until } from '../support/until.ts'

const loopback: Place = { host: '127.0.0.1', port: 0 }

/** One end of a conn through the proxy, and what has happened to it. */
class End {
  readonly socket: net.Socket
  readonly chunks: Buffer[] = []
  ended = false
  closed = false
  code: string | undefined

  constructor(socket: net.Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => this.chunks.push(chunk))
    socket.on('end', () => {
      this.ended = true
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.code = error.code
    })
    socket.on('close', () => {
      this.closed = true
    })
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks)
  }

  get text(): string {
    return this.bytes.toString()
  }

  async has(text: string): Promise<void> {
    await until(() => this.text === text, `"${text}" has arrived`)
  }
}

/** A proxy to a server, and a way to make conns through it; all is gone after the spec. */
async function proxied(test: TestContext, at = { server: loopback, proxy: loopback }) {
  const accepted: End[] = []
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => accepted.push(new End(socket)))
  server.listen(at.server)
  await once(server, 'listening')
  const address = server.address()
  const target = typeof address === 'string' ? { path: address } : { port: address?.port ?? 0 }
  const proxy = await faultProxy(target, at.proxy)
  const place = 'path' in at.proxy ? at.proxy : { ...loopback, port: proxy.port }
  const dialed: End[] = []
  test.after(async () => {
    await proxy.close()
    server.close()
    for (const { socket } of [...dialed, ...accepted]) socket.destroy()
    await until(
      () => !process.getActiveResourcesInfo().some((kind) => /^(TCP|Pipe.*Server)/.test(kind)),
      'nothing left'
    )
  })
  const dial = async () => {
    const dialer = new End(net.connect({ ...place, allowHalfOpen: true, noDelay: true }))
    dialed.push(dialer)
    const number = dialed.length
    await until(() => accepted.length === number, 'the conn has arrived')
    return { dialer, listener: accepted[number - 1] as End }
  }
  return { proxy, dial, ...(await dial()) }
}

describe('the fault proxy', () => {
  it('passes on bytes and ends, each direction for itself, and counts the bytes', async (test) => {
    const { proxy, dialer, listener } = await proxied(test)
    dialer.socket.end('ping')
    await listener.has('ping')
    await until(() => listener.ended, 'the end has arrived')
    listener.socket.write('po')
    listener.socket.end('ng')
    await dialer.has('pong')
    await until(() => dialer.closed && listener.closed && proxy.size === 0, 'the conn is over')
    assert.deepEqual([dialer.code, listener.code], [undefined, undefined])
    assert.deepEqual([proxy.passed('inbound'), proxy.passed('outbound')], [4, 4])
  })

  it('passes on 8 MB unchanged, and no faster than they are read', async (test) => {
    const { proxy, dialer, listener } = await proxied(test)
    const sent = Buffer.alloc(8 << 20)
    for (let at = 0; at < sent.length; at += 4) sent.writeUInt32LE(at, at)
    listener.socket.pause()
    dialer.socket.end(sent)
    const held = await settled(() => proxy.passed('inbound'))
    assert.ok(held < sent.length, `${held} of ${sent.length} bytes have passed`)
    listener.socket.resume()
    await until(() => listener.ended, 'all has arrived')
    assert.ok(listener.bytes.equals(sent))
  })

  it('leaves no socket behind when it cuts what it is just ending', async (test) => {
    const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
    const before = sockets()
    const { proxy, dialer, listener } = await proxied(test)
    proxy.halfClose('inbound')
    proxy.cut()
    await until(() => dialer.closed && listener.ended, 'both are told')
    listener.socket.destroy()
    await until(() => sockets() === before, 'no socket is left')
  })

  it('passes on a reset as a reset, and an end that nobody can be told of as a reset too', async (test) => {
    const { proxy, dialer, listener, dial } = await proxied(test)
    dialer.socket.resetAndDestroy()
    await until(() => listener.closed, 'the listener is told')
    assert.equal(listener.code, 'ECONNRESET')
    const next = await dial()
    next.listener.socket.destroy()
    await until(() => next.dialer.ended, 'the dialer is told')
    const goesOn = () => next.dialer.socket.write('into the void')
    await until(() => next.dialer.closed || !goesOn(), 'the dialer is told that it is of no use')
    await until(() => next.dialer.closed, 'the dialer is closed')
    assert.match(next.dialer.code ?? '', /^(ECONNRESET|EPIPE)$/)
    await until(() => proxy.size === 0, 'no conn is left')
  })

  it('resets the dialer when there is no target', async () => {
    const proxy = await faultProxy({ path: join(tmpdir(), 'it-grid-nowhere') })
    const dialer = new End(net.connect({ ...loopback, port: proxy.port }))
    await until(() => dialer.closed && proxy.size === 0, 'it is told')
    assert.equal(dialer.code, 'ECONNRESET')
    await proxy.close()
  })

  it('delays each byte by the same time, however many are on their way, and the end too', async (test) => {
    const { proxy, dialer, listener } = await proxied(test)
    const delayMs = 150
    proxy.impair({ delayMs }, 'inbound')
    const text = 'twenty bytes in a row'
    const started = performance.now()
    for (const byte of text) {
      dialer.socket.write(byte)
      await delay(5)
    }
    dialer.socket.end()
    const sentAt = performance.now()
    listener.socket.write('back')
    await dialer.has('back')
    await until(() => listener.chunks.length > 0, 'the first byte has arrived')
    assert.ok(performance.now() - started >= delayMs - 1)
    await until(() => listener.ended, 'the end has arrived')
    const took = performance.now() - sentAt
    assert.equal(listener.text, text)
    // One after the other they would take as many delays as there are bytes.
    assert.ok(took >= delayMs - 1 && took < paced(5 * delayMs), `the end took ${took} ms`)
  })

  it('slices into single bytes that arrive one by one', async (test) => {
    const { proxy, dialer, listener } = await proxied(test)
    proxy.impair({ sliceBytes: 1 }, 'inbound')
    const text = 'every byte of this text comes alone, or nearly so'
    dialer.socket.write(text)
    await listener.has(text)
    assert.ok(listener.chunks.length > text.length / 2, `${listener.chunks.length} chunks of ${text.length} bytes`)
    listener.socket.write(text)
    await dialer.has(text)
    assert.equal(dialer.chunks.length, 1)
  })

  it('throttles to a rate', async (test) => {
    const { proxy, dialer, listener } = await proxied(test)
    const bytesPerSecond = 100_000
    proxy.impair({ bytesPerSecond }, 'inbound')
    const started = performance.now()
    dialer.socket.end(Buffer.alloc(20_000, 1))
    listener.socket.end(Buffer.alloc(20_000, 1))
    await until(() => dialer.ended, 'the other direction is done')
    assert.ok(listener.bytes.length < 20_000)
    await until(() => listener.ended, 'all has arrived')
    const took = performance.now() - started
    assert.equal(listener.bytes.length, 20_000)
    assert.ok(took >= 180 && took < paced(3000), `20 000 bytes took ${took} ms at ${bytesPerSecond} a second`)
  })

  it('goes on at full speed when it heals amid a slow byte', async (test) => {
    const { proxy, dialer, listener } = await proxied(test)
    proxy.impair({ bytesPerSecond: 0.01 })
    dialer.socket.write('slow')
    await listener.has('s')
    proxy.heal()
    await listener.has('slow')
  })

  it('swallows one way, an end as well, tells nobody, and delivers what it held when it heals', async (test) => {
    const { proxy, dialer, listener } = await proxied(test)
    proxy.impair({ blackhole: true }, 'inbound')
    dialer.socket.end('lost')
    listener.socket.write('heard')
    await dialer.has('heard')
    assert.equal(await settled(() => listener.chunks.length), 0)
    assert.deepEqual([listener.ended, listener.closed, dialer.closed], [false, false, false])
    proxy.heal()
    await listener.has('lost')
    await until(() => listener.ended, 'the end has arrived')
  })

  it('swallows both ways, a reset as well, and takes new conns meanwhile', async (test) => {
    const { proxy, dialer, listener, dial } = await proxied(test)
    proxy.impair({ blackhole: true })
    dialer.socket.resetAndDestroy()
    const next = await dial()
    next.dialer.socket.write('one')
    next.listener.socket.write('two')
    assert.equal(await settled(() => next.dialer.chunks.length + next.listener.chunks.length), 0)
    assert.equal(listener.closed, false)
    proxy.heal()
    await next.listener.has('one')
    await next.dialer.has('two')
    await until(() => listener.closed, 'the reset has arrived')
    assert.equal(listener.code, 'ECONNRESET')
  })

  it('resets both ends after exactly n bytes of a direction, once', async (test) => {
    const { proxy, dial } = await proxied(test)
    for (const bytes of [0, 1, 5, 9]) {
      const { dialer, listener } = await dial()
      let done = false
      proxy.resetAfter(bytes, 'inbound').then(() => {
        done = true
      })
      listener.socket.write('of the other direction')
      await dialer.has('of the other direction')
      assert.equal(done, false)
      dialer.socket.write('0123456789')
      await until(() => dialer.closed && listener.closed, 'both are reset')
      assert.ok(done)
      assert.equal(listener.text, '0123456789'.slice(0, bytes))
      assert.deepEqual([dialer.code, listener.code], ['ECONNRESET', 'ECONNRESET'])
    }
    const { dialer, listener } = await dial()
    dialer.socket.write('0123456789')
    await listener.has('0123456789')
    proxy.resetAfter(0, 'inbound')
    proxy.heal()
    dialer.socket.write('0123456789')
    await listener.has('01234567890123456789')
  })

  it('half-closes: the receiver sees an end, the other direction goes on, and the sender is not told', async (test) => {
    const { proxy, dialer, listener } = await proxied(test)
    dialer.socket.write('before')
    await listener.has('before')
    proxy.halfClose('inbound')
    await until(() => listener.ended, 'the end has arrived')
    dialer.socket.write('after')
    listener.socket.write('still here')
    await dialer.has('still here')
    assert.equal(await settled(() => listener.chunks.length), 1)
    assert.deepEqual([dialer.ended, dialer.closed, listener.closed], [false, false, false])
  })

  it('cuts all conns, and takes new ones', async (test) => {
    const { proxy, dialer, listener, dial } = await proxied(test)
    const other = await dial()
    const ends = [dialer, listener, other.dialer, other.listener]
    proxy.cut()
    await until(() => ends.every(({ closed }) => closed), 'all are cut')
    assert.deepEqual(
      ends.map(({ code }) => code),
      ends.map(() => 'ECONNRESET')
    )
    assert.equal(proxy.size, 0)
    const next = await dial()
    next.dialer.socket.write('new')
    await next.listener.has('new')
  })

  it('works over Unix sockets', async (test) => {
    const folder = mkdtempSync(join(tmpdir(), 'it-grid-'))
    test.after(() => rmSync(folder, { recursive: true }))
    const at = { server: { path: join(folder, 'server') }, proxy: { path: join(folder, 'proxy') } }
    const { proxy, dialer, listener } = await proxied(test, at)
    proxy.impair({ sliceBytes: 1 })
    dialer.socket.write('there')
    listener.socket.write('back')
    await listener.has('there')
    await dialer.has('back')
    proxy.cut()
    await until(() => dialer.ended && listener.ended, 'both are cut')
  })
})
