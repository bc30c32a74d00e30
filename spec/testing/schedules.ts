/**
 * Schedules of faults on a test grid, drawn from seeds, in virtual time: three servers that call each other while conns are cut, held,
 * delayed and stalled, groups are parted, and servers are killed and restarted. In the end all is healed, and nothing may be left.
 */

import { type TestGrid, testGrid, virtualTime } from '../../lib/extras/testing/index.ts'
import { GridError, type Manager, single, streaming } from '../../lib/index.ts'
import { randomFrom, wholeBelow } from '../support/random.ts'

const size = 3
const steps = 24
const add = single<number, number>('add')
const count = streaming<number, never, number>('count', { inCapacity: 0, outCapacity: 2 })
const wait = single<number, number>('wait')

export const figures = { calls: 0, answered: 0, failed: 0, faults: 0, virtualMs: 0 }

function setup(grid: Manager): void {
  grid.handle(add, (n) => n + 1)
  grid.handle(count, async function* (to) {
    for (let n = 0; n < to; n++) yield n
  })
  grid.handle(wait, async (ms) => {
    await new Promise((resolve) => setTimeout(resolve, ms))
    return ms
  })
}

interface World {
  readonly grid: TestGrid
  readonly random: () => number
  readonly log: (text: string) => void
  readonly dead: Set<number>
  readonly calls: Promise<void>[]
}

const below = ({ random }: World, most: number) => wholeBelow(random, most)

function pairOf(world: World): [number, number] {
  const from = below(world, size)
  return [from, (from + 1 + below(world, size - 1)) % size]
}

/** Ends with its answer, or with a `GridError`; anything else is a failure of the schedule. */
function call(world: World): void {
  const [from, to] = pairOf(world)
  if (world.dead.has(from)) return
  figures.calls++
  const peer = world.grid.peer(from, to)
  const options = { timeout: 50 + below(world, 3000), waitForReady: below(world, 2) === 0 }
  const kind = below(world, 3)
  const run = async (): Promise<unknown> => {
    if (kind === 0) return await peer.request(add, 41, options)
    if (kind === 1) return await peer.request(wait, below(world, 500), options)
    let sum = 0
    for await (const n of peer.newStream(count, 10, options).responses) sum += n
    return sum
  }
  const ended = run().then(
    (value) => {
      figures.answered++
      world.log(`${kind} ${from}>${to} gave ${value}`)
    },
    (error) => {
      if (!GridError.is(error)) throw error
      figures.failed++
      world.log(`${kind} ${from}>${to} failed as ${error.code} ${error.delivery}`)
    }
  )
  world.calls.push(ended)
}

const acts: readonly ((world: World) => unknown)[] = [
  (world) => world.grid.cut(...pairOf(world)),
  (world) => world.grid.hold(...pairOf(world)),
  (world) => world.grid.delay(...pairOf(world), [0, 1 + below(world, 200)]),
  (world) => world.grid.stall(...pairOf(world)),
  (world) => world.grid.partition([below(world, size)]),
  (world) => {
    const index = below(world, size)
    if (world.dead.has(index)) return
    world.dead.add(index)
    world.grid.kill(index)
  },
  async (world) => {
    const index = below(world, size)
    await world.grid.restart(index)
    world.dead.delete(index)
  },
  async (world) => await world.grid.heal()
]

/** What happened, line by line; throws what went wrong. */
export async function runSchedule(seed: number): Promise<string[]> {
  const random = randomFrom(seed)
  using time = virtualTime(random)
  const lines: string[] = []
  const log = (text: string) => void lines.push(`${Math.round(time.nowMs - time.startMs)} ms ${text}`)
  const options = { keepAlive: { intervalMs: 1000 } }
  const grid = await testGrid(size, { setup, seed, options, advance: time.advance })
  const world: World = { grid, random, log, dead: new Set(), calls: [] }
  try {
    await grid.ready()
    for (let step = 0; step < steps; step++) {
      if (random() < 0.5) call(world)
      else {
        const act = below(world, acts.length)
        log(`act ${act}`)
        figures.faults++
        await acts[act]?.(world)
      }
      await grid.advance(below(world, 300))
    }
    for (const index of world.dead) await grid.restart(index)
    await grid.heal()
    await grid.advance(4000)
    await Promise.all(world.calls)
    await grid.settled()
  } finally {
    await grid.close()
  }
  await time.advance(2000)
  figures.virtualMs += time.nowMs - time.startMs
  if (time.pending > 0) throw new Error(`${time.pending} timers are left`)
  return lines
}
