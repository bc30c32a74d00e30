/**
 * What is particular to byte streams: the framing at every cut, hostile lengths, and the dial.
 * The contract of a conn is in conn.spec.ts.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Duplex, PassThrough } from 'node:stream'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { duplexConn } from '../../lib/conn/duplex.ts'
import { until } from '../support/until.ts'
import { collect, each, message, silent } from './suite.ts'

const goodbye = Uint8Array.of(0, 0, 0, 0x80)

/** A duplex whose two directions the spec holds in its hands. */
function bare() {
  const inbound = new PassThrough()
  const outbound = new PassThrough()
  const stream = Duplex.from({ readable: inbound, writable: outbound })
  return { stream, inbound, outbound }
}

/** `once` would reject: a stream of `Duplex.from` that is destroyed reports an AbortError. */
function closed(stream: Duplex): Promise<void> {
  return new Promise((resolve) => {
    stream.once('close', resolve)
  })
}

function framed(bytes: Uint8Array): Buffer {
  const field = Buffer.alloc(4)
  field.writeUInt32LE(bytes.length)
  return Buffer.concat([field, bytes])
}

describe('duplexConn', () => {
  it('reads messages cut at every byte', async () => {
    const messages = [message(1, 1), message(300, 2), message(7, 3)]
    const bytes = Buffer.concat([...messages.map(framed), goodbye])
    for (const step of [1, 2, 3, 4, 5, 7, 64, bytes.length]) {
      const { stream, inbound } = bare()
      const arrived = collect(duplexConn(stream))
      for (let at = 0; at < bytes.length; at += step) {
        inbound.write(bytes.subarray(at, at + step))
        await turn()
      }
      assert.deepEqual(await arrived, messages, `in steps of ${step}`)
    }
  })

  it('reads a message of a megabyte that comes in pieces of any size', async () => {
    const large = message(1_000_000, 5)
    const bytes = Buffer.concat([framed(message(3, 1)), framed(large), framed(message(4, 2)), goodbye])
    for (const step of [1000, 65_536, 200_000, bytes.length - 1]) {
      const { stream, inbound } = bare()
      const arrived = collect(duplexConn(stream, { maxConnMessageBytes: 2 ** 30 }))
      for (let at = 0; at < bytes.length; at += step) {
        if (!inbound.write(bytes.subarray(at, at + step))) await once(inbound, 'drain')
      }
      assert.deepEqual(await arrived, [message(3, 1), large, message(4, 2)], `in steps of ${step}`)
    }
  })

  it('allocates little by a length whose bytes are not there, however large the messages are that it accepts', async () => {
    const field = Buffer.alloc(5)
    field.writeUInt32LE(2 ** 29)
    const before = process.memoryUsage().arrayBuffers
    const conns = Array.from({ length: 20 }, () => {
      const { stream, inbound } = bare()
      const conn = duplexConn(stream, { maxConnMessageBytes: 2 ** 30 })
      inbound.write(field)
      return conn
    })
    await until(() => conns.every(({ arrivedBytes }) => arrivedBytes === 5), 'the lengths have arrived')
    const allocated = process.memoryUsage().arrayBuffers - before
    for (const conn of conns) conn.abort(new Error('the spec is over'))
    assert.ok(allocated < 20 * 300_000, `${allocated} bytes`)
  })

  it('sends at once what it has: Nagle would hold up every second message by a delayed acknowledgement', () => {
    const { stream } = bare()
    const asked: boolean[] = []
    const conn = duplexConn(Object.assign(stream, { setNoDelay: (noDelay: boolean) => asked.push(noDelay) }))
    assert.deepEqual(asked, [true])
    conn.abort(new Error('the spec is over'))
  })

  it('hands out a message inside one chunk as a view of it', async () => {
    const { stream, inbound } = bare()
    const conn = duplexConn(stream)
    const chunk = framed(message(100, 1))
    inbound.write(chunk)
    const { value } = await conn.source[Symbol.asyncIterator]().next()
    assert.equal(value.buffer, chunk.buffer)
    conn.abort(new Error('the spec is over'))
  })

  it('writes the length little-endian before each message, and a goodbye at the close', async () => {
    const { stream, outbound } = bare()
    const conn = duplexConn(stream)
    await conn.sink(each([Uint8Array.of(9, 8, 7)]))
    conn.close()
    const written: Buffer[] = []
    for await (const chunk of outbound) written.push(chunk)
    assert.deepEqual([...Buffer.concat(written)], [3, 0, 0, 0, 9, 8, 7, 0, 0, 0, 0x80])
    conn.abort(new Error('the spec is over'))
  })

  for (const [field, text] of [
    [[0, 0, 0, 0], /an empty message/],
    [[0xff, 0xff, 0xff, 0xff], /a message of 4294967295 bytes arrived, 1000 are allowed/],
    [[0xe9, 3, 0, 0], /a message of 1001 bytes/],
    [[1, 0, 0, 0x80], /a message of 2147483649 bytes/]
  ] as const) {
    it(`ends with a protocol error at the length ${field}, after what came before it`, async () => {
      const { stream, inbound } = bare()
      const conn = duplexConn(stream, { maxConnMessageBytes: 1000 })
      const sent = assert.rejects(conn.sink(silent()), { code: 'ERR_PROTOCOL' })
      inbound.write(framed(message(1000, 1)))
      inbound.write(Uint8Array.from(field))
      const reader = conn.source[Symbol.asyncIterator]()
      assert.deepEqual(new Uint8Array((await reader.next()).value), message(1000, 1))
      await assert.rejects(reader.next(), { code: 'ERR_PROTOCOL', message: text })
      await sent
      assert.equal(stream.destroyed, true)
    })
  }

  for (const [where, bytes] of [
    ['between two messages', framed(message(5, 1))],
    ['inside a length', Buffer.from([5, 0])],
    ['inside a message', framed(message(5, 1)).subarray(0, 7)]
  ] as const) {
    it(`is lost when the stream ends without a goodbye ${where}`, async () => {
      const { stream, inbound } = bare()
      const conn = duplexConn(stream)
      inbound.end(bytes)
      await assert.rejects(collect(conn), { code: 'ERR_DISCONNECTED', message: /without a goodbye/ })
    })
  }

  it('is lost with the cause when the stream fails', async () => {
    const { stream } = bare()
    const conn = duplexConn(stream)
    stream.destroy(new Error('cable cut'))
    await assert.rejects(collect(conn), { code: 'ERR_DISCONNECTED', message: 'connection lost: cable cut' })
  })

  it('is lost at once over a stream that is destroyed already', async () => {
    const { stream } = bare()
    stream.on('error', () => {}).destroy()
    await closed(stream)
    await assert.rejects(collect(duplexConn(stream)), /connection lost/)
  })

  it('is lost over a stream that was destroyed in this turn', async () => {
    const { stream } = bare()
    stream.destroy(new Error('cable cut'))
    await assert.rejects(collect(duplexConn(stream)), /cable cut/)
  })

  it('leaves no listener on its stream', async () => {
    const { stream } = bare()
    const before = stream.eventNames().flatMap((name) => stream.listeners(name))
    const conn = duplexConn(stream)
    conn.abort(new Error('done'))
    await closed(stream)
    await turn()
    const left = stream.eventNames().flatMap((name) => stream.listeners(name))
    assert.deepEqual(
      left.filter((listener) => !before.includes(listener)),
      []
    )
  })

  it('is not secure unless the stream is TLS or the user says so', () => {
    assert.equal(duplexConn(bare().stream).secure, false)
    assert.equal(duplexConn(bare().stream, { secure: true }).secure, true)
    assert.equal(duplexConn(bare().stream).remoteAddress, 'local')
  })
})
