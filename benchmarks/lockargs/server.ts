/**
 * One of the two servers between which locks are taken, a process of its own: both are the same program.
 *
 * It keeps the readers of each resource, which others change by calls, and takes locks at the other server when it is
 * told to. Argument: the URL of the folder of the library.
 */

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Connection, Manager } from '../../lib/index.ts'
import { serveCommands } from '../harness/commands.ts'
import { libraryIn } from '../harness/library.ts'
import { type LockArgs, lockArgsOf, measuredArgs } from './args.ts'

/** What round trips cost at one end. */
export interface Taken {
  readonly elapsedMs: number
  readonly cpuUs: number
}

const grid = await libraryIn(new URL(process.argv[2] ?? ''))('index')
const { field, single, tuple } = grid
const codecs = { request: lockArgsOf(grid), response: tuple({ granted: field.boolean }) }
const rlock = single('rlock', codecs)
const runlock = single('runlock', codecs)

/** How many read locks there are on each resource; those with none are not there. */
const readers = new Map<string, number>()

function addReader({ resources }: LockArgs): { granted: boolean } {
  for (const resource of resources) readers.set(resource, (readers.get(resource) ?? 0) + 1)
  return { granted: true }
}

function removeReader({ resources }: LockArgs): { granted: boolean } {
  let granted = true
  for (const resource of resources) {
    const count = readers.get(resource)
    if (count === undefined) granted = false
    else if (count === 1) readers.delete(resource)
    else readers.set(resource, count - 1)
  }
  return { granted }
}

const server = createServer().listen(0, '127.0.0.1')
await once(server, 'listening')
const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
let manager: Manager
let other: Connection
/** Round trips that are still to be begun. */
let left = 0

/** One of those who take locks: takes one, gives it back, takes the next. */
async function caller(index: number): Promise<void> {
  for (let i = index; left > 0; i++) {
    left--
    const args = measuredArgs[i % measuredArgs.length] as LockArgs
    const taken = await other.request(rlock, args)
    const released = await other.request(runlock, args)
    if (!taken.granted || !released.granted) throw new Error('a lock was not granted, or not there to be released')
  }
}

const commands = {
  address: () => address,
  async join(hosts: readonly string[]) {
    manager = new grid.Manager({
      local: address,
      hosts,
      auth: grid.sharedSecret('a secret of the benchmarks'),
      logger: grid.silentLogger
    })
    manager.handle(rlock, addReader)
    manager.handle(runlock, removeReader)
    manager.attach(server)
    await manager.ready
    other = manager.connections[0] as Connection
    await other.waitForConnect()
  },
  /** Takes and gives back `count` locks at the other server, so many at a time. */
  async take({ callers, count }: { callers: number; count: number }): Promise<Taken> {
    left = count
    const before = process.cpuUsage()
    const startMs = performance.now()
    await Promise.all(Array.from({ length: callers }, (_, index) => caller(index)))
    const elapsedMs = performance.now() - startMs
    const { user, system } = process.cpuUsage(before)
    return { elapsedMs, cpuUs: user + system }
  },
  /** CPU time of this process so far, in microseconds. */
  cpu() {
    const { user, system } = process.cpuUsage()
    return user + system
  },
  /** Resources that are locked. */
  locked: () => readers.size
}
export type LockServerCommands = typeof commands
serveCommands(commands)
