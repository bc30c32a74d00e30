/** Workers that make mixed calls until they are told to rest: how the calls ended is counted, and each answer checked. */

import { setTimeout as delay } from 'node:timers/promises'
import {
  type CallOptions,
  ClosedError,
  type Connection,
  DeadlineError,
  DisconnectedError,
  RejectedError
} from '../../../lib/index.ts'
import { errorStack } from '../errors.ts'
import { oneOf, randomFrom, wholeBelow } from '../random.ts'
import { until } from '../until.ts'
import { type Call, callOn } from './call.ts'

/** How many calls ended how: `ok`, or the code of the error. */
export type Outcomes = Readonly<Record<string, number>>

export interface LoadOptions {
  readonly seed: number
  /** Calls that go on at the same time on each peer. */
  readonly workers: number
  readonly pauseMs: number
  /** Of all calls but a part of the streams, which have none. Default none. */
  readonly timeoutMs?: number
  readonly onWrong: (text: string) => void
}

/** Kinds of calls, of random sizes. */
const kinds: Readonly<Record<string, (call: Call, random: () => number) => Promise<void>>> = {
  small: (call, random) => call.request(wholeBelow(random, 100)),
  large: (call, random) => call.raw(64 + wholeBelow(random, oneOf(random, [200_000, 1_500_000]))),
  cancel: (call, random) => call.cancel(delay(wholeBelow(random, 30))),
  deadline: (call, random) => call.deadline(5 + wholeBelow(random, 150)),
  fail: (call, random) => call.fail(wholeBelow(random, 1e6)),
  responses: (call, random) => call.feed(wholeBelow(random, 200), 8, random() < 0.2),
  broken: (call, random) => call.break(wholeBelow(random, 40)),
  requests: (call, random) => call.gather(drawSizes(random, 60, 1000)),
  echo: (call, random) => call.chat(drawSizes(random, 12, oneOf(random, [100, 10_000, 150_000])))
}

function drawSizes(random: () => number, maxCount: number, maxBytes: number): number[] {
  return Array.from({ length: wholeBelow(random, maxCount) }, () => wholeBelow(random, maxBytes))
}

/** What a deadline may be late by, when this process was not stopped. */
const lateMs = 2000
const tickMs = 100

export class Load {
  readonly outcomes: Record<string, number> = { ok: 0 }
  /** Calls that have not settled, in words. */
  readonly running = new Set<string>()
  slowestMs = 0
  isGoing = false
  readonly #options: LoadOptions
  #workers: Promise<unknown> = Promise.resolve()
  #isClosing = false
  #serial = 0
  /** How long this process did not run, in all. */
  #stalledMs = 0
  #tickedAtMs = performance.now()

  constructor(options: LoadOptions) {
    this.#options = options
  }

  go(peers: readonly Connection[]): void {
    const { workers, seed } = this.#options
    const each = Array.from({ length: workers }, (_, number) => number)
    const randomOf = (peer: number, worker: number) => randomFrom(seed + 1000 * worker + 7919 * peer)
    this.isGoing = true
    const ticks = setInterval(() => this.#tick(), tickMs)
    const all = peers.flatMap((peer, at) => each.map((number) => this.#work(peer, randomOf(at, number))))
    this.#workers = Promise.all(all).finally(() => clearInterval(ticks))
  }

  /** Makes no more calls; resolves when all have settled. */
  async rest(settleMs: number): Promise<void> {
    this.isGoing = false
    await until(() => this.running.size === 0, 'all calls have settled', settleMs).catch((cause) => {
      throw new Error(`these never settled: ${[...this.running].join(', ')}`, { cause })
    })
    await this.#workers
  }

  /** Makes no more calls, as this server closes: those that run may be told so. */
  close(): void {
    this.isGoing = false
    this.#isClosing = true
  }

  async #work(peer: Connection, random: () => number): Promise<void> {
    while (this.isGoing) {
      await this.#call(oneOf(random, Object.keys(kinds)), peer, random)
      await delay(random() * 2 * this.#options.pauseMs)
    }
  }

  async #call(name: string, peer: Connection, random: () => number): Promise<void> {
    const { timeoutMs = Number.POSITIVE_INFINITY, onWrong } = this.#options
    const isStream = ['responses', 'broken', 'requests', 'echo'].includes(name)
    const timeout = isStream && random() < 0.3 ? Number.POSITIVE_INFINITY : timeoutMs
    const label = `${name} number ${++this.#serial} of ${process.pid} to ${peer.host}`
    const options: CallOptions = { timeout, waitForReady: random() < 0.3 }
    this.#tick()
    const [startedMs, stalledBeforeMs] = [performance.now(), this.#stalledMs]
    let outcome = 'ok'
    this.running.add(label)
    try {
      await kinds[name]?.(callOn(peer, label, options), random)
    } catch (error) {
      outcome = this.#isClosing && error instanceof ClosedError ? error.code : (excusedCode(error) ?? 'wrong')
      if (outcome === 'wrong') onWrong(`${label}: ${errorStack(error)}`)
    }
    this.running.delete(label)
    // What arrived while this process was stopped is read before its timers run.
    this.#tick()
    addOutcomes(this.outcomes, { [outcome]: 1 })
    const tookMs = performance.now() - startedMs - (this.#stalledMs - stalledBeforeMs)
    this.slowestMs = Math.max(this.slowestMs, tookMs)
    if (tookMs > timeout + lateMs) onWrong(`${label} settled after ${Math.round(tookMs)} ms: ${outcome}`)
  }

  #tick(): void {
    const nowMs = performance.now()
    this.#stalledMs += Math.max(0, nowMs - this.#tickedAtMs - 2 * tickMs)
    this.#tickedAtMs = nowMs
  }
}

/** The code of an error that a fault excuses; undefined for one that nothing excuses. */
function excusedCode(error: unknown): string | undefined {
  if (error instanceof DisconnectedError) return `${error.code} ${error.reason}`
  if (error instanceof RejectedError && error.reason === 'goingAway') return 'ERR_REJECTED goingAway'
  return error instanceof DeadlineError ? error.code : undefined
}

export function addOutcomes(totals: Record<string, number>, outcomes: Outcomes): void {
  for (const [outcome, calls] of Object.entries(outcomes)) totals[outcome] = (totals[outcome] ?? 0) + calls
}
