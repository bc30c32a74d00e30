/**
 * What an idle connection, an open idle stream and a pending request hold in memory, at each end of it.
 *
 * The two ends are two processes, over real WebSockets, after garbage collection. Each figure is a difference: so much
 * more of them, so many more bytes.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { countOf, optionsOf } from '../harness/arguments.ts'
import { held, type Memory, memoryNow, perThing } from '../harness/memory.ts'
import { type Cell, number, table } from '../harness/table.ts'
import { news, watch } from './grid.ts'
import { Hub, type Role } from './hub.ts'
import {
  assertIdle,
  type BothMemories,
  connectEnds,
  endEchoes,
  holdRequests,
  memoryOf,
  type News,
  openEchoes,
  openNews,
  releaseRequests
} from './near.ts'

const given = optionsOf({ connections: '400', streams: '10000', requests: '100000' })
const connections = countOf('connections', given.connections)
const streamCount = countOf('streams', given.streams)
const requests = countOf('requests', given.requests)

/** Bytes of heap and external memory, per side. */
const aims = { connection: 64 * 1024, stream: 2 * 1024, request: 600 }
/** What a connection takes for a burst it gives back when it was idle for an interval of its keep-alive, 5 s. */
const shrinkMs = 11_000
/** Made before anything is measured. */
const burst = new Uint8Array(1024 * 1024)

const rows: Cell[][] = []

type Read = () => Promise<BothMemories>

function row(what: string, side: string, cost: Memory, aim: number, note = ''): void {
  const met = held(cost) <= aim ? 'met' : 'MISSED'
  const figures = [number(held(cost)), number(cost.heap), number(cost.external)]
  rows.push([what, side, ...figures, `${number(aim)}: ${met}`, note])
}

interface Difference<T> extends BothMemories {
  /** What was opened: whoever measures has to keep it. */
  readonly opened: T
}

/** What each of `count` things costs that `open` opens. */
async function difference<T>(read: Read, open: () => Promise<T>, count: number): Promise<Difference<T>> {
  const before = await read()
  const opened = await open()
  const after = await read()
  return { near: perThing(before.near, after.near, count), far: perThing(before.far, after.far, count), opened }
}

async function measureConnections(role: Role): Promise<void> {
  console.error(`connections, the measured end ${role}`)
  const hub = await Hub.start(role)
  await hub.grow(Math.ceil(connections / 8))
  const read: Read = async () => ({ near: await memoryNow(), far: await hub.leaves.ask('memory') })
  const first = await memoryNow()
  const fresh = await difference(read, () => hub.grow(connections), connections)
  row('idle connection', role, fresh.near, aims.connection, `resident memory, coarse: ${number(fresh.near.resident)} B`)
  for (const connection of hub.manager.connections) {
    const { length } = await connection.request('echo', burst)
    if (length !== burst.length) throw new Error('an answer differs from its request')
  }
  await delay(shrinkMs)
  const all = hub.manager.connections.length
  const idle = perThing(first, await memoryNow(), connections)
  row('the same after a burst', role, idle, aims.connection, `1 MiB each way on all ${all}, then 11 s idle`)
  await hub.close()
}

async function measureStreams(): Promise<void> {
  console.error('streams')
  const ends = await connectEnds()
  await endEchoes(await openEchoes(ends, 1000))
  await assertIdle(ends)
  const read = () => memoryOf(ends)
  const two = await difference(read, () => openEchoes(ends, streamCount), streamCount)
  row('open idle stream, two-way', 'caller', two.near, aims.stream)
  row('open idle stream, two-way', 'handler', two.far, aims.stream, 'its handler returns the requests as the responses')
  await endEchoes(two.opened)
  await ends.close()
}

async function measureNews(definition: News, what: string, note: string): Promise<void> {
  console.error(what)
  const ends = await connectEnds()
  for (const stream of await openNews(ends, definition, 1000)) stream.cancel()
  await assertIdle(ends)
  const read = () => memoryOf(ends)
  const one = await difference(read, () => openNews(ends, definition, streamCount), streamCount)
  row(what, 'caller', one.near, aims.stream)
  row(what, 'handler', one.far, aims.stream, note)
  for (const stream of one.opened) stream.cancel()
  await assertIdle(ends)
  await ends.close()
}

async function measureRequests(): Promise<void> {
  console.error('requests')
  const ends = await connectEnds()
  await releaseRequests(ends, await holdRequests(ends, 1000))
  await assertIdle(ends)
  const own = await ends.far.ask('ownShare', requests)
  const share = held(perThing(own.before, own.after, requests))
  const read = () => memoryOf(ends)
  const pending = await difference(read, () => holdRequests(ends, requests), requests)
  row('pending request', 'caller', pending.near, aims.request)
  const note = `of which ${number(share)} B are the promise of the handler and what answers it`
  row('pending request', 'handler', pending.far, aims.request, note)
  await releaseRequests(ends, pending.opened)
  await ends.close()
}

await measureConnections('accepting')
await measureConnections('dialing')
await measureStreams()
await measureNews(news, 'open idle stream, responses only', 'its handler returns an iterator written by hand')
await measureNews(watch, 'the same, the handler a generator', 'it waits for the abort of its signal')
await measureRequests()
console.log('bytes per thing and side, default limits')
console.log(table(['what', 'side', 'heap + external', 'heap', 'external', 'aim', 'note'], rows))
process.exit()
