/**
 * The process of the hostile peers: each shakes hands honestly, and then does its worst in one way.
 *
 * `shapes` is the list of those ways. Each fills what it is named for up to the limits and no further, as what goes
 * beyond is reset; `beyond` and the floods do go beyond.
 */

import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Limits } from '../../../lib/index.ts'
import { Flag, type Frame } from '../../../lib/wire/frame.ts'
import { errorStack } from '../errors.ts'
import { obey, tell } from '../process/obey.ts'
import { credit, data, open, ping, rawSingle, rawStream, reset, table } from '../raw/make.ts'
import { until } from '../until.ts'
import { HostilePeer, maxUnsentBytes } from './hostile-peer.ts'
import { capacity, type Order, type ShapeName, shapeNames, victimHandlers } from './processes.ts'

export type AttackerWords = typeof words
/** That the victim says that a rule was broken where none was meant to be. */
export type AttackerReport = string

const { end, more } = Flag
const kib = 1024
const one = Uint8Array.of(7)
/** Limits that let the victim send whatever it has. */
const endless = { maxMessageBytes: 2 ** 30, streamWindowBytes: 2 ** 30 }

const handlerOf = (name: (typeof victimHandlers)[number]) => victimHandlers.indexOf(name)

/** Those of the attack that is under way. */
const live = new Set<HostilePeer>()
let attacks = 0

const peerStream = { ...rawStream, id: 'peer.stream', inCapacity: capacity, outCapacity: capacity }
const ownTable = table({ ...rawSingle, id: 'peer.single' }, peerStream)

async function connect(order: Order, host: string, announced: Partial<Limits> = {}): Promise<HostilePeer> {
  const peer = await HostilePeer.connect(order.url, host, announced, (error) => tell(errorStack(error)))
  live.add(peer)
  return peer
}

type Shape = (order: Order, host: string) => Promise<void>

/** Every call held by its handler, with the largest payload and metadata. */
const payloads: Shape = async (order, host) => {
  const peer = await ready(order, host)
  const { maxInboundStreams, maxMessageBytes } = order.limits
  const [payload, metadata] = [Buffer.alloc(maxMessageBytes, 1), metadataOf(order.limits)]
  for (let i = 0; i < maxInboundStreams; i++) {
    await peer.send(open(peer.nextId(), handlerOf('hold'), end, payload, metadata))
  }
}

/**
 * Every stream with the largest payload, and behind it a window that is full: a message of the largest size, for which
 * all but a byte is lent, and a frame of the largest size that overdraws.
 */
const windows: Shape = async (order, host) => {
  const peer = await ready(order, host)
  const { maxInboundStreams, maxMessageBytes } = order.limits
  const whole = Buffer.alloc(maxMessageBytes, 1)
  const ids = Array.from({ length: maxInboundStreams }, () => peer.nextId())
  for (const id of ids) await peer.send(open(id, handlerOf('upload'), 0, whole, metadataOf(order.limits)))
  await fillWindows(peer, ids, order.limits)
}

/** Full windows, and then several times as much on every stream, and twice as many streams: all of it in vain. */
const beyond: Shape = async (order, host) => {
  const peer = await ready(order, host)
  const { maxInboundStreams, maxMessageBytes } = order.limits
  const whole = Buffer.alloc(maxMessageBytes, 1)
  const ids = Array.from({ length: maxInboundStreams }, () => peer.nextId())
  for (const id of ids) await peer.send(open(id, handlerOf('upload'), 0, one))
  await fillWindows(peer, ids, order.limits)
  for (const id of ids) for (let i = 0; i < 12; i++) await peer.send(data(id, 0, whole))
  // Those whose window was exceeded are reset, and leave room.
  for (let i = 0; i < 3 * maxInboundStreams; i++) {
    await peer.send(open(peer.nextId(), handlerOf('hold'), end, whole))
  }
}

/** The largest payloads, each behind as many bytes that do not matter: the memory that it arrived in is twice as large. */
const padded: Shape = async (order, host) => {
  const peer = await ready(order, host)
  const { maxInboundStreams, maxMessageBytes, maxMetadataBytes } = order.limits
  const conn = 144 * kib + maxMetadataBytes
  const length = Math.min(maxMessageBytes, Math.floor(conn / 2) - 200)
  const over = peer.nextId()
  await peer.send(open(over, handlerOf('echo'), end, one))
  const junk = data(over, 0, Buffer.alloc(length - 100))
  for (let i = 0; i < maxInboundStreams; i++) {
    await peer.send(junk, open(peer.nextId(), handlerOf('hold'), end, Buffer.alloc(length, 1)))
  }
}

/** Messages that are never whole, in fragments of a byte: payloads, and requests. */
const fragments: Shape = async (order, host) => {
  const peer = await ready(order, host)
  const { maxInboundStreams, maxFragments } = order.limits
  for (let i = 0; i < maxInboundStreams; i++) {
    const id = peer.nextId()
    if (i % 2 === 0) await peer.send(open(id, handlerOf('upload'), 0, one))
    else await peer.send(open(id, handlerOf('hold'), more, one))
    const fragment = data(id, more, one)
    for (let left = maxFragments - 2; left > 0; left -= 1024) {
      await peer.send(...new Array<Frame>(Math.min(left, 1024)).fill(fragment))
    }
  }
}

/** Messages of a byte, each of which is all that is left of the memory that it shared with others. */
const crumbs: Shape = async (order, host) => {
  const peer = await ready(order, host)
  const passing = Buffer.alloc(4000, 1)
  const ids = Array.from({ length: order.limits.maxInboundStreams - 10 }, () => peer.nextId())
  for (const id of ids) {
    await peer.send(open(id, handlerOf('upload'), 0, one))
  }
  for (let i = 0; i < capacity; i++) {
    for (const id of ids) {
      const [first, second] = [peer.nextId(), peer.nextId()]
      await peer.send(
        data(id, 0, one),
        open(first, handlerOf('echo'), end, passing),
        open(second, handlerOf('echo'), end, passing)
      )
    }
  }
}

/** Asks for as much as can be had, and reads none of it. */
const unread: Shape = async (order, host) => {
  const peer = await ready(order, host, endless)
  peer.ws.pause()
  await askForMuch(peer, order.limits)
}

async function askForMuch(peer: HostilePeer, { maxInboundStreams }: Limits): Promise<void> {
  for (let i = 0; i < maxInboundStreams; i++) {
    const streamId = peer.nextId()
    await peer.send(open(streamId, handlerOf('download'), end, one), credit(streamId, 1_000_000, 1_000_000))
  }
}

/** Answers the calls of the victim with full windows, and single requests with all but the last byte. */
const answers: Shape = async (order, host) => {
  const peer = await ready(order, host)
  await until(() => peer.opened.length === 2 * order.limits.maxInboundStreams, 'the victim has called', 60_000)
  const { maxMessageBytes } = order.limits
  // Streams and requests take turns.
  const streams = peer.opened.filter((_, i) => i % 2 === 0)
  const requests = peer.opened.filter((_, i) => i % 2 === 1)
  for (const id of requests) await peer.send(data(id, more, Buffer.alloc(maxMessageBytes - 1, 1)))
  await fillWindows(peer, streams, order.limits)
}

async function fillWindows(peer: HostilePeer, ids: readonly number[], limits: Limits): Promise<void> {
  const { streamWindowBytes, maxMessageBytes } = limits
  const lendable = Math.max(0, maxMessageBytes - streamWindowBytes)
  const fill = Buffer.alloc(streamWindowBytes, 1)
  if (lendable === 0) {
    for (const id of ids) await peer.send(data(id, 0, fill.subarray(1)))
  } else {
    for (const id of ids) await peer.send(data(id, more, fill))
    await until(() => ids.every((id) => peer.granted.has(id)), 'bytes were lent', 60_000)
    for (const id of ids) await peer.send(data(id, 0, fill.subarray(0, Math.min(lendable, fill.length) - 1)))
  }
  for (const id of ids) await peer.send(data(id, 0, Buffer.alloc(maxMessageBytes, 1)))
}

/** As many handlers as are allowed, with the longest names, each under a subroute of its own. */
const fullTable: Shape = async (order, host) => {
  const peer = await connect(order, host)
  const { maxHandlers, maxNameBytes } = order.limits
  // One letter beyond Latin-1 doubles what the others take.
  const name = (what: string, i: number) => `Ā${what}${i}`.padEnd(maxNameBytes - 1, '.')
  for (let i = 0; i < maxHandlers; i++) {
    const names = { subroute: name('s', i), id: name('h', i) }
    await peer.send(table({ kind: 1, inCapacity: 1, outCapacity: 1, ...names }))
  }
}

/** Pings, opens that are reset or refused, as fast as they go, until it is shut out; then again. Reads nothing. */
const floods: Shape = async (order, host) => {
  await again(order, host, async (peer) => {
    peer.ws.pause()
    const untilMs = performance.now() + 500
    for (let token = 0; performance.now() < untilMs && peer.ws.readyState === peer.ws.OPEN; token++) {
      const frames = Array.from({ length: 200 }, (): Frame[] => {
        const streamId = peer.nextId()
        const opened = open(streamId, token % 2 === 0 ? handlerOf('hold') : 99, end, one)
        return [opened, reset(streamId), ping(token)]
      })
      if (peer.ws.bufferedAmount < maxUnsentBytes) await peer.send(...frames.flat())
      await delay(2)
    }
  })
}

/** A conn after the other in place of the one before, each left as full as it gets. */
const flapping: Shape = async (order, host) => {
  await again(order, host, async (peer) => {
    peer.ws.pause()
    await askForMuch(peer, order.limits)
    await delay(10)
  })
}

async function again(order: Order, host: string, once: (peer: HostilePeer) => Promise<void>): Promise<void> {
  const number = attacks
  const round = async () => {
    const peer = await ready(order, host, endless)
    peer.mayBeClosed = true
    await once(peer)
  }
  const next = (): void => {
    if (number === attacks) round().then(next, () => setTimeout(next, 100))
  }
  await round()
  next()
}

/** The largest message of the conn but for its last byte, each byte in a packet of its own. */
const slowly: Shape = async (order, host) => {
  const peer = await ready(order, host)
  const { maxMetadataBytes } = order.limits
  const length = 144 * kib + maxMetadataBytes
  const socket = (peer.ws as unknown as { _socket: Socket })._socket
  socket.setNoDelay(true)
  peer.isAmidMessage = true
  // A WebSocket frame: binary, masked with zeros, with its length in 8 bytes.
  const head = Buffer.alloc(14)
  head.writeUInt16BE(0x82ff, 0)
  head.writeBigUInt64BE(BigInt(length), 2)
  socket.write(head)
  for (let i = 1; i < length && !socket.destroyed; i++) {
    socket.write(one)
    // The victim reads what has come by then.
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const shapes: Readonly<Record<ShapeName, Shape>> = {
  ...{ payloads, windows, beyond, padded, fragments, crumbs },
  ...{ unread, answers, table: fullTable, slowly, floods, flapping }
}

function metadataOf({ maxMetadataBytes }: Limits): Uint8Array {
  // A map of one: its key, and binary of the right length.
  const bytes = Buffer.alloc(maxMetadataBytes, 1)
  bytes.set([0x81, 0xa1, 0x61, 0xc5])
  bytes.writeUInt16BE(maxMetadataBytes - 6, 4)
  return bytes
}

async function ready(order: Order, host: string, announced = {}): Promise<HostilePeer> {
  const peer = await connect(order, host, announced)
  await peer.send(ownTable)
  return peer
}

const words = {
  /** Resolves when all that can be sent is sent; the attack goes on as it is until the next one is asked for. */
  async attack({ shape, ...order }: Order): Promise<void> {
    attacks++
    for (const peer of live) peer.cut()
    live.clear()
    if (shape === 'none') return
    // Who must be called first has nothing to answer.
    const mixed = shapeNames.filter((name) => name !== 'answers')
    const shapeOf = (i: number) => shapes[shape === 'mixed' ? (mixed[i % mixed.length] as ShapeName) : shape]
    await Promise.all(order.hosts.map((host, i) => shapeOf(i)({ shape, ...order }, host)))
  }
}
obey(words)
