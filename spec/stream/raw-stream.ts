/**
 * Stream 1 between a session and a raw peer, frame by frame, with windows of four fragments: what of a large message is
 * sent, and what is lent.
 */

import assert from 'node:assert/strict'
import { GridStream } from '../../lib/call/grid-stream.ts'
import { StreamCall } from '../../lib/call/stream-call.ts'
import { rawBytes } from '../../lib/codec/codec.ts'
import { fragmentBytes, type Limits } from '../../lib/errors/options.ts'
import { rawSingle, rawStreaming } from '../../lib/handler/definition.ts'
import type { StreamingHandler } from '../../lib/handler/handler.ts'
import type { RemoteHandler } from '../../lib/handler/table.ts'
import { Flag, type Frame, FrameType } from '../../lib/wire/frame.ts'
import { addHandler, credit, data, open, reset } from '../support/raw/make.ts'
import { type RawPeer, type RawPeerOptions, rawPeer } from '../support/raw/peer.ts'
import { settled } from '../support/until.ts'

export type Handler = StreamingHandler<unknown, Uint8Array, Uint8Array>

export const windowBytes: number = 4 * fragmentBytes
/** Sixteen fragments. */
export const large: Uint8Array = Buffer.alloc(16 * fragmentBytes, 'message ')
export const small: Uint8Array = Buffer.from('small')

/** Requests that are empty cannot be decoded. */
const fussy = {
  ...rawBytes,
  decode(payload: Uint8Array): Uint8Array {
    if (payload.length === 0) throw new TypeError('nothing to decode')
    return payload
  }
}

/** The session runs `fn` as its handler 0, with windows of so many messages each, and echoes at handler 1. */
export async function serveRaw(fn: Handler, options: RawPeerOptions = {}, capacity = 4) {
  const peer = rawPeer({ ...options, limits: { streamWindowBytes: windowBytes, ...options.limits } })
  const definition = { ...rawStreaming('stream', capacity, capacity), request: fussy }
  addHandler(peer.handlers, definition, fn as StreamingHandler<unknown, unknown, unknown>)
  addHandler(peer.handlers, rawSingle('echo'), (payload) => payload)
  await peer.start()
  const raw = rawStream(peer)
  raw.open(1, 0)
  return raw
}

/** The session opens the stream at a handler of the raw peer, with windows of 2 messages each. */
export async function callRaw(payload: Uint8Array = small, limits: Partial<Limits> = {}) {
  const peer = rawPeer({ role: 'dialer', limits: { streamWindowBytes: windowBytes, ...limits } })
  await peer.start()
  const handler = peer.session.remoteHandlers.find('', 'raw.stream') as RemoteHandler
  const call = new StreamCall<unknown, unknown>(rawStreaming('raw.stream', 2, 2), true)
  const stream = new GridStream(call)
  call.open(peer.session, handler, payload, 0, {})
  await peer.frame(FrameType.open)
  return [stream as GridStream<Uint8Array, Uint8Array>, rawStream(peer)] as const
}

export type RawStream = ReturnType<typeof rawStream>

function rawStream(peer: RawPeer) {
  /** Once no more comes. */
  const arrived = async <Type extends Frame['type']>(type: Type) => {
    await settled(() => peer.frames.length)
    return peer.of(type)
  }
  const send = (payload: Uint8Array, flags = 0) => peer.send(data(1, flags, payload))
  return {
    peer,
    open: (streamId: number, handler: number, flags = 0) => peer.send(open(streamId, handler, flags, small)),

    /** A message, or what the flags make of it. */
    send,

    /** The next fragments of a message that is not whole with them. */
    sendFragments(count: number): void {
      const payload = large.subarray(0, fragmentBytes)
      peer.send(...new Array<Frame>(count).fill(data(1, Flag.more, payload)))
    },

    end: () => send(new Uint8Array(0), Flag.end | Flag.bare),
    credit: (messages: number, bytes: number) => peer.send(credit(1, messages, bytes)),
    reset: (code: number) => peer.send(reset(1, code)),

    /** Length and flags of each DATA frame of a stream so far. */
    async sent(id = 1): Promise<[number, number][]> {
      const frames = (await arrived(FrameType.data)).filter(({ streamId }) => streamId === id)
      return frames.map(({ payload, flags }) => [payload.length, flags])
    },

    /** Messages and bytes of each CREDIT frame so far. */
    async granted(): Promise<[number, number][]> {
      return (await arrived(FrameType.credit)).map(({ messages, bytes }) => [messages, bytes])
    },

    /** No stream, no handler, and nobody in the outbox. */
    assertNothingIsLeft(): void {
      const stats = peer.session.stats()
      const { inboundStreams, outboundStreams, runningHandlers, sendQueueStreams, sendQueueBytes } = stats
      const left = { inboundStreams, outboundStreams, runningHandlers, sendQueueStreams, sendQueueBytes }
      assert.deepEqual(new Set(Object.values(left)), new Set([0]), JSON.stringify(left))
    }
  }
}
