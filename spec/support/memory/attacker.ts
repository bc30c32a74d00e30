/**
 * The process of the hostile peers: each shakes hands honestly, and then does its worst in one way.
 *
 * `attacks` is the list of those ways. Each fills what it is named for up to the limits and no further, as what goes
 * beyond is reset; `beyond` and the floods do go beyond.
 */

import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Limits } from '../../../lib/index.ts'
import { Flag, type Frame } from '../../../lib/wire/frame.ts'
import { obey } from '../process/obey.ts'
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
/** Its number. */
let attack = 0

const peerStream = { ...rawStream, id: 'peer.stream', inCapacity: capacity, outCapacity: capacity }
const ownTable = table({ ...rawSingle, id: 'peer.single' }, peerStream)

/** Does its worst, as a peer that has shaken hands and sent its table. */
type Attack = (peer: HostilePeer, limits: Limits) => Promise<void>

/** Every call held by its handler, with the largest payload and metadata. */
const payloads: Attack = async (peer, limits) => {
  const { maxInboundStreams, maxMessageBytes } = limits
  const [payload, metadata] = [Buffer.alloc(maxMessageBytes, 1), metadataOf(limits)]
  for (let i = 0; i < maxInboundStreams; i++) {
    await peer.send(open(peer.nextId(), handlerOf('hold'), end, payload, metadata))
  }
}

/**
 * Every stream with the largest payload, and behind it a window that is full: a message of the largest size, for which
 * all but a byte is lent, and a frame of the largest size that overdraws.
 */
const windows: Attack = async (peer, limits) => {
  const { maxInboundStreams, maxMessageBytes } = limits
  const whole = Buffer.alloc(maxMessageBytes, 1)
  const ids = peer.nextIds(maxInboundStreams)
  for (const id of ids) await peer.send(open(id, handlerOf('upload'), 0, whole, metadataOf(limits)))
  await fillWindows(peer, ids, limits)
}

/** Full windows, and then several times as much on every stream, and twice as many streams: all of it in vain. */
const beyond: Attack = async (peer, limits) => {
  const { maxInboundStreams, maxMessageBytes } = limits
  const whole = Buffer.alloc(maxMessageBytes, 1)
  const ids = peer.nextIds(maxInboundStreams)
  for (const id of ids) await peer.send(open(id, handlerOf('upload'), 0, one))
  await fillWindows(peer, ids, limits)
  for (const id of ids) for (let i = 0; i < 12; i++) await peer.send(data(id, 0, whole))
  // Those whose window was exceeded are reset, and leave room.
  for (let i = 0; i < 3 * maxInboundStreams; i++) {
    await peer.send(open(peer.nextId(), handlerOf('hold'), end, whole))
  }
}

/** The largest payloads, each behind as many bytes that do not matter: the memory that it arrived in is twice as large. */
const padded: Attack = async (peer, { maxInboundStreams, maxMessageBytes, maxMetadataBytes }) => {
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
const fragments: Attack = async (peer, { maxInboundStreams, maxFragments }) => {
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
const crumbs: Attack = async (peer, { maxInboundStreams }) => {
  const passing = Buffer.alloc(4000, 1)
  const ids = peer.nextIds(maxInboundStreams - 10)
  for (const id of ids) await peer.send(open(id, handlerOf('upload'), 0, one))
  for (let i = 0; i < capacity; i++) {
    for (const id of ids) {
      await peer.send(data(id, 0, one), ...peer.nextIds(2).map((other) => open(other, handlerOf('echo'), end, passing)))
    }
  }
}

/** Asks for as much as can be had, and reads none of it. */
const unread: Attack = async (peer, { maxInboundStreams }) => {
  peer.ws.pause()
  for (const id of peer.nextIds(maxInboundStreams)) {
    await peer.send(open(id, handlerOf('download'), end, one), credit(id, 1_000_000, 1_000_000))
  }
}

/** Answers the calls of the victim with full windows, and single requests with all but the last byte. */
const answers: Attack = async (peer, limits) => {
  await until(() => peer.opened.length === 2 * limits.maxInboundStreams, 'the victim has called', 60_000)
  const { maxMessageBytes } = limits
  // Streams and requests take turns.
  const streams = peer.opened.filter((_, i) => i % 2 === 0)
  const requests = peer.opened.filter((_, i) => i % 2 === 1)
  for (const id of requests) await peer.send(data(id, more, Buffer.alloc(maxMessageBytes - 1, 1)))
  await fillWindows(peer, streams, limits)
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
const fullTable: Attack = async (peer, { maxHandlers, maxNameBytes }) => {
  // One letter beyond Latin-1 doubles what the others take.
  const name = (what: string, i: number) => `Ā${what}${i}`.padEnd(maxNameBytes - 1, '.')
  for (let i = 0; i < maxHandlers; i++) {
    const names = { subroute: name('s', i), id: name('h', i) }
    await peer.send(table({ kind: 1, inCapacity: 1, outCapacity: 1, ...names }))
  }
}

/** Pings, opens that are reset or refused, as fast as they go, until it is shut out; then again. Reads nothing. */
const floods: Attack = async (peer) => {
  peer.ws.pause()
  const untilMs = performance.now() + 500
  for (let token = 0; performance.now() < untilMs && peer.ws.readyState === peer.ws.OPEN; token++) {
    const handler = token % 2 === 0 ? handlerOf('hold') : 99
    const frames = peer.nextIds(200).flatMap((id) => [open(id, handler, end, one), reset(id), ping(token)])
    if (peer.ws.bufferedAmount < maxUnsentBytes) await peer.send(...frames)
    await delay(2)
  }
}

/** A conn after the other in place of the one before, each left as full as it gets. */
const flapping: Attack = async (peer, limits) => {
  await unread(peer, limits)
  await delay(10)
}

/** The largest message of the conn but for its last byte, each byte in a packet of its own. */
const slowly: Attack = async (peer, { maxMetadataBytes }) => {
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

const attacks: Readonly<Record<ShapeName, Attack>> = {
  ...{ payloads, windows, beyond, padded, fragments, crumbs },
  ...{ unread, answers, table: fullTable, slowly, floods, flapping }
}
/** Each after a round is over with another conn, on which the rules are broken. */
const endlessly: readonly ShapeName[] = ['floods', 'flapping']

function metadataOf({ maxMetadataBytes }: Limits): Uint8Array {
  // A map of one: its key, and binary of the right length.
  const bytes = Buffer.alloc(maxMetadataBytes, 1)
  bytes.set([0x81, 0xa1, 0x61, 0xc5])
  bytes.writeUInt16BE(maxMetadataBytes - 6, 4)
  return bytes
}

async function round(shape: ShapeName, { url, limits }: Order, host: string): Promise<void> {
  const isEndless = endlessly.includes(shape)
  const peer = await HostilePeer.connect(url, host, isEndless || shape === 'unread' ? endless : {})
  live.add(peer)
  peer.mayBeClosed = isEndless
  if (shape !== 'table') await peer.send(ownTable)
  await attacks[shape](peer, limits)
}

async function attackAs(shape: ShapeName, order: Order, host: string): Promise<void> {
  const number = attack
  const next = (): void => {
    if (number === attack) round(shape, order, host).then(next, () => setTimeout(next, 100))
  }
  await round(shape, order, host)
  if (endlessly.includes(shape)) next()
}

const words = {
  /** Resolves when all that can be sent is sent; the attack goes on as it is until the next one is asked for. */
  async attack(order: Order): Promise<void> {
    const { shape, hosts } = order
    attack++
    for (const peer of live) peer.cut()
    live.clear()
    if (shape === 'none') return
    // Who must be called first has nothing to answer.
    const mixed = shapeNames.filter((name) => name !== 'answers')
    const shapeOf = (i: number) => (shape === 'mixed' ? (mixed[i % mixed.length] as ShapeName) : shape)
    await Promise.all(hosts.map((host, i) => attackAs(shapeOf(i), order, host)))
  }
}
obey(words)
