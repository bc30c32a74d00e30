/**
 * A rolling restart: a feed without an end, whose servers are restarted one after the other while it is followed. Each server
 * closes as soon as its handler has ended the feed, and the follower goes on at another one: no item is lost, none comes twice.
 *
 * Run it: `node --import tsx examples/rolling-restart.ts`
 */

import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import type { Server } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { DisconnectedError, Manager, RejectedError, sharedSecret, streaming } from '../lib/index.ts'
import { hostOf, listen } from './start-pair.ts'

/** Says where to begin, and each item says where it is: that is all that is needed to go on elsewhere. */
const changes = streaming<{ from: number }, never, { at: number; key: string }>('changes', { inCapacity: 0 })

/** What all servers can read, such as a database. */
const log: string[] = []
const written = new EventEmitter().setMaxListeners(0)

function serve(grid: Manager): void {
  grid.handle(changes, async function* ({ from }, _requests, { draining, signal }) {
    const over = AbortSignal.any([draining, signal])
    for (let at = from; !over.aborted; at++) {
      // A wait that is given up is no failure: the feed ends, and the follower goes on with `at` elsewhere.
      while (log.length <= at && !over.aborted) await once(written, 'change', { signal: over }).catch(() => undefined)
      const key = log[at]
      if (key !== undefined) yield { at, key }
    }
  })
}

/** All changes in order, for ever, from whichever server is there. */
async function* follow(grid: Manager): AsyncGenerator<string> {
  for (let from = 0; ; ) {
    await grid.waitForPeers({ atLeast: 1 })
    try {
      for await (const { at, key } of grid.any(changes, { from })) {
        from = at + 1
        yield key
      }
    } catch (error) {
      // The server died, or began to close in this moment. Reading again does no harm.
      if (!(DisconnectedError.is(error) || RejectedError.is(error))) throw error
    }
  }
}

const servers = await Promise.all([listen(), listen(), listen()])
const hosts = servers.map(hostOf)

function start(server: Server): Manager {
  const grid = new Manager({ local: hostOf(server), hosts, auth: sharedSecret('an example secret: yours is random') })
  serve(grid)
  grid.attach(server)
  return grid
}

const grids = servers.map(start)
const [follower, ...followed] = grids as [Manager, ...Manager[]]
const read: string[] = []
const following = (async () => {
  for await (const key of follow(follower)) {
    read.push(key)
    if (key === 'the last') return
  }
})()

const writing = new AbortController()
const writer = (async () => {
  while (!writing.signal.aborted) {
    log.push(`change ${log.length}`)
    written.emit('change')
    await delay(1)
  }
})()

for (const [index, grid] of followed.entries()) {
  await Promise.all([follower.connection(grid.local).waitForConnect(), readMore(50)])
  const startedMs = performance.now()
  await grid.close({ timeout: 60_000 })
  const tookMs = performance.now() - startedMs
  console.log(`server ${index + 1} closed in ${Math.round(tookMs)} ms of the minute that it had`)
  assert.ok(tookMs < 30_000)
  // In a deploy this is the next process. Its name is the same.
  followed[index] = start(servers[index + 1] as Server)
}
await readMore(50)

writing.abort()
await writer
log.push('the last')
written.emit('change')
await following
assert.deepEqual(read, log)
console.log('every change was read once, in order, while all of its servers were restarted')

await Promise.all([follower, ...followed].map((grid) => grid.close()))
for (const server of servers) server.close()
console.log('done: all servers are closed')

/** Resolves when so many more changes were read. */
async function readMore(count: number): Promise<void> {
  for (const wanted = read.length + count; read.length < wanted; ) await delay(5)
}
