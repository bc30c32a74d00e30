/**
 * What arrives before a peer is known, or before it has said what it offers: it costs its own conn, a bounded amount of
 * bytes and of time, and keeps nobody else out.
 */

import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { describe, it } from 'node:test'
import { duplexConn } from '../../lib/index.ts'
import { helloKinds, readReject } from '../../lib/peer/hello.ts'
import { Flag, FrameType } from '../../lib/wire/frame.ts'
import { naiveBatch } from '../support/codec/naive.ts'
import { listening, rawSocket, upgradeHead } from '../support/raw/http.ts'
import { goAway, open, ping, rawSingle, table } from '../support/raw/make.ts'
import { at, besieged, type Siege, type SiegeOptions, siegeKinds } from '../support/raw/siege.ts'
import type { RawWire, WebSocketWire } from '../support/raw/wire.ts'
import { until } from '../support/until.ts'

const maxPendingHandshakes = 8

/** What `ws` does not let one write. */
function socketOf({ ws }: WebSocketWire): { write(bytes: Uint8Array): void } {
  return (ws as unknown as { _socket: { write(bytes: Uint8Array): void } })._socket
}

for (const kind of siegeKinds) {
  const siegeIt = (title: string, options: SiegeOptions, body: (siege: Siege) => Promise<void>) =>
    it(title, () => besieged(kind, options, body))

  describe(`over ${kind}, before it is known, a peer`, () => {
    const openings: readonly (readonly [title: string, message: Uint8Array])[] = [
      ['that opens with frames', naiveBatch([table(rawSingle), open(1, at.wait)], true)],
      ['that opens with a proof', Uint8Array.of(helloKinds.proof, 0x81, 0xa5, 0x70, 0x72, 0x6f, 0x6f, 0x66, 0xc4, 0)],
      ['that opens with a map of 2^32-1 entries', Uint8Array.of(helloKinds.hello, 0xdf, 255, 255, 255, 255)],
      ['that opens with one byte', Uint8Array.of(0)]
    ]
    for (const [title, message] of openings) {
      siegeIt(`${title} is refused, and nothing of it is acted on`, {}, async (siege) => {
        const dialer = await siege.dial()
        dialer.write(message)
        const { reason, proof } = readReject((await dialer.read()) as Uint8Array)
        assert.deepEqual([reason, proof], ['authFailed', undefined])
        assert.equal(await dialer.read(), undefined, 'the refusal is the last message')
        await until(() => siege.manager.stats().pendingHandshakes === 0, 'it is not pending')
        assert.equal(siege.contexts.length, 0)
        await siege.assertNothingHappened()
      })
    }

    siegeIt(
      'that is silent makes room for one that comes when too many are pending',
      { limits: { maxPendingHandshakes } },
      async (siege) => {
        const silent: RawWire[] = []
        for (let n = 0; n < 5 * maxPendingHandshakes; n++) {
          silent.push(await siege.dial())
          assert.ok(siege.manager.stats().pendingHandshakes <= maxPendingHandshakes)
        }
        await siege.assertNothingHappened()
        // The peer that is known comes in beside them at once, for it is the newest.
        siege.raw.wire.cut()
        await until(() => siege.connection.state === 'waiting', 'it is gone')
        await siege.enter()
        // Read, to see who was closed.
        for (const dialer of silent) void dialer.read()
        await until(
          () => silent.filter(({ closed }) => closed).length > 4 * maxPendingHandshakes,
          'the oldest are closed'
        )
        assert.ok(silent.at(-1)?.closed === false, 'the newest are not')
        assert.equal(siege.log.warnings(/too many handshakes at once: the oldest was aborted/).length, 1)
        for (const dialer of silent) dialer.cut()
        await until(() => siege.manager.stats().pendingHandshakes === 0, 'nothing is pending')
      }
    )
  })

  describe(`over ${kind}, before its handler table, a peer`, () => {
    siegeIt('may call already, and is answered', {}, async (siege) => {
      siege.raw.wire.cut()
      await until(() => siege.connection.state === 'waiting', 'it is gone')
      const early = await siege.shakeHands()
      early.send(open(1, at.echo), ping(9))
      assert.equal((await early.frame(FrameType.data)).flags, Flag.end)
      assert.equal(siege.connection.state, 'connecting', 'but nobody calls it')
      await siege.enter()
    })

    siegeIt('that goes away is let go, and none of its handlers is waited for', {}, async (siege) => {
      siege.raw.wire.cut()
      await until(() => siege.connection.state === 'waiting', 'it is gone')
      const early = await siege.shakeHands()
      const call = siege.connection.request('raw.single', undefined, { waitForReady: true, timeout: 60_000 })
      early.send(goAway(0), table(rawSingle))
      await until(() => siege.connection.state === 'waiting', 'it has gone away')
      early.wire.cut()
      await siege.enter()
      const { streamId } = await siege.raw.frame(FrameType.open)
      siege.raw.send({ type: FrameType.data, flags: Flag.end, streamId, payload: Buffer.from('later') })
      assert.equal(Buffer.from(await call).toString(), 'later')
    })

    siegeIt(
      'that sends a table without an end is closed at the limit of entries',
      { limits: { maxHandlers: 50 } },
      async (siege) => {
        siege.raw.wire.cut()
        await until(() => siege.connection.state === 'waiting', 'it is gone')
        siege.raw = await siege.shakeHands()
        for (let n = 0; n < 60; n++)
          siege.raw.send({ type: FrameType.handlers, flags: Flag.more, entries: [{ ...rawSingle, id: `h${n}` }] })
        await siege.assertClosed('protocol', /more than the 50 entries allowed/)
      }
    )
  })
}

describe('before it is known, a peer', () => {
  for (const [what, message, code] of [
    ['a text', 'hello', 1003],
    ['an empty message', Buffer.alloc(0), 1002],
    ['a frame of a later WebSocket', undefined, 1002]
  ] as const) {
    it(`that says ${what} over a WebSocket ends its conn, which says only the code`, () =>
      besieged('ws', {}, async (siege) => {
        const wire = (await siege.dial()) as WebSocketWire
        if (message === undefined) socketOf(wire).write(Uint8Array.of(0xf2, 0x80, 0, 0, 0, 0))
        else wire.ws.send(message)
        assert.equal(await wire.read(), undefined, 'no refusal')
        await until(() => wire.closed, 'it is closed')
        assert.equal(wire.closeCode, code)
        await until(() => siege.manager.stats().pendingHandshakes === 0, 'it is not pending')
        await siege.assertNothingHappened()
      }))
  }

  it('that says more than 16,384 bytes is told that it failed, as far as that was read', () =>
    besieged('ws', {}, async (siege) => {
      const wire = await siege.dial()
      wire.write(Buffer.alloc(16_385, 1))
      assert.equal(readReject((await wire.read()) as Uint8Array).reason, 'authFailed')
      assert.equal(await wire.read(), undefined, 'the refusal is the last message')
      await siege.assertNothingHappened()
    }))

  it('that says nothing until the deadline is closed in an orderly way, without a word', () =>
    besieged('ws', { limits: { handshakeTimeoutMs: 200 } }, async (siege) => {
      const wire = await siege.dial()
      assert.equal(await wire.read(), undefined)
      await until(() => wire.closed, 'it is closed')
      assert.equal(wire.closeCode, 1000)
      await siege.assertNothingHappened()
    }))

  it('that says a hello of 100 KB over a WebSocket is cut off before that is whole', () =>
    besieged('ws', {}, async (siege) => {
      const socket = await rawSocket(Number(new URL(siege.url).port))
      socket.resume()
      socket.write(upgradeHead('/grid/v1'))
      await until(() => siege.manager.stats().pendingHandshakes === 1, 'it is under way')
      // The head of a masked binary frame of 100,000 bytes, and 40,000 of them.
      socket.write(Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 1, 0x86, 0xa0, 0, 0, 0, 0, ...Array(40_000).fill(1)]))
      await until(() => socket.destroyed || socket.readableEnded, 'it is cut off').finally(() => socket.destroy())
      await siege.assertNothingHappened()
      await until(() => siege.manager.stats().refusedHandshakes === 1, 'it is counted')
    }))

  it('that says a hello of 10 MB over a WebSocket is cut off at its length', () =>
    besieged('ws', {}, async (siege) => {
      const wire = await siege.dial()
      wire.write(Buffer.alloc(10_000_000, 1))
      void wire.read()
      await until(() => wire.closed, 'it is cut off')
      await siege.assertNothingHappened()
    }))

  it('that sends WebSocket pings in place of a hello is cut off', () =>
    besieged('ws', {}, async (siege) => {
      const wire = await siege.dial()
      void wire.read()
      for (let sent = 0; sent < 400; sent++) (wire as WebSocketWire).ws.ping(Buffer.alloc(125))
      await until(() => wire.closed, 'it is cut off')
      await siege.assertNothingHappened()
    }))

  it('that says a hello of 100 KB over TCP is cut off at its length', () =>
    besieged('memory', {}, async (siege) => {
      const server = createServer((socket) => siege.manager.incomingConn(duplexConn(socket)))
      const socket = await rawSocket(await listening(server as never))
      socket.resume()
      server.close()
      const length = Buffer.alloc(4)
      length.writeUInt32LE(100_000)
      socket.write(length)
      await until(() => socket.destroyed || socket.readableEnded, 'it is cut off').finally(() => socket.destroy())
      await siege.assertNothingHappened()
      assert.equal(siege.log.warnings(/a message of 100000 bytes arrived/).length, 1)
    }))
})
