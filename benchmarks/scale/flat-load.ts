/**
 * One process of the flatness benchmark: requests over one connection, while so many other things are there.
 *
 * Both ends of everything are in this process, over WebSockets on loopback. Arguments: connections, open streams,
 * handlers, and whether the requests go over one connection or are spread over all.
 */

import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks'
import { setImmediate as turn } from 'node:timers/promises'
import type { Connection } from '../../lib/index.ts'
import { atOnce, times } from '../harness/callers.ts'
import { cpuUs, serveCommands } from '../harness/commands.ts'
import { measureBytes } from '../harness/pieces/measure.ts'
import { allConnected, echoes, grid, listenBeside, options } from './grid.ts'

const [connectionCount = 1, streamCount = 0, handlerCount = 1, spread = 0] = process.argv.slice(2).map(Number)
const callers = 64
const payload = new Uint8Array(512).fill(7)
const echo = 'echo'
const open: unknown[] = []

const hub = 'http://hub:1'
const hosts: string[] = []
while (hosts.length < connectionCount) hosts.push(await startLeaf())
const manager = new grid.Manager({ ...options, local: hub, hosts })
await allConnected(manager)
const [first] = manager.connections as [Connection]
for (let i = 0; i < streamCount; i++) await openStream()

async function startLeaf(): Promise<string> {
  const { server, local } = await listenBeside(hub, 'hub')
  const leaf = new grid.Manager({ ...options, local, hosts: [hub] })
  // The one that is called is the last to be found.
  for (let i = 1; i < handlerCount; i++) leaf.handle(`handler-${i}`, (bytes) => bytes)
  leaf.handle(echo, async (bytes) => bytes)
  leaf.handle(echoes, (_none, requests) => requests)
  leaf.attach(server)
  return local
}

async function openStream(): Promise<void> {
  const stream = first.newStream(echoes)
  open.push(stream)
  await stream.send(payload)
  await stream.responses.next()
}

async function request(count: number): Promise<void> {
  const connections = spread === 1 ? manager.connections : [first]
  const goesOn = times(count)
  await atOnce(callers, async (caller) => {
    const connection = connections[caller % connections.length] as Connection
    while (goesOn()) {
      const answer = await connection.request(echo, payload)
      if (answer.length !== payload.length || answer[511] !== 7) throw new Error('an answer differs from its request')
    }
  })
}

/** Collections of all garbage so far: each costs as much as some thousand requests. */
let fullCollections = 0
const observer = new PerformanceObserver((list) => {
  for (const { detail } of list.getEntries() as (PerformanceEntry & { detail: { kind: number } })[]) {
    if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) fullCollections++
  }
})
observer.observe({ entryTypes: ['gc'] })

const commands = {
  /** What one of `count` requests costs, of both ends together, in microseconds of CPU. */
  async round(count: number) {
    fullCollections = 0
    const beforeUs = cpuUs()
    await request(count)
    const us = (cpuUs() - beforeUs) / count
    // Observers are told of a collection a turn later.
    await turn()
    return { us, fullCollections }
  },
  /** Bytes that one request makes, of both ends together. */
  async bytes(): Promise<number> {
    const { heap, buffers } = await measureBytes(request, 10_000)
    return heap + buffers
  }
}
export type FlatCommands = typeof commands
export type Round = Awaited<ReturnType<FlatCommands['round']>>
serveCommands(commands)
