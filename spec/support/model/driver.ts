/**
 * Runs schedules: each from its seed, step by step, then to an end at which nothing may be left.
 *
 * What a step does, who goes on, and whether the event loop turns before the next one is all drawn from the seed.
 */

import { getEventListeners } from 'node:events'
import { DeadlineError } from '../../../lib/index.ts'
import { errorStack } from '../errors.ts'
import { Outcome } from '../gate.ts'
import { leftovers } from '../grid/nothing-left.ts'
import { oneOf, wholeBelow } from '../random.ts'
import type { Call } from './call.ts'
import { makeCall } from './caller.ts'
import { faultSteps } from './faults.ts'
import { drawCall, type Step } from './plan.ts'
import { type Figures, newFigures, World } from './world.ts'

/** More turns than any schedule needs to come to its end. */
const maxTurns = 4000
/** How much time passes in a turn in which nobody waits for his. */
const idleMs = 5

export interface Result {
  readonly figures: Figures
  /** What broke, undefined when all held. */
  readonly error: Error | undefined
  /** What happened, where that was asked for. */
  readonly lines: readonly string[]
  /** How long it took. */
  readonly ms: number
}

/** Runs the schedule of `seed`. */
export async function runSchedule(seed: number, isLogged = false): Promise<Result> {
  const startedMs = performance.now()
  const lines: string[] = []
  const figures = newFigures()
  const world = new World(seed, figures, isLogged ? lines : undefined)
  const onRejection = (reason: unknown) => world.fail(`an unhandled rejection: ${errorStack(reason)}`)
  const { stackTraceLimit } = Error
  // Half of the time would go into the stacks of errors that are expected.
  if (!isLogged) Error.stackTraceLimit = 0
  process.on('unhandledRejection', onRejection)
  try {
    world.start()
    await new Run(world).toEnd()
  } catch (error) {
    world.fail(errorStack(error))
  } finally {
    process.off('unhandledRejection', onRejection)
    world.clock[Symbol.dispose]()
    Error.stackTraceLimit = stackTraceLimit
  }
  return { figures, error: world.violation, lines, ms: performance.now() - startedMs }
}

class Run {
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  async toEnd(): Promise<void> {
    const { plan, random, ends } = this.#world
    await this.#until(() => this.#world.isCalm, 'both ends are connected')
    for (let i = 0; i < plan.steps; i++) {
      this.#step()
      const draw = random()
      if (draw < 0.5) await this.#world.turn()
      else if (draw < 0.75) await Promise.resolve()
      this.#check()
    }
    // Nothing new is begun, nothing is in the way: every call comes to its end.
    this.#world.log('nothing new from here')
    this.#world.isEnding = true
    await this.#callsEnd()
    await this.#until(() => this.#world.isCalm || this.#world.hasRenewals, 'both ends are connected again')
    await this.#until(
      () => ends.every(({ manager }) => leftovers(manager).length === 0),
      () => `nothing is left, in place of: ${ends.flatMap(({ manager }) => leftovers(manager)).join(', ')}`
    )
    await this.#close()
    // A handler may have begun after its caller was told: on a conn that was held up until now.
    await this.#callsEnd()
    for (const call of this.#world.calls) call.checkOver()
    this.#check()
    this.#count()
  }

  #step(): void {
    const weights = Object.entries(this.#world.plan.weights)
    let left = this.#world.random() * weights.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [step, weight] of weights) {
      left -= weight
      if (left < 0) return this.#steps[step as Step]()
    }
  }

  readonly #steps: Record<Step, () => void> = {
    open: () => makeCall(this.#world, drawCall(this.#world.random)),
    act: () => this.#world.act(),
    hold: () => this.#onSomePair((pair, side) => this.#world.network.hold(pair, side)),
    release: () => this.#onSomePair((pair, side) => this.#world.network.release(pair, side)),
    wait: () => this.#world.spawn(this.#world.elapse(1 + wholeBelow(this.#world.random, 20))),
    cancel: () => this.#cancel(),
    ...faultSteps(() => this.#world)
  }

  #onSomePair(work: (pair: World['network']['pairs'][number], side: number) => void): void {
    const { network, random } = this.#world
    const pairs = network.pairs.filter(({ isDead }) => !isDead)
    if (pairs.length > 0) work(oneOf(random, pairs), wholeBelow(random, 2))
  }

  #cancel(): void {
    const { calls, ends, random, figures, signals } = this.#world
    const open = calls.filter(({ isSettled }) => !isSettled)
    if (open.length === 0) return
    const call = oneOf(random, open)
    const reason = random() < 0.2 ? undefined : new Error('the model: cancelled')
    figures.cancels++
    if (call.plan.signal !== 'shared') return call.cancel?.(reason)
    const end = ends[call.plan.from]
    const { shared } = end
    end.shared = new AbortController()
    signals.push(end.shared.signal)
    shared.abort(reason)
    for (const other of open) if (isSharing(other, call)) other.onCancel(shared.signal.reason)
  }

  async #callsEnd(): Promise<void> {
    const world = this.#world
    const open = () => world.calls.filter(({ isOver }) => !isOver).map(({ name }) => name)
    await this.#until(
      () => world.actors === 0 && world.waiting === 0 && open().length === 0,
      () => `${open().join(', ')} and ${world.actors} actors come to their end`
    )
  }

  async #close(): Promise<void> {
    const world = this.#world
    const all = [
      ...world.ends.map(({ manager }) => ({ manager, closed: manager.close({ timeout: 100 }) })),
      ...world.retired
    ]
    const closed = new Outcome(Promise.all(all.map(({ closed }) => closed)))
    await this.#until(() => closed.settled, 'the managers close')
    for (const { manager } of all) {
      const { pendingHandshakes, connections } = manager.stats()
      if (pendingHandshakes > 0) world.fail('a handshake is under way after the close')
      for (const { state, session } of connections) {
        if (state !== 'closed' || session !== undefined) world.fail(`after the close a connection is ${state}`)
      }
    }
    await this.#until(
      () => world.clock.pending === 0,
      () => `${world.clock.pending} timers are over`
    )
    const listeners = world.signals.reduce((sum, signal) => sum + getEventListeners(signal, 'abort').length, 0)
    if (listeners > 0) world.fail(`${listeners} listeners are left on signals`)
  }

  /** Lets everyone go on until it holds. */
  async #until(condition: () => boolean, what: string | (() => string)): Promise<void> {
    const world = this.#world
    for (let turns = 0; !condition(); turns++) {
      if (turns > maxTurns) throw new Error(`it never came to this: ${typeof what === 'string' ? what : what()}`)
      world.network.releaseAll()
      if (world.isEnding) this.#letGo()
      if (world.waiting === 0) await world.elapse(idleMs)
      for (let count = world.waiting; count > 0; count--) world.act()
      await world.turn()
      this.#check()
    }
  }

  /** Ends what would not end by itself: a handler that hangs, a consumer that waits for it. */
  #letGo(): void {
    for (const call of this.#world.calls) {
      // One whose caller is told already has to be aborted.
      if (call.releaseHandler !== undefined && !call.isSettled) call.releaseHandler()
    }
  }

  #check(): void {
    const { violation, calls } = this.#world
    if (violation !== undefined) throw violation
    const overdue = calls.find(({ isOverdue }) => isOverdue)
    if (overdue !== undefined) throw new Error(`${overdue.name}: not settled after its deadline`)
  }

  #count(): void {
    const { calls, figures } = this.#world
    for (const { requests, responses, closed } of calls) {
      figures.messages += requests.taken + responses.taken
      if (closed?.error instanceof DeadlineError) figures.deadlines++
    }
  }
}

/** Both have the signal that their end shares among calls. */
function isSharing(a: Call, b: Call): boolean {
  return a.plan.signal === 'shared' && a.plan.from === b.plan.from
}
