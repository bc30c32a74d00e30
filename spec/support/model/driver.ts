/**
 * Runs schedules: each from its seed, step by step, then to an end at which nothing may be left.
 *
 * What a step does, who goes on, and whether the event loop turns before the next one is all drawn from the seed.
 */

import { getEventListeners } from 'node:events'
import { DeadlineError } from '../../../lib/index.ts'
import { errorStack, watchStrays } from '../errors.ts'
import { Outcome } from '../gate.ts'
import { leftovers } from '../grid/nothing-left.ts'
import { oneOf, wholeBelow } from '../random.ts'
import { makeCall } from './caller.ts'
import { faults } from './faults.ts'
import type { Pair } from './network.ts'
import { drawCall, type Step } from './plan.ts'
import { type Figures, World } from './world.ts'

/** More turns than any schedule needs to come to its end. */
const maxTurns = 4000
/** How much time passes in a turn in which nobody waits for his. */
const idleMs = 5

/** Runs the schedule of `seed`, and adds to `figures`; resolves with the rule that was broken, if one was, and the time it took. */
export async function runSchedule(seed: number, figures: Figures, lines?: string[]) {
  const startedMs = performance.now()
  const world = new World(seed, figures, lines)
  await runIn(world)
  return { error: world.violation, ms: performance.now() - startedMs }
}

async function runIn(world: World): Promise<void> {
  using _clock = world.clock
  const onStray = (reason: unknown) => world.fail(`nobody caught ${errorStack(reason)}`)
  using _strays = watchStrays(onStray, world.lines === undefined ? 0 : Number.POSITIVE_INFINITY)
  try {
    world.start()
    await toEnd(world)
  } catch (error) {
    world.fail(errorStack(error))
  }
}

async function toEnd(world: World): Promise<void> {
  const { plan, random, ends, calls } = world
  await reach(world, () => world.isCalm, 'both ends are connected')
  for (let i = 0; i < plan.steps; i++) {
    step(world)
    const draw = random()
    if (draw < 0.5) await world.turn()
    else if (draw < 0.75) await Promise.resolve()
    check(world)
  }
  // Nothing new is begun, nothing is in the way: every call comes to its end.
  world.log('nothing new from here')
  world.isEnding = true
  await callsEnd(world)
  await reach(world, () => world.isCalm || world.hasRenewals, 'both ends are connected again')
  const left = () => ends.flatMap(({ manager }) => leftovers(manager))
  await reach(
    world,
    () => left().length === 0,
    () => `nothing is left, in place of: ${left().join(', ')}`
  )
  await close(world)
  // A handler may have begun after its caller was told: on a conn that was held up until now.
  await callsEnd(world)
  for (const call of calls) call.checkOver()
  check(world)
  count(world)
}

function step(world: World): void {
  const weights = Object.entries(world.plan.weights)
  let left = world.random() * weights.reduce((sum, [, weight]) => sum + weight, 0)
  for (const [name, weight] of weights) {
    left -= weight
    if (left < 0) return steps[name as Step](world)
  }
}

const steps: Readonly<Record<Step, (world: World) => void>> = {
  open: (world) => makeCall(world, drawCall(world.random)),
  act: (world) => world.act(),
  hold: (world) => onSomePair(world, (pair, side) => world.network.hold(pair, side)),
  release: (world) => onSomePair(world, (pair, side) => world.network.release(pair, side)),
  wait: (world) => world.spawn(world.elapse(1 + wholeBelow(world.random, 20))),
  cancel,
  ...faults
}

function onSomePair({ network, random }: World, work: (pair: Pair, side: number) => void): void {
  const pairs = network.pairs.filter(({ isDead }) => !isDead)
  if (pairs.length > 0) work(oneOf(random, pairs), wholeBelow(random, 2))
}

function cancel({ calls, ends, random, figures, signals }: World): void {
  const open = calls.filter(({ isSettled }) => !isSettled)
  if (open.length === 0) return
  const call = oneOf(random, open)
  const reason = random() < 0.2 ? undefined : new Error('the model: cancelled')
  figures.cancels++
  const { signal, from } = call.plan
  if (signal !== 'shared') return call.cancel?.(reason)
  const end = ends[from]
  const { shared } = end
  end.shared = new AbortController()
  signals.push(end.shared.signal)
  shared.abort(reason)
  const sharing = open.filter(({ plan }) => plan.signal === 'shared' && plan.from === from)
  for (const other of sharing) other.onCancel(shared.signal.reason)
}

async function callsEnd(world: World): Promise<void> {
  const open = () => world.calls.filter(({ isOver }) => !isOver).map(({ name }) => name)
  await reach(
    world,
    () => world.actors === 0 && world.waiting === 0 && open().length === 0,
    () => `${open().join(', ')} and ${world.actors} actors come to their end`
  )
}

async function close(world: World): Promise<void> {
  for (const end of world.ends) void world.retire(end, 100)
  const closed = new Outcome(Promise.all(world.retired.map(({ closed }) => closed)))
  await reach(world, () => closed.settled, 'the managers close')
  for (const { manager } of world.retired) {
    const { pendingHandshakes, connections } = manager.stats()
    if (pendingHandshakes > 0) world.fail('a handshake is under way after the close')
    for (const { state, session } of connections) {
      if (state !== 'closed' || session !== undefined) world.fail(`after the close a connection is ${state}`)
    }
  }
  await reach(
    world,
    () => world.clock.pending === 0,
    () => `${world.clock.pending} timers are over`
  )
  const listeners = world.signals.reduce((sum, signal) => sum + getEventListeners(signal, 'abort').length, 0)
  if (listeners > 0) world.fail(`${listeners} listeners are left on signals`)
}

/** Lets everyone go on until it holds. */
async function reach(world: World, condition: () => boolean, what: string | (() => string)): Promise<void> {
  for (let turns = 0; !condition(); turns++) {
    if (turns > maxTurns) throw new Error(`it never came to this: ${typeof what === 'string' ? what : what()}`)
    world.network.releaseAll()
    // A handler that hangs would not end by itself; one whose caller is told already has to be aborted.
    if (world.isEnding) for (const call of world.calls) if (!call.isSettled) call.releaseHandler?.()
    if (world.waiting === 0) await world.elapse(idleMs)
    for (let count = world.waiting; count > 0; count--) world.act()
    await world.turn()
    check(world)
  }
}

function check({ violation, calls }: World): void {
  if (violation !== undefined) throw violation
  const overdue = calls.find(({ isOverdue }) => isOverdue)
  if (overdue !== undefined) throw new Error(`${overdue.name}: not settled after its deadline`)
}

function count({ calls, figures, renewals }: World): void {
  figures.renewals += renewals
  for (const { requests, responses, closed } of calls) {
    figures.messages += requests.taken + responses.taken
    if (closed?.error instanceof DeadlineError) figures.deadlines++
  }
}
