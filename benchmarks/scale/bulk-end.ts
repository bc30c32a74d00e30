/**
 * One end of the benchmark of requests beside bulk, a process of its own. Arguments: the folder of the library.
 *
 * Either end can be told to listen, and the other one to connect.
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { Connection, Manager } from '../../lib/index.ts'
import { serveCommands } from '../harness/commands.ts'
import { connectGrid, secret, serveGrid } from '../harness/grid.ts'
import { libraryIn } from '../harness/library.ts'
import { latenciesBeside } from '../harness/steady.ts'

/** Which way the bulk goes, seen from the end that makes the requests. */
export type Bulk = 'none' | 'in' | 'out' | 'both'

const grid = await libraryIn(new URL(process.argv[2] ?? ''))('index')
const options = { auth: grid.sharedSecret(secret), logger: grid.silentLogger }
const { bytes } = grid
const message = new Uint8Array(1024 * 1024).fill(7)
const payload = new Uint8Array(64).fill(7)
const download = grid.streaming<void, never, Uint8Array>('download', { inCapacity: 0, response: bytes() })
const upload = grid.streaming<void, Uint8Array, never>('upload', { request: bytes(), outCapacity: 0 })

let peer: Connection
let messagesOut = 0

/** Messages until it is given up, which the credit of the other end decides. */
async function* messages() {
  for (;;) {
    yield message
    messagesOut++
  }
}

function register(manager: Manager): void {
  manager.handle('echo', async (request) => request)
  manager.handle(download, messages)
  manager.handle(upload, async (_none, requests) => {
    for await (const { length } of requests) if (length !== message.length) throw new Error('a message is cut')
  })
}

/** Takes messages for so long, and returns how many. */
async function takeFor(ms: number): Promise<number> {
  let count = 0
  const endMs = performance.now() + ms
  for await (const { length } of peer.newStream(download)) {
    if (length !== message.length) throw new Error('a message is cut')
    count++
    if (performance.now() > endMs) break
  }
  return count
}

/** Sends messages for so long, and returns how many. */
async function sendFor(ms: number): Promise<number> {
  messagesOut = 0
  const stream = peer.newStream(upload)
  const sent = stream.sink(messages()).catch(() => undefined)
  await delay(ms)
  stream.cancel()
  await sent
  return messagesOut
}

async function bulkFor(bulk: Bulk, ms: number): Promise<number> {
  const taken = bulk === 'in' || bulk === 'both' ? takeFor(ms) : 0
  const sent = bulk === 'out' || bulk === 'both' ? sendFor(ms) : 0
  await delay(ms)
  return (await taken) + (await sent)
}

const commands = {
  listen: async () => (await serveGrid(grid, options, register)).local,
  async connect(address: string): Promise<void> {
    peer = (await connectGrid(grid, options, address)).peer
  },
  /** Small requests at fixed moments beside bulk: their latencies, and the megabytes a second of the bulk. */
  async round({ bulk, ms, everyMs }: { bulk: Bulk; ms: number; everyMs: number }) {
    const startMs = performance.now()
    let seconds = 0
    const work = bulkFor(bulk, ms).finally(() => {
      seconds = (performance.now() - startMs) / 1000
    })
    const latenciesMs = await latenciesBeside(work, everyMs, async () => {
      const answer = await peer.request('echo', payload)
      if (answer.length !== payload.length) throw new Error('an answer differs from its request')
    })
    return { latenciesMs, megabytes: ((await work) * message.length) / 1e6 / seconds }
  }
}
export type BulkCommands = typeof commands
serveCommands(commands)
