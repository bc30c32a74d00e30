/**
 * What a peer may send as frames that are none, over memory and over a real WebSocket: its conn is closed with the
 * reason, or one call fails; the honest peer notices nothing, and whoever was closed may come again.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { single } from '../../lib/index.ts'
import { encodeMsgpack } from '../../lib/msgpack/msgpack.ts'
import { CloseCode, Flag, type Frame, FrameType, HandlerKind } from '../../lib/wire/frame.ts'
import { naiveBatch, naiveCrc32, naiveEncode } from '../support/codec/naive.ts'
import { rejection } from '../support/grid/servers.ts'
import { randomFrom, seed, wholeBelow } from '../support/random.ts'
import { data, goAway, open, ping, rawSingle, reset, table } from '../support/raw/make.ts'
import { at, besieged, type Siege, siegeItOver, siegeKinds } from '../support/raw/siege.ts'
import type { WebSocketWire } from '../support/raw/wire.ts'
import { until } from '../support/until.ts'

/** A batch with the checksum that both kinds of conn ask for here. */
function sealed(...body: number[]): Uint8Array {
  const crc = naiveCrc32(Uint8Array.from(body))
  return Uint8Array.from([crc & 0xff, (crc >>> 8) & 0xff, (crc >>> 16) & 0xff, crc >>> 24, ...body])
}

const entry = { kind: HandlerKind.single, inCapacity: 0, outCapacity: 1, subroute: '', id: 'new' }
const fourGiB = [0xff, 0xff, 0xff, 0xff, 0x0f]

/** Bytes behind the checksum, and what the peer is told. */
const closing: readonly (readonly [title: string, body: readonly number[], told: RegExp])[] = [
  ['a batch of no frames', [], /^an empty batch$/],
  ['an unknown frame type', [0x0f, 1], /^unknown frame type 15$/],
  ['frame type 0', [0x00], /^unknown frame type 0$/],
  ['an unknown flag', [0x13, 1, 1, 1], /^flags 0x10 on a frame of type credit$/],
  ['flags that exclude each other', [0x32, 1, 0], /^a fragment with flags of a whole message$/],
  ['a length over what is present', [0x02, 1, 5, 1, 2], /^a length beyond the end of the batch$/],
  ['a length of 2^32-1', [0x02, 1, ...fourGiB, 1, 2], /^a length beyond the end of the batch$/],
  ['a handler table of 2^32-1 entries', [0x07, ...fourGiB], /^a handler table of more than the \d+ entries allowed$/],
  ['a name of 2^32-1 bytes', [0x07, 1, 0, 0, 1, 0, ...fourGiB], /^a length beyond the end of the batch$/],
  ['a varint without an end', [0x05, ...Array<number>(40).fill(0xff)], /^a varint beyond 2\^53-1$/],
  ['a varint that is over-long', [0x05, 0x81, 0x80, 0x00], /^a varint that is longer than it needs to be$/],
  ['stream id 0', [0x12, 0, 0], /^stream id 0$/],
  ['a text of more than 1024 bytes', [0x04, 1, 0, 0x81, 0x08, ...Array<number>(1025).fill(97)], /^a text of more than/],
  ['a grace of 2^31 ms', [0x88, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x08, 0], /^a grace of more than 2147483647 ms$/],
  [
    'a grace of 2^53-1 ms',
    [0x88, 0, 0, ...Array<number>(7).fill(0xff), 0x0f, 0],
    /^a grace of more than 2147483647 ms$/
  ],
  ['a handler of unknown kind', [0x07, 1, 2, 0, 1, 0, 1, 97], /^a handler of unknown kind 2$/],
  ['a handler that it advertised before', [...naiveEncode(table(rawSingle))], /^a handler that was advertised before$/],
  [
    'a handler name that is too long',
    [...naiveEncode(table({ ...entry, id: 'x'.repeat(257) }))],
    /^a handler name of more/
  ],
  [
    'a handler without an id',
    [...naiveEncode(table({ ...entry, id: '', subroute: 'disk1' }))],
    /^a handler without an id$/
  ],
  [
    'a handler id with NUL in it',
    [...naiveEncode(table({ ...entry, id: 'a\0b' }))],
    /^a handler name that has NUL in it/
  ],
  [
    'a subroute with NUL in it',
    [...naiveEncode(table({ ...entry, subroute: '\0' }))],
    /^a handler name that has NUL in it/
  ],
  ['a handler id that is no UTF-8', [0x07, 1, 0, 0, 1, 0, 2, 0xc3, 0x28], /^a handler name .* is not UTF-8$/],
  [
    'a subroute that is half a pair',
    [0x07, 1, 0, 0, 1, 3, 0xed, 0xa0, 0x80, 1, 97],
    /^a handler name .* is not UTF-8$/
  ],
  ['a message of the handshake', [1, 0x81, 0xa5, 0x70], /cut short|beyond the end|never|parity|not above/]
]

const whole: readonly Frame[] = [
  { ...open(3, at.echo), timeoutMs: 60_000, metadata: encodeMsgpack({ trace: 'abc' }) } as Frame,
  data(1),
  { type: FrameType.credit, flags: 0, streamId: 1, messages: 300, bytes: 70_000 },
  reset(3, 8, 'too large'),
  ping(301),
  table({ ...entry, subroute: 'disk1' }),
  goAway(0),
  goAway(0, 'bye', 0, 300)
]

for (const kind of siegeKinds) {
  const siegeIt = siegeItOver(kind)

  describe(`over ${kind}, a peer is closed that sends`, () => {
    for (const [title, body, told] of closing) {
      siegeIt(title, {}, async (siege) => {
        siege.raw.sendBytes(sealed(...body))
        await siege.assertClosed('protocol', told)
      })
    }

    siegeIt('a frame that is cut short at any byte, of every type', {}, async (siege) => {
      for (const frame of whole) {
        const bytes = naiveEncode(frame)
        // At every byte over memory; over a socket, where it differs in nothing, at two.
        const cuts = kind === 'memory' ? bytes.keys() : [1, bytes.length - 1]
        for (const length of cuts) {
          if (length === 0) continue
          siege.raw.sendBytes(sealed(...naiveEncode(ping(1)), ...bytes.subarray(0, length)))
          const farewell = await siege.raw.frame(FrameType.goAway)
          assert.equal(farewell.code, CloseCode.protocol)
          assert.match(farewell.text, /^(a frame that is cut short|a length beyond the end of the batch)$/)
          await until(() => siege.raw.wire.closed && siege.connection.state === 'waiting', 'it is closed')
          await siege.enter()
        }
      }
      await siege.assertNothingHappened()
    })

    siegeIt('anything that this page names, behind a go-away and in an orderly way', {}, async (siege) => {
      siege.raw.sendBytes(sealed(0x0f, 1))
      await siege.raw.frame(FrameType.goAway)
      const { wire } = siege.raw
      await until(() => wire.closed, 'the conn is closed')
      assert.equal(wire.closeCode, 1000)
      await siege.enter()
    })

    siegeIt('a batch with a wrong checksum', {}, async (siege) => {
      const batch = Uint8Array.from(naiveBatch([open(3, at.echo)], true))
      batch[batch.length - 1] = (batch.at(-1) as number) ^ 1
      siege.raw.sendBytes(batch)
      await siege.assertClosed('checksum', /checksum of a batch does not match/)
    })

    siegeIt('a batch without the checksum that was negotiated, or shorter than one', {}, async (siege) => {
      siege.raw.sendBytes(naiveBatch([open(3, at.echo)], false))
      await siege.assertClosed('checksum', /checksum/)
      siege.raw.sendBytes(Uint8Array.of(5, 1))
      await siege.assertClosed('checksum', /a batch without its checksum/)
    })

    siegeIt('random bytes, and batches with random bits flipped, behind a right checksum', {}, async (siege) => {
      const random = randomFrom(seed)
      const below = (limit: number) => wholeBelow(random, limit)
      for (let round = 0; round < 20; round++) {
        const body =
          round % 2 === 0
            ? Uint8Array.from({ length: 1 + below(60) }, () => below(256))
            : Uint8Array.from(naiveBatch(whole, false))
        if (round % 2 === 1) {
          const flip = below(body.length)
          body[flip] = (body[flip] as number) ^ (1 << below(8))
        }
        siege.raw.sendBytes(sealed(...body))
        // Closed, or taken as what it says: then it answers a ping, or waits for calls that it was told to make none of.
        siege.raw.send(ping(100 + round))
        const answered = () => siege.raw.of(FrameType.pong).some(({ token }) => token === 100 + round)
        await until(() => siege.raw.wire.closed || answered(), `SEED=${seed}: round ${round} is closed or lives`)
        siege.raw.wire.cut()
        await until(() => siege.raw.wire.closed && siege.connection.state === 'waiting', 'the conn is gone')
        await siege.enter()
      }
      await siege.assertNothingHappened()
    })
  })

  describe(`over ${kind}, values that are none`, () => {
    const deep = Uint8Array.from([...Array<number>(5000).fill(0x91), 0xc0])
    const proto = Buffer.concat([Buffer.of(0x81, 0xa9), Buffer.from('__proto__'), Buffer.of(0x81, 0xa1, 0x78, 1)])
    const bad: readonly (readonly [title: string, payload: Uint8Array])[] = [
      ['an array that claims 2^32-1 items', Uint8Array.of(0xdd, 255, 255, 255, 255)],
      ['a map that claims 2^32-1 entries', Uint8Array.of(0xdf, 255, 255, 255, 255)],
      ['5,000 arrays in each other', deep],
      ['the key __proto__', proto],
      ['an extension that is not allowed', Uint8Array.of(0xd4, 1, 1)],
      ['trailing bytes', Uint8Array.of(0xc0, 0x73, 0x65, 0x63, 0x72, 0x65, 0x74)],
      ['nothing at all', new Uint8Array(0)]
    ]
    for (const [title, payload] of bad) {
      siegeIt(
        `${title}: as a request, as metadata, as an answer and as an error, fail one call each`,
        {},
        async (siege) => {
          const typed = single<unknown, unknown>('typed')
          let ran = 0
          siege.manager.handle(typed, () => {
            ran++
          })
          siege.manager.handle('meta', (request, context) => {
            assert.ok(context.metadata)
            return request
          })
          siege.raw.send(table({ ...entry, id: 'typed' }))
          siege.raw.send(open(3, 5, Flag.end, payload), { ...open(5, 6), metadata: payload } as Frame)
          for (const id of [3, 5]) {
            const answer = await siege.raw.frame(FrameType.data, ({ streamId }) => streamId === id)
            const says = Buffer.from(answer.payload).toString()
            assert.equal(answer.flags, Flag.end | Flag.error, says)
            assert.match(says, /ERR_CODEC/)
            assert.doesNotMatch(says, /secret/)
          }
          assert.equal(ran, 0)
          await until(() => siege.connection.state === 'connected', 'it is known')
          for (const flags of [Flag.end, Flag.end | Flag.error]) {
            const before = siege.raw.of(FrameType.open).length
            const failed = rejection(siege.connection.request(typed, undefined, { waitForReady: true }))
            await until(() => siege.raw.of(FrameType.open).length > before, 'the manager calls')
            siege.raw.send(data(siege.raw.of(FrameType.open)[before]?.streamId ?? 0, flags, payload))
            const error = await failed
            assert.match(error.name, /^(CodecError|RemoteError)$/)
            assert.doesNotMatch(`${error.message} ${error.stack} ${error.cause}`, /secret|115, ?101/)
          }
          assert.equal(({} as Record<string, unknown>).x, undefined, 'the prototype of objects was touched')
          await siege.assertNothingHappened()
        }
      )
    }

    siegeIt('capacities of a single handler are nothing to its callers', {}, async (siege) => {
      siege.raw.send(
        table({ ...entry, inCapacity: 0, outCapacity: 0 }, { ...entry, id: 'b', inCapacity: 65_535, outCapacity: 9 })
      )
      await siege.assertStreamGoesOn()
      for (const name of ['new', 'b']) {
        const answer = siege.connection.request(name)
        const before = siege.raw.of(FrameType.data).length
        const { streamId, flags } = await siege.raw.frame(
          FrameType.open,
          ({ handler }) => handler === (name === 'b' ? 3 : 2)
        )
        assert.equal(flags, Flag.end)
        siege.raw.send(data(streamId, Flag.end))
        assert.equal(Buffer.from(await answer).toString(), 'payload')
        assert.equal(siege.raw.of(FrameType.data).length, before)
      }
      await siege.assertNothingHappened()
    })

    siegeIt('names that mean something to JavaScript are names like others', {}, async (siege) => {
      const names = ['__proto__', 'toString', 'constructor', 'hasOwnProperty', 'a\0b']
      for (const name of [...names, 'x'.repeat(1_000_000)]) {
        const error = await rejection(siege.connection.request(name))
        assert.deepEqual([error.code, error.delivery], ['ERR_UNKNOWN_HANDLER', 'notSent'])
        assert.ok(error.message.length < 1000, 'a long name is not repeated')
        const subroute = siege.connection.subroute(name)
        assert.equal((await rejection(subroute.request('raw.single'))).code, 'ERR_UNKNOWN_HANDLER')
      }
      siege.raw.send(
        table(
          ...names.slice(0, 4).flatMap((id) => [
            { ...entry, id },
            { ...entry, id, subroute: id }
          ])
        )
      )
      await siege.assertStreamGoesOn()
      for (const name of names.slice(0, 4)) {
        const answers = [siege.connection.request(name), siege.connection.subroute(name).request(name)]
        const calls = () => siege.raw.of(FrameType.open)
        const count = calls().length
        await until(() => calls().length >= 2 * (names.indexOf(name) + 1), `two calls, there are ${count}`)
        for (const { streamId } of calls().slice(-2)) siege.raw.send(data(streamId, Flag.end))
        assert.equal((await Promise.all(answers)).length, 2)
      }
      await siege.assertNothingHappened()
    })
  })
}

it('over ws, a batch in as many WebSocket fragments as it has bytes is a batch', async () => {
  await besieged('ws', {}, async (siege) => {
    const { ws } = siege.raw.wire as WebSocketWire
    const batch = naiveBatch([open(3, at.echo, Flag.end, Buffer.alloc(5000, 7))], true)
    for (let part = 0; part < batch.length; part++) {
      ws.send(batch.subarray(part, part + 1), { fin: part === batch.length - 1 })
    }
    const answer = await siege.raw.frame(FrameType.data, ({ streamId }) => streamId === 3)
    assert.equal(answer.payload.length, 5000)
    await siege.assertNothingHappened()
  })
})

describe('over ws, below the frames, a peer is closed that sends', () => {
  const wsIt = (title: string, body: (siege: Siege, wire: WebSocketWire) => Promise<void>) =>
    it(title, () => besieged('ws', {}, (siege) => body(siege, siege.raw.wire as WebSocketWire)))

  wsIt('a text message', async (siege, wire) => {
    wire.ws.send('hello')
    await siege.assertGone('protocol', /a text message arrived/)
    assert.equal(wire.closeCode, 1003)
  })

  wsIt('an empty message', async (siege, wire) => {
    wire.ws.send(new Uint8Array(0))
    await siege.assertGone('protocol', /an empty message arrived/)
    assert.equal(wire.closeCode, 1002)
  })

  wsIt('a message over the largest', async (siege, wire) => {
    wire.ws.send(new Uint8Array(144 * 1024 + 8 * 1024 + 1))
    await siege.assertGone('protocol', /Max payload size exceeded/)
    assert.equal(wire.closeCode, 1009)
  })

  wsIt('fragments of a WebSocket message without an end', async (siege, wire) => {
    for (let part = 0; part < 200; part++) wire.ws.send(new Uint8Array(1024), { fin: false })
    await siege.assertGone('protocol', /Max payload size exceeded/)
    assert.equal(wire.closeCode, 1009)
  })

  wsIt('empty fragments of a WebSocket message without an end', async (siege, wire) => {
    for (let part = 0; part < 160_000; part++) wire.ws.send(new Uint8Array(0), { fin: false })
    await siege.assertGone('protocol', /Too many message fragments/i)
    assert.equal(wire.closeCode, 1008)
  })

  wsIt('the end of the socket in the middle of a message', async (siege, wire) => {
    const ran = siege.stats?.messagesIn
    wire.ws.send(naiveBatch([open(3, at.echo)], true).subarray(0, 9), { fin: false })
    wire.cut()
    await siege.assertGone('lost', /connection lost/)
    assert.equal(siege.connection.stats().totals.messagesIn, (ran ?? 0) + 2, 'only those of the new witness')
  })
})
