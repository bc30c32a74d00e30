/**
 * Lock servers and clients on a simulated network in virtual time, where everything goes wrong that can: minutes of faults in
 * milliseconds, the same again from the same seed.
 *
 * The tables, handlers and clients are those of `it-grid/locks`. Each server has a clock of its own rate. Requests and
 * answers take their time, some of them longer than a grant lasts, overtake each other, or are lost; servers forget
 * everything; links pass nothing for a while, notice it or not. In the end all is healed, and everybody must get a lock.
 */

import { LockClient } from '../../lib/extras/locks/client.ts'
import type { LockKind } from '../../lib/extras/locks/definitions.ts'
import { LockError } from '../../lib/extras/locks/errors.ts'
import type { Lock } from '../../lib/extras/locks/lock.ts'
import { type VirtualTime, virtualTime } from '../../lib/extras/testing/index.ts'
import { watchStrays } from '../support/errors.ts'
import { Inside } from '../support/locks/holders.ts'
import { oneOf, randomFrom, wholeBelow } from '../support/random.ts'
import {
  type Link,
  maxDrift,
  maxLateMs,
  newGrid,
  newLink,
  newNetwork,
  newServer,
  type ServerMutant,
  ttlMs
} from './simulated-network.ts'

/** What is wrong on purpose, to see whether it is found. */
export interface Mutant extends ServerMutant {
  /** Holders work on whatever their signal says, as if nobody watched their lock. */
  readonly deafHolder?: boolean
}

export interface SimulationOptions {
  readonly seed: number
  readonly servers: number
  readonly mutant?: Mutant
}

export type SimulationResult = Awaited<ReturnType<typeof simulate>>
export type Figure = keyof SimulationResult['figures']

const faultsForMs = 4 * ttlMs
/** Enough for what goes on when all is healed, and for everybody's last lock. */
const healingMs = 30 * ttlMs
const lastTimeoutMs = 20 * ttlMs
const maxBlackHoleMs = 2 * ttlMs
const names = ['a', 'b', 'c']

/** Runs alone in its process: it takes over the clock and `Math.random`. */
export async function simulate({ seed, servers, mutant = {} }: SimulationOptions) {
  const random = randomFrom(seed)
  using clock = virtualTime(random)
  const world = newWorld(clock, random, servers, mutant)
  const unhandled: string[] = []
  using _ = watchStrays((reason) => unhandled.push(String(reason)))
  await run(world)
  const { figures, network, inside, stuck, unexpected } = world
  const { writes, reads, violations } = inside
  const all = { entries: writes + reads, ...figures, ...network.figures }
  const leftGrants = world.servers.reduce((sum, { table }) => sum + table.size, 0)
  return { figures: all, violations, stuck, unexpected, unhandled, leftGrants, leftTimers: clock.pending }
}

type World = ReturnType<typeof newWorld>

function newWorld(clock: VirtualTime, random: () => number, size: number, mutant: Mutant) {
  const network = newNetwork(clock, random, mutant)
  const faultGapMs = oneOf(random, [500, 1000, 2000])
  const servers = Array.from({ length: size }, (_, at) => newServer(network, `http://server-${at}:1`))
  /** One row for each client. */
  const links = Array.from({ length: 2 + wholeBelow(random, 2) }, (_, at) =>
    servers.map((server) => newLink(network, server, `client-${at}`))
  )
  return {
    ...{ clock, random, network, mutant, faultGapMs, servers, links, inside: new Inside() },
    figures: { losses: 0, timeouts: 0, aborts: 0, blackHoles: 0 },
    /** Workers that did not get a lock once more after all was healed, or did not come to an end. */
    stuck: [] as string[],
    /** Errors that no caller should see. */
    unexpected: [] as string[]
  }
}

async function run(world: World): Promise<void> {
  const { clock, network, links, stuck } = world
  const working = new Set<string>()
  for (const [at, row] of links.entries()) {
    const client = newClient(world, `client-${at}`, row)
    for (const number of [1, 2]) {
      const name = `worker ${number} of client-${at}`
      working.add(name)
      void work(world, client, name).then(() => working.delete(name))
    }
  }
  breakLater(world)
  await clock.run(faultsForMs)
  network.isHealed = true
  for (const link of links.flat()) link.silentUntilMs = 0
  await clock.run(healingMs, () => working.size === 0)
  for (const name of working) stuck.push(`${name} has not come to an end`)
  // Whatever is still under way arrives, and what it is granted ends by itself.
  await clock.run(maxLateMs + maxBlackHoleMs + ttlMs * (1 + 2 * maxDrift))
}

function newClient({ random }: World, local: string, links: readonly Link[]): LockClient {
  return new LockClient(newGrid(local, links), {
    servers: links.map(({ host }) => host),
    requestTimeoutMs: oneOf(random, [200, 1500, 3000])
  })
}

/** A server is restarted, or all are in a hurry; or nothing passes between a server and all or one, or a client and all. */
function breakLater(world: World): void {
  const { clock, random, network, servers, links } = world
  const linksTo = (at: number) => links.map((row) => row[at] as Link)
  clock.after(random() * world.faultGapMs, () => {
    if (network.isHealed) return
    const at = wholeBelow(random, servers.length)
    const chance = random()
    if (chance < 0.15) servers[at]?.restart(linksTo(at))
    else if (chance < 0.25)
      for (const [each, server] of servers.entries()) clock.after(random() * ttlMs, () => server.restart(linksTo(each)))
    else {
      world.figures.blackHoles++
      const forMs = random() * maxBlackHoleMs
      const ofServer = linksTo(at)
      const struck = chance < 0.5 ? ofServer : chance < 0.75 ? [oneOf(random, ofServer)] : oneOf(random, links)
      for (const link of struck) link.blackHole(forMs)
    }
    breakLater(world)
  })
}

/** Takes locks one after the other, and once more when all is healed. */
async function work(world: World, client: LockClient, name: string): Promise<void> {
  const { clock, random, network, figures, unexpected, stuck } = world
  let rounds = 0
  const lock = (holdMs: number, timeout: number, signal?: AbortSignal): Promise<void> => {
    const kind: LockKind = random() < 0.5 ? 'write' : 'read'
    const wanted: string[] = [oneOf(random, names)]
    const others = names.filter((other) => other !== wanted[0])
    if (random() >= 0.6) wanted.push(oneOf(random, others))
    const fn = (_: AbortSignal, held: Lock) => hold(world, `${name} in round ${++rounds}`, kind, wanted, holdMs, held)
    const options = { timeout, signal }
    return kind === 'write' ? client.withLock(wanted, fn, options) : client.withRLock(wanted, fn, options)
  }
  while (!network.isHealed) {
    const maxHoldMs = ttlMs * oneOf(random, [0.04, 0.04, 0.4, 0.4, random() < 0.5 ? 3 : 0])
    const giveUp = new AbortController()
    if (random() < 0.1) clock.after(random() * ttlMs, () => giveUp.abort(giveUp))
    await lock(random() * maxHoldMs, 3 * ttlMs, giveUp.signal).catch((error) => {
      const code = error instanceof LockError ? error.code : undefined
      if (error === giveUp) figures.aborts++
      else if (code === 'ERR_LOCK_LOST') figures.losses++
      else if (code === 'ERR_LOCK_TIMEOUT') figures.timeouts++
      else unexpected.push(`${name}: ${error}`)
    })
    await clock.wait(random() * 30)
  }
  await lock(random() * 40, lastTimeoutMs).catch((error) => stuck.push(`${name}: ${error}`))
}

async function hold(
  { clock, random, mutant, inside }: World,
  self: string,
  kind: LockKind,
  wanted: readonly string[],
  holdMs: number,
  { signal: lost, token }: Lock
): Promise<void> {
  const leave = () => inside.leave((who) => who === self)
  inside.enter(self, kind, wanted, token, ` at ${Math.round(clock.nowMs)} ms`)
  const ended = clock.wait(holdMs)
  const aborted = new Promise<void>((resolve) => {
    if (mutant.deafHolder === true) return
    lost.addEventListener('abort', () => {
      leave()
      clock.after(random() * 50, resolve)
    })
  })
  await Promise.race([ended, aborted])
  leave()
}
