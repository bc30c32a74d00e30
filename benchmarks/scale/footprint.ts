/**
 * What an idle connection, an open idle stream and a pending request hold in memory, at each end of it.
 *
 * The two ends are two processes, over real WebSockets, after garbage collection. Each figure is a difference: so much
 * more of them, so many more bytes.
 */

import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { type Pushable, pushable } from 'it-pushable'
import { optionsOf } from '../harness/arguments.ts'
import { Child } from '../harness/commands.ts'
import { listen } from '../harness/http.ts'
import { held, type Memory, memoryNow, perThing } from '../harness/memory.ts'
import { type Cell, number, table } from '../harness/table.ts'
import { allConnected, grid, news, options, watch } from './grid.ts'
import { costsOf, hold } from './hold.ts'
import { connectEnds, type Ends, echoStreams, heldRequests, responseStreams, type Things } from './near.ts'
import type { PeersCommands } from './peers.ts'

const { connections, streams, requests } = optionsOf({ connections: 400, streams: 10_000, requests: 100_000 })

/** Bytes of heap and external memory, per side. */
const aims = { connection: 64 * 1024, stream: 2 * 1024, request: 600 }
/** What a connection takes for a burst it gives back when it was idle for an interval of its keep-alive, 5 s. */
const shrinkMs = 11_000
/** Made before anything is measured. */
const burst = new Uint8Array(1024 * 1024)
const warmUpCount = 1000

const rows: Cell[][] = []

function row(what: string, side: string, cost: Memory, aim: number, note = ''): void {
  const met = held(cost) <= aim ? 'met' : 'MISSED'
  const figures = [number(held(cost)), number(cost.heap), number(cost.external)]
  rows.push([what, side, ...figures, `${number(aim)}: ${met}`, note])
}

/** A manager in this process whose connections all go to another process. */
async function measureConnections(role: 'accepting' | 'dialing'): Promise<void> {
  console.error(`connections, the measured end ${role}`)
  const server = createServer()
  const local = await listen(server)
  const hosts: Pushable<readonly string[]> = pushable({ objectMode: true })
  const manager = new grid.Manager({ ...options, local, hosts })
  manager.handle('echo', (payload) => payload)
  manager.attach(server)
  server.unref()
  const peers = new Child<PeersCommands>(new URL('./peers.ts', import.meta.url), [local])
  const names: string[] = []
  const grow = async (count: number): Promise<void> => {
    names.push(...(await peers.ask('grow', { count, dialing: role === 'dialing' ? 'hub' : 'peer' })))
    hosts.push([...names])
    await peers.ask('connected')
    await allConnected(manager)
  }
  await grow(Math.ceil(connections / 8))
  const first = await memoryNow()
  await grow(connections)
  const fresh = perThing(first, await memoryNow(), connections)
  row('idle connection', role, fresh, aims.connection, `resident memory, coarse: ${number(fresh.resident)} B`)
  for (const connection of manager.connections) {
    const { length } = await connection.request('echo', burst)
    if (length !== burst.length) throw new Error('an answer differs from its request')
  }
  await delay(shrinkMs)
  const idle = perThing(first, await memoryNow(), connections)
  row('the same after a burst', role, idle, aims.connection, `1 MiB each way on all ${names.length}, then 11 s idle`)
  await manager.close({ timeout: 100 })
  await peers.stop()
}

/** `note` is about what the side of the handler holds. */
async function measure<Opened>(
  what: string,
  things: Things<Opened>,
  { count, aim }: { readonly count: number; readonly aim: number },
  note: (ends: Ends) => string | Promise<string>
): Promise<void> {
  console.error(what)
  const ends = await connectEnds()
  const { stages } = await hold(ends, things, warmUpCount, count)
  const { near, far } = costsOf(stages, count)
  row(what, 'caller', near, aim)
  row(what, 'handler', far, aim, await note(ends))
  await ends.close()
}

async function noteOfRequests({ far }: Ends): Promise<string> {
  const own = await far.ask('ownShare', requests)
  const share = held(perThing(own.before, own.after, requests))
  return `of which ${number(share)} B are the promise of the handler and what answers it`
}

const stream = { count: streams, aim: aims.stream }
const request = { count: requests, aim: aims.request }
const [byHand, byGenerator] = [responseStreams(news), responseStreams(watch)]
await measureConnections('accepting')
await measureConnections('dialing')
await measure(
  'open idle stream, two-way',
  echoStreams,
  stream,
  () => 'its handler returns the requests as the responses'
)
await measure(
  'open idle stream, responses only',
  byHand,
  stream,
  () => 'its handler returns an iterator written by hand'
)
await measure('the same, the handler a generator', byGenerator, stream, () => 'it waits for the abort of its signal')
await measure('pending request', heldRequests, request, noteOfRequests)
console.log('bytes per thing and side, default limits')
console.log(table(['what', 'side', 'heap + external', 'heap', 'external', 'aim', 'note'], rows))
process.exit()
