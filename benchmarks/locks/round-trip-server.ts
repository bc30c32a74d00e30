/**
 * One of the two servers between which locks are taken, a process of its own: both are the same program.
 *
 * It keeps the readers of each resource, which others change by calls, and takes locks at the other server when it is
 * told to. Argument: the URL of the folder of the library.
 */

import { createServer } from 'node:http'
import type { Connection } from '../../lib/index.ts'
import { callWhile, times } from '../harness/callers.ts'
import { cpuUs, serveCommands } from '../harness/commands.ts'
import { secret } from '../harness/grid.ts'
import { listen } from '../harness/http.ts'
import { libraryIn } from '../harness/library.ts'
import { type LockArgs, lockArgsOf, measuredArgs } from '../harness/lock-args.ts'

/** What round trips cost at one end. */
interface Taken {
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

const server = createServer()
const address = await listen(server)
let other: Connection

let begun = 0

async function takeAndRelease(): Promise<void> {
  const args = measuredArgs[begun++ % measuredArgs.length] as LockArgs
  const taken = await other.request(rlock, args)
  const released = await other.request(runlock, args)
  if (!taken.granted || !released.granted) throw new Error('a lock was not granted, or not there to be released')
}

const commands = {
  address: () => address,
  async join(hosts: readonly string[]) {
    const { Manager, sharedSecret, silentLogger } = grid
    const manager = new Manager({ local: address, hosts, auth: sharedSecret(secret), logger: silentLogger })
    manager.handle(rlock, addReader)
    manager.handle(runlock, removeReader)
    manager.attach(server)
    await manager.ready
    other = manager.connections[0] as Connection
    await other.waitForConnect()
  },
  /** Takes and gives back `count` locks at the other server, so many at a time. */
  async take({ callers, count }: { callers: number; count: number }): Promise<Taken> {
    const beforeUs = cpuUs()
    const startMs = performance.now()
    await callWhile(times(count), callers, takeAndRelease)
    return { elapsedMs: performance.now() - startMs, cpuUs: cpuUs() - beforeUs }
  },
  cpuUs,
  /** Resources that are locked. */
  locked: () => readers.size
}
export type LockServerCommands = typeof commands
serveCommands(commands)
