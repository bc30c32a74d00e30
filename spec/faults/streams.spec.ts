/**
 * What a peer may do to streams and credit that no good peer does, over memory and over a real WebSocket. In every case
 * the other stream of that peer goes on, unless its conn is closed, and the honest peer notices nothing.
 */

import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { bytes, streaming } from '../../lib/index.ts'
import { encodeMsgpack } from '../../lib/msgpack/msgpack.ts'
import { Flag, type Frame, FrameType, ResetCode } from '../../lib/wire/frame.ts'
import { paced } from '../support/clock/pace.ts'
import { rejection } from '../support/grid/servers.ts'
import { credit, data, open, ping, reset } from '../support/raw/make.ts'
import { at, type Siege, siegeItOver, siegeKinds } from '../support/raw/siege.ts'
import { until } from '../support/until.ts'

const nothing = new Uint8Array(0)
const bareEnd = Flag.end | Flag.bare
const limits = { maxMessageBytes: 1000, maxFragments: 3, streamWindowBytes: 100, maxMetadataBytes: 50 }

/** What the raw peer says, behind its first stream, and what it is told. */
type Case = readonly [title: string, script: readonly Frame[], told: RegExp]

const closing: readonly Case[] = [
  ['data for an id never opened', [data(7)], /stream 7, which was never opened/],
  ['data for an id that the manager never opened', [data(2)], /stream 2, which was never opened/],
  ['credit for an id never opened', [credit(9, 1, 1)], /stream 9, which was never opened/],
  ['an end for an id never opened', [data(9, bareEnd)], /stream 9, which was never opened/],
  ['a reset for an id never opened', [reset(9)], /stream 9, which was never opened/],
  ['an open with a live id', [open(3, at.wait), open(3, at.wait)], /3, which is not above the last/],
  ['an open with an id lower than the last', [open(9, at.echo), open(7, at.echo)], /7, which is not above the last/],
  ['an open with the id of a stream that is over', [open(3, at.echo), open(3, at.echo)], /not above the last/],
  ['an open with an id of the wrong parity', [open(4, at.echo)], /4, of the wrong parity/],
  ['a credit of nothing', [open(3, at.deaf, 0), credit(3, 0, 0)], /credit of nothing/],
  ['messages of credit beyond the maximum', [open(3, at.deaf, 0), credit(3, 2 ** 31, 1)], /beyond/],
  ['bytes of credit beyond the maximum', [open(3, at.deaf, 0), credit(3, 1, 2 ** 31)], /beyond/],
  [
    'credits that add up to more than the maximum',
    [open(3, at.deaf, 0), ...Array<Frame>(3).fill(credit(3, 2 ** 30, 1))],
    /beyond/
  ]
]

const resetting: readonly (readonly [title: string, code: number, script: readonly Frame[], told: RegExp])[] = [
  ['data after the end', ResetCode.streamProtocol, [open(3, at.deaf), data(3)], /after the end/],
  ['a second end', ResetCode.streamProtocol, [open(3, at.deaf), data(3, bareEnd)], /after the end/],
  ['data behind the single message of a request', ResetCode.streamProtocol, [open(3, at.wait), data(3)], /after the/],
  ['one message more than the window', ResetCode.flowControl, [open(3, at.deaf, 0), data(3), data(3), data(3)], /of 2/],
  [
    'one byte more than the window',
    ResetCode.flowControl,
    [open(3, at.deaf, 0), data(3, 0, Buffer.alloc(150)), data(3, 0, Buffer.alloc(1))],
    /window of 100/
  ],
  [
    'one fragment more than the window',
    ResetCode.flowControl,
    [open(3, at.deaf, 0), data(3), data(3, Flag.more, Buffer.alloc(150)), data(3, Flag.more, nothing)],
    /window of 100/
  ],
  ['a message too large', ResetCode.messageTooLarge, [open(3, at.echo, Flag.end, Buffer.alloc(1001))], /1000 bytes/],
  [
    'fragments that grow too large',
    ResetCode.messageTooLarge,
    [open(3, at.echo, Flag.more, Buffer.alloc(600)), data(3, Flag.more, Buffer.alloc(600))],
    /1000 bytes/
  ],
  [
    'fragments without an end, of no bytes at all',
    ResetCode.messageTooLarge,
    [open(3, at.echo, Flag.more, nothing), ...Array<Frame>(3).fill(data(3, Flag.more, nothing))],
    /3 fragments/
  ],
  ['a single request without the end', ResetCode.streamProtocol, [open(3, at.wait, 0)], /without the end/],
  [
    'the end of a half amid the fragments of a message',
    ResetCode.streamProtocol,
    [open(3, at.deaf, 0), data(3, Flag.more), data(3, bareEnd)],
    /amid the fragments/
  ],
  [
    'an error payload from the initiator',
    ResetCode.streamProtocol,
    [open(3, at.deaf, 0), data(3, Flag.end | Flag.error)],
    /an error payload from the initiator/
  ],
  [
    'an error amid the fragments of the payload',
    ResetCode.streamProtocol,
    [open(3, at.deaf, Flag.more), data(3, Flag.end | Flag.error)],
    /an error payload from the initiator/
  ],
  ['a request at a handler that takes none', ResetCode.flowControl, [open(3, at.feed, 0), data(3)], /window of 0/],
  ['an index without a handler', ResetCode.unknownHandler, [open(3, 99)], /no handler with the number 99/],
  [
    'the largest index there is',
    ResetCode.unknownHandler,
    [open(3, 2 ** 53 - 1)],
    /no handler with the number 9007199254740991/
  ],
  ['metadata too large', ResetCode.messageTooLarge, [withMetadata(open(3, at.wait), Buffer.alloc(51))], /50 bytes/]
]

const ignored: readonly (readonly [title: string, script: readonly Frame[], frames: number])[] = [
  ['data, credit, an end and a reset for an id just closed', [data(3), credit(3, 1, 1), data(3, bareEnd), reset(3)], 4],
  ['credit for a half that has ended', [open(5, at.wait), credit(5, 1, 1), reset(5)], 1],
  [
    'credit of nothing, and too much of it, for halves that are over or have no window',
    [credit(3, 0, 0), open(5, at.wait), credit(5, 0, 0), credit(5, 2 ** 40, 1), reset(5)],
    3
  ],
  ['frames for an id that was skipped', [open(9, at.echo), data(7), credit(7, 1, 1), reset(7)], 3],
  ['a stop from the initiator, which ends the stream', [open(5, at.wait), reset(5, ResetCode.stop), data(5)], 1],
  [
    'the longest deadline that can be written',
    [{ ...open(5, at.wait), timeoutMs: 2 ** 53 - 1 } as Frame, reset(5), credit(5, 1, 1)],
    1
  ],
  ['a reset twice', [open(5, at.wait), reset(5), reset(5)], 1]
]

function withMetadata(frame: Frame, metadata: Uint8Array): Frame {
  return { ...frame, metadata } as Frame
}

function single(siege: Siege): Promise<Uint8Array> {
  return siege.connection.request('raw.single', Buffer.from('hello'), { timeout: 60_000 })
}

const atRaw = streaming<Uint8Array, Uint8Array, Uint8Array>('raw.stream', {
  ...{ payload: bytes(), request: bytes(), response: bytes() },
  ...{ inCapacity: 2, outCapacity: 2 }
})

for (const kind of siegeKinds) {
  const siegeIt = siegeItOver(kind)

  describe(`over ${kind}, a peer is closed that sends`, () => {
    for (const [title, script, told] of closing) {
      siegeIt(title, {}, async (siege) => {
        siege.raw.send(...script)
        await siege.assertClosed('protocol', told)
      })
    }
  })

  describe(`over ${kind}, one stream is reset at`, () => {
    for (const [title, code, script, told] of resetting) {
      siegeIt(title, { limits }, async (siege) => {
        siege.raw.send(...script)
        await siege.assertReset(3, code, told)
        assert.deepEqual(
          [siege.stats?.inboundStreams, siege.stats?.runningHandlers],
          [1, 1],
          'only the witness is left'
        )
      })
    }
  })

  describe(`over ${kind}, a call whose payload is not complete`, () => {
    siegeIt('counts among those that run, until it is over', { limits: { maxInboundStreams: 2 } }, async (siege) => {
      siege.raw.send(open(3, at.echo, Flag.more), open(5, at.echo))
      await siege.assertReset(5, ResetCode.tooManyStreams, /more than 2 calls at once/)
      siege.raw.send(reset(3))
      siege.raw.send(open(7, at.echo))
      await siege.raw.frame(FrameType.data, ({ streamId }) => streamId === 7)
      await siege.assertNothingHappened()
    })

    siegeIt('ends at its deadline, which counts from its first fragment on', {}, async (siege) => {
      siege.raw.send({ ...open(3, at.echo, Flag.more), timeoutMs: paced(100) } as Frame)
      await siege.assertReset(3, ResetCode.deadline, /^$/)
      assert.equal(siege.stats?.runningHandlers, 1, 'only the witness is left')
    })
  })

  describe(`over ${kind}, nothing happens at`, () => {
    for (const [title, script, frames] of ignored) {
      siegeIt(title, {}, async (siege) => {
        siege.raw.send(open(3, at.echo))
        await siege.raw.frame(FrameType.data, ({ streamId }) => streamId === 3)
        siege.raw.send(...script)
        await siege.assertNothingHappened()
        assert.equal(siege.stats?.ignoredFrames, frames)
      })
    }
  })

  describe(`over ${kind}, a call of the manager ends once, and alone, when the handler's side sends`, () => {
    const answers: readonly (readonly [title: string, answer: (id: number) => Frame[], name: string, text: RegExp])[] =
      [
        ['an answer without the end', (id) => [data(id)], 'ProtocolError', /without the end/],
        ['an end without an answer', (id) => [data(id, bareEnd)], 'ProtocolError', /without/],
        ['two answers', (id) => [data(id, Flag.end), data(id, Flag.end)], '', /^$/],
        ['an answer and an error', (id) => [data(id, Flag.end), data(id, Flag.end | Flag.error)], '', /^$/],
        ['an error that is no error', (id) => [data(id, Flag.end | Flag.error)], 'RemoteError', /an unreadable error/],
        ['an error that is empty', (id) => [data(id, Flag.end | Flag.error, nothing)], 'RemoteError', /unreadable/],
        [
          'fragments and then an error',
          (id) => [data(id, Flag.more), errorOf(id, { message: 'no' })],
          'RemoteError',
          /no/
        ],
        [
          'an error with a text of 100 KB, cut to 4 KiB',
          (id) => [errorOf(id, { message: 'x'.repeat(100_000), name: 'y'.repeat(1000), code: 7 })],
          'RemoteError',
          /^x{4096,4097}$/
        ],
        ['a reset with a code that nobody knows', (id) => [reset(id, 4711, 'because')], 'StreamResetError', /because/],
        ['a stop', (id) => [reset(id, ResetCode.stop), data(id, Flag.end)], '', /^$/],
        [
          'an error of 20 KB, details and all',
          (id) => [errorOf(id, { message: 'large', details: 'x'.repeat(20_000) })],
          'RemoteError',
          /^large$/
        ],
        [
          'credit of nothing, and too much of it',
          (id) => [credit(id, 0, 0), credit(id, 2 ** 40, 1), data(id, Flag.end)],
          '',
          /^$/
        ],
        ['credit, which it does not need', (id) => [credit(id, 1, 1), data(id, Flag.end)], '', /^$/],
        ['an answer too large', (id) => [data(id, Flag.end, Buffer.alloc(1001))], 'MessageTooLargeError', /1000 bytes/]
      ]
    for (const [title, answer, name, text] of answers) {
      siegeIt(title, { limits }, async (siege) => {
        const call = single(siege)
        const outcome = call.then(
          () => ({ name: '', message: '' }),
          (error: Error) => error
        )
        const { streamId } = await siege.raw.frame(FrameType.open)
        siege.raw.send(...answer(streamId))
        const error = await outcome
        assert.deepEqual([error.name, name], [name, error.name], error.message)
        assert.match(error.message, text)
        await siege.assertNothingHappened()
        assert.equal(siege.stats?.outboundStreams, 0)
      })
    }
  })

  describe(`over ${kind}, a request of the manager in fragments`, () => {
    siegeIt(
      'is sent to its end although the handler says stop, which says nothing of a single one',
      {},
      async (siege) => {
        const payload = Buffer.alloc(8_000_000, 7)
        const call = siege.connection.request('raw.single', payload, { timeout: 60_000 })
        const { streamId } = await siege.raw.frame(FrameType.open)
        siege.raw.send(reset(streamId, ResetCode.stop))
        await siege.raw.frame(FrameType.data, (frame) => frame.streamId === streamId && frame.flags === Flag.end)
        siege.raw.send(data(streamId, Flag.end))
        assert.equal(Buffer.from(await call).toString(), 'payload')
        const parts = [siege.raw.of(FrameType.open)[0], ...siege.raw.of(FrameType.data)].filter(
          (frame) => frame?.streamId === streamId
        )
        assert.equal(
          parts.reduce((sum, part) => sum + (part?.payload.length ?? 0), 0),
          payload.length
        )
        await siege.assertNothingHappened()
      }
    )
  })

  describe(`over ${kind}, a stream of the manager fails once, and alone, when the handler's side sends`, () => {
    const answers: readonly (readonly [title: string, frames: (id: number) => Frame[], text: RegExp])[] = [
      ['one response more than the window', (id) => [data(id), data(id), data(id)], /window of 2/],
      ['one response more than its bytes', (id) => [data(id, 0, Buffer.alloc(150)), data(id, 0, nothing)], /of 100/],
      ['a bare end amid fragments', (id) => [data(id, Flag.more), data(id, bareEnd)], /amid the fragments/],
      ['more fragments than are allowed', (id) => Array(4).fill(data(id, Flag.more, Buffer.of(1))), /3 fragments/]
    ]
    for (const [title, frames, text] of answers) {
      siegeIt(title, { limits }, async (siege) => {
        const stream = siege.connection.newStream(atRaw, Buffer.from('hello'))
        const { streamId } = await siege.raw.frame(FrameType.open)
        siege.raw.send(...frames(streamId))
        await siege.raw.frame(FrameType.reset, (frame) => frame.streamId === streamId)
        // What was in order may be delivered; then one error, and then the end.
        const error = await rejection(drain(stream.responses))
        assert.match(error.message, text)
        assert.equal((await stream.responses.next()).done, true)
        await assert.rejects(stream.send(Buffer.from('late')))
        await siege.assertNothingHappened()
        assert.equal(siege.stats?.outboundStreams, 0)
      })
    }

    siegeIt('a response behind its end, which is too late to matter', {}, async (siege) => {
      const stream = siege.connection.newStream(atRaw, Buffer.from('hello'))
      const { streamId } = await siege.raw.frame(FrameType.open)
      siege.raw.send(data(streamId), data(streamId, bareEnd), data(streamId))
      assert.equal(await drain(stream.responses), 1)
      stream.cancel()
      await siege.assertNothingHappened()
    })
  })

  describe(`over ${kind}, a peer that grants nothing`, () => {
    siegeIt(
      'lets writers wait, who obey their signal and their deadline, and fail when the link dies',
      {},
      async (siege) => {
        const cancel = new AbortController()
        const streams = [{ signal: cancel.signal }, { timeout: paced(100) }, {}, {}].map((options) =>
          siege.connection.newStream(atRaw, nothing, options)
        )
        // The window takes two of each; the others wait.
        const waiting: Promise<unknown>[] = []
        for (const stream of streams) {
          await stream.send(Buffer.of(1))
          await stream.send(Buffer.of(2))
          waiting.push(rejection(stream.send(Buffer.of(3))), rejection(stream.send(Buffer.of(4))))
        }
        await siege.assertNothingHappened()
        cancel.abort(new Error('enough'))
        const settled = waiting.map((wait) => wait as Promise<Error & { code?: string }>)
        assert.equal((await (settled[0] as Promise<Error>)).message, 'enough')
        assert.equal((await (settled[2] as Promise<Error & { code?: string }>)).code, 'ERR_DEADLINE')
        siege.raw.wire.cut()
        for (const error of await Promise.all(settled.slice(4))) assert.equal(error.code, 'ERR_DISCONNECTED')
        assert.equal((await Promise.all(settled)).length, 8)
        await siege.assertHonestPeerUndisturbed()
        await siege.enter()
      }
    )

    siegeIt('and takes no answer, while both sides only write, stops both and no control frame', {}, async (siege) => {
      siege.raw.send(open(3, at.feed), open(5, at.deaf, 0), data(5), data(5))
      const stream = siege.connection.newStream(atRaw, nothing)
      await stream.send(Buffer.of(1))
      await stream.send(Buffer.of(2))
      await siege.assertNothingHappened()
      siege.raw.send(ping(4711))
      await siege.raw.frame(FrameType.pong, ({ token }) => token === 4711)
      assert.equal(
        siege.raw.of(FrameType.data).filter(({ streamId }) => streamId === 3).length,
        2,
        'the window of feed'
      )
      siege.raw.send(reset(3), reset(5))
      stream.cancel()
      await siege.assertNothingHappened()
    })

    siegeIt('stalls one stream, beside which a hundred requests and another stream pass', {}, async (siege) => {
      siege.raw.send(open(3, at.feed))
      for (let id = 5; id < 205; id += 2) siege.raw.send(open(id, at.echo))
      await until(
        () => siege.raw.of(FrameType.data).filter(({ flags }) => flags === Flag.end).length === 100,
        'all answers'
      )
      await siege.assertNothingHappened()
      siege.raw.send(reset(3))
    })
  })
}

function errorOf(streamId: number, fields: object): Frame {
  return data(streamId, Flag.end | Flag.error, encodeMsgpack(fields))
}

/** How many responses come before the end. */
async function drain(responses: AsyncIterable<unknown>): Promise<number> {
  let count = 0
  for await (const _response of responses) count++
  return count
}
