/**
 * The process of the hostile peers: each shakes hands honestly, and then does its worst in one way.
 *
 * `shapes` is the list of those ways. Each fills what it is named for up to the limits and no further, as what goes
 * beyond is reset; `beyond` and the floods do go beyond.
 */

import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Limits } from '../../../lib/index.ts'
import { Flag, type Frame, FrameType } from '../../../lib/wire/frame.ts'
import { until } from '../until.ts'
import { HostilePeer, maxUnsentBytes } from './hostile-peer.ts'
import { capacity, type FromAttacker, type ShapeName, shapeNames, type ToAttacker, victimHandlers } from './messages.ts'

const { end, more } = Flag
const kib = 1024
const one = Uint8Array.of(7)
/** Limits that let the victim send whatever it has. */
const endless = { maxMessageBytes: 2 ** 30, streamWindowBytes: 2 ** 30 }

const handlerOf = (name: (typeof victimHandlers)[number]) => victimHandlers.indexOf(name)

/** Those of the attack that is under way. */
const live = new Set<HostilePeer>()
let attacks = 0

const noTable: Frame = { type: FrameType.handlers, flags: 0, entries: [] }
const ownTable: Frame = {
  ...noTable,
  entries: [
    { kind: 0, inCapacity: 0, outCapacity: 1, subroute: '', id: 'peer.single' },
    { kind: 1, inCapacity: capacity, outCapacity: capacity, subroute: '', id: 'peer.stream' }
  ]
}

async function connect(attack: ToAttacker, host: string, announced: Partial<Limits> = {}): Promise<HostilePeer> {
  const peer = await HostilePeer.connect(attack, host, announced, fail)
  live.add(peer)
  return peer
}

type Shape = (attack: ToAttacker, host: string) => Promise<void>

/** Every call held by its handler, with the largest payload and metadata. */
const payloads: Shape = async (attack, host) => {
  const peer = await ready(attack, host)
  const { maxInboundStreams, maxMessageBytes } = attack.limits
  const [payload, metadata] = [Buffer.alloc(maxMessageBytes, 1), metadataOf(attack.limits)]
  for (let i = 0; i < maxInboundStreams; i++) {
    await peer.send(peer.open(peer.nextId(), handlerOf('hold'), payload, end, metadata))
  }
}

/**
 * Every stream with the largest payload, and behind it a window that is full: a message of the largest size, for which
 * all but a byte is lent, and a frame of the largest size that overdraws.
 */
const windows: Shape = async (attack, host) => {
  const peer = await ready(attack, host)
  const { maxInboundStreams, maxMessageBytes } = attack.limits
  const whole = Buffer.alloc(maxMessageBytes, 1)
  const ids = Array.from({ length: maxInboundStreams }, () => peer.nextId())
  for (const id of ids) await peer.send(peer.open(id, handlerOf('upload'), whole, 0, metadataOf(attack.limits)))
  await fillWindows(peer, ids, attack.limits)
}

/** Full windows, and then several times as much on every stream, and twice as many streams: all of it in vain. */
const beyond: Shape = async (attack, host) => {
  const peer = await ready(attack, host)
  const { maxInboundStreams, maxMessageBytes } = attack.limits
  const whole = Buffer.alloc(maxMessageBytes, 1)
  const ids = Array.from({ length: maxInboundStreams }, () => peer.nextId())
  for (const id of ids) await peer.send(peer.open(id, handlerOf('upload'), one))
  await fillWindows(peer, ids, attack.limits)
  for (const id of ids) for (let i = 0; i < 12; i++) await peer.send(peer.data(id, whole))
  // Those whose window was exceeded are reset, and leave room.
  for (let i = 0; i < 3 * maxInboundStreams; i++) {
    await peer.send(peer.open(peer.nextId(), handlerOf('hold'), whole, end))
  }
}

/** The largest payloads, each behind as many bytes that do not matter: the memory that it arrived in is twice as large. */
const padded: Shape = async (attack, host) => {
  const peer = await ready(attack, host)
  const { maxInboundStreams, maxMessageBytes, maxMetadataBytes } = attack.limits
  const conn = 144 * kib + maxMetadataBytes
  const length = Math.min(maxMessageBytes, Math.floor(conn / 2) - 200)
  const over = peer.nextId()
  await peer.send(peer.open(over, handlerOf('echo'), one, end))
  const junk = peer.data(over, Buffer.alloc(length - 100))
  for (let i = 0; i < maxInboundStreams; i++) {
    await peer.send(junk, peer.open(peer.nextId(), handlerOf('hold'), Buffer.alloc(length, 1), end))
  }
}

/** Messages that are never whole, in fragments of a byte: payloads, and requests. */
const fragments: Shape = async (attack, host) => {
  const peer = await ready(attack, host)
  const { maxInboundStreams, maxFragments } = attack.limits
  for (let i = 0; i < maxInboundStreams; i++) {
    const id = peer.nextId()
    if (i % 2 === 0) await peer.send(peer.open(id, handlerOf('upload'), one))
    else await peer.send(peer.open(id, handlerOf('hold'), one, more))
    const fragment = peer.data(id, one, more)
    for (let left = maxFragments - 2; left > 0; left -= 1024) {
      await peer.send(...new Array<Frame>(Math.min(left, 1024)).fill(fragment))
    }
  }
}

/** Messages of a byte, each of which is all that is left of the memory that it shared with others. */
const crumbs: Shape = async (attack, host) => {
  const peer = await ready(attack, host)
  const passing = Buffer.alloc(4000, 1)
  const ids = Array.from({ length: attack.limits.maxInboundStreams - 10 }, () => peer.nextId())
  for (const id of ids) {
    await peer.send(peer.open(id, handlerOf('upload'), one))
  }
  for (let i = 0; i < capacity; i++) {
    for (const id of ids) {
      const [first, second] = [peer.nextId(), peer.nextId()]
      await peer.send(
        peer.data(id, one),
        peer.open(first, handlerOf('echo'), passing, end),
        peer.open(second, handlerOf('echo'), passing, end)
      )
    }
  }
}

/** Asks for as much as can be had, and reads none of it. */
const unread: Shape = async (attack, host) => {
  const peer = await ready(attack, host, endless)
  peer.ws.pause()
  await askForMuch(peer, attack.limits)
}

async function askForMuch(peer: HostilePeer, { maxInboundStreams }: Limits): Promise<void> {
  for (let i = 0; i < maxInboundStreams; i++) {
    const streamId = peer.nextId()
    const credit: Frame = { type: FrameType.credit, flags: 0, streamId, messages: 1_000_000, bytes: 1_000_000 }
    await peer.send(peer.open(streamId, handlerOf('download'), one, end), credit)
  }
}

/** Answers the calls of the victim with full windows, and single requests with all but the last byte. */
const answers: Shape = async (attack, host) => {
  const peer = await ready(attack, host)
  await until(() => peer.opened.length === 2 * attack.limits.maxInboundStreams, 'the victim has called', 60_000)
  const { maxMessageBytes } = attack.limits
  // Streams and requests take turns.
  const streams = peer.opened.filter((_, i) => i % 2 === 0)
  const requests = peer.opened.filter((_, i) => i % 2 === 1)
  for (const id of requests) await peer.send(peer.data(id, Buffer.alloc(maxMessageBytes - 1, 1), more))
  await fillWindows(peer, streams, attack.limits)
}

async function fillWindows(peer: HostilePeer, ids: readonly number[], limits: Limits): Promise<void> {
  const { streamWindowBytes, maxMessageBytes } = limits
  const lendable = Math.max(0, maxMessageBytes - streamWindowBytes)
  const fill = Buffer.alloc(streamWindowBytes, 1)
  if (lendable === 0) {
    for (const id of ids) await peer.send(peer.data(id, fill.subarray(1)))
  } else {
    for (const id of ids) await peer.send(peer.data(id, fill, more))
    await until(() => ids.every((id) => peer.granted.has(id)), 'bytes were lent', 60_000)
    for (const id of ids) await peer.send(peer.data(id, fill.subarray(0, Math.min(lendable, fill.length) - 1)))
  }
  for (const id of ids) await peer.send(peer.data(id, Buffer.alloc(maxMessageBytes, 1)))
}

/** As many handlers as are allowed, with the longest names, each under a subroute of its own. */
const table: Shape = async (attack, host) => {
  const peer = await connect(attack, host)
  const { maxHandlers, maxNameBytes } = attack.limits
  // One letter beyond Latin-1 doubles what the others take.
  const name = (what: string, i: number) => `Ā${what}${i}`.padEnd(maxNameBytes - 1, '.')
  for (let i = 0; i < maxHandlers; i++) {
    const names = { subroute: name('s', i), id: name('h', i) }
    await peer.send({ ...noTable, entries: [{ kind: 1, inCapacity: 1, outCapacity: 1, ...names }] })
  }
}

/** Pings, opens that are reset or refused, as fast as they go, until it is shut out; then again. Reads nothing. */
const floods: Shape = async (attack, host) => {
  await again(attack, host, async (peer) => {
    peer.ws.pause()
    const untilMs = performance.now() + 500
    for (let token = 0; performance.now() < untilMs && peer.ws.readyState === peer.ws.OPEN; token++) {
      const frames = Array.from({ length: 200 }, (): Frame[] => {
        const streamId = peer.nextId()
        const open = peer.open(streamId, token % 2 === 0 ? handlerOf('hold') : 99, one, end)
        const reset: Frame = { type: FrameType.reset, flags: 0, streamId, code: 1, text: '' }
        return [open, reset, { type: FrameType.ping, flags: 0, token }]
      })
      if (peer.ws.bufferedAmount < maxUnsentBytes) await peer.send(...frames.flat())
      await delay(2)
    }
  })
}

/** A conn after the other in place of the one before, each left as full as it gets. */
const flapping: Shape = async (attack, host) => {
  await again(attack, host, async (peer) => {
    peer.ws.pause()
    await askForMuch(peer, attack.limits)
    await delay(10)
  })
}

async function again(attack: ToAttacker, host: string, once: (peer: HostilePeer) => Promise<void>): Promise<void> {
  const number = attacks
  const round = async () => {
    const peer = await ready(attack, host, endless)
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
const slowly: Shape = async (attack, host) => {
  const peer = await ready(attack, host)
  peer.mayBeClosed = true
  const { maxMetadataBytes } = attack.limits
  const length = 144 * kib + maxMetadataBytes
  const socket = (peer.ws as unknown as { _socket: Socket })._socket
  socket.setNoDelay(true)
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
  payloads,
  windows,
  beyond,
  padded,
  fragments,
  crumbs,
  unread,
  answers,
  table,
  slowly,
  floods,
  flapping
}

function metadataOf({ maxMetadataBytes }: Limits): Uint8Array {
  // A map of one: its key, and binary of the right length.
  const bytes = Buffer.alloc(maxMetadataBytes, 1)
  bytes.set([0x81, 0xa1, 0x61, 0xc5])
  bytes.writeUInt16BE(maxMetadataBytes - 6, 4)
  return bytes
}

async function ready(attack: ToAttacker, host: string, announced = {}): Promise<HostilePeer> {
  const peer = await connect(attack, host, announced)
  await peer.send(ownTable)
  return peer
}

function tell(message: FromAttacker): void {
  process.send?.(message)
}

function fail(error: unknown): void {
  tell({ is: 'failed', text: error instanceof Error ? (error.stack ?? error.message) : String(error) })
}

function run({ shape, ...attack }: ToAttacker): Promise<unknown> {
  attacks++
  for (const peer of live) peer.cut()
  live.clear()
  if (shape === 'none') return Promise.resolve()
  // Who must be called first has nothing to answer.
  const mixed = shapeNames.filter((name) => name !== 'answers')
  const shapeOf = (i: number) => shapes[shape === 'mixed' ? (mixed[i % mixed.length] as ShapeName) : shape]
  return Promise.all(attack.hosts.map((host, i) => shapeOf(i)({ shape, ...attack }, host)))
}

process.on('message', (attack: ToAttacker) => {
  run(attack).then(() => tell({ is: 'sent' }), fail)
})
process.on('disconnect', () => process.exit())
