/**
 * Storms of calls: thousands that end at one moment, each in a way that is ordinary by itself.
 *
 * What the two ends say of the end of a call crosses on the wire. All calls of a storm end at a moment of the wall clock that
 * their payload names, so that it can also be between two processes.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { type Connection, type GridError, type Manager, type StreamEnd, single, streaming } from '../../../lib/index.ts'
import { addOutcomes, type Outcomes } from './load.ts'

/** How a call may end: `ok`, `ended`, `cancelled`, or the code of an error. */
type Outcome = string

interface Storm {
  /** Begins one call that ends at `atMs`, and tells how. */
  readonly call: (peer: Connection, atMs: number, cancel: AbortSignal) => Promise<Outcome>
  readonly outcomes: readonly Outcome[]
  /** How many of the calls that a peer takes at once are made. Default 0.95. */
  readonly share?: number
}

const wait = single<number, number>('wait')
const deaf = single<number, number>('deaf')
const answer = single<number, number>('answer')
const both = streaming<number, number, number>('both', { inCapacity: 2, outCapacity: 2 })
const first = streaming<number, number, number>('first', { inCapacity: 2, outCapacity: 2 })
const feed = streaming<number, never, number>('feed', { inCapacity: 0, outCapacity: 2 })

/** What is left after a storm, such as handlers that go on, is over by then. */
export const restMs = 60_000
/** Handlers that are still at work when their callers have long gone are so for this time. */
const deafMs = 50

export const storms: Readonly<Record<string, Storm>> = {
  'requests that time out': {
    call: (peer, atMs) => outcomeOf(peer.request(wait, atMs, { timeout: leftMs(atMs) })),
    outcomes: ['ERR_DEADLINE']
  },
  'requests that time out at handlers that go on': {
    call: (peer, atMs) => outcomeOf(peer.request(deaf, atMs, { timeout: leftMs(atMs) })),
    // A peer whose event loop stood still answers before its callers have read that they are late.
    outcomes: ['ERR_DEADLINE', 'ERR_REJECTED', 'ok']
  },
  'requests that are aborted as they are answered': {
    call: (peer, atMs, cancel) => outcomeOf(peer.request(answer, atMs, { signal: cancel })),
    outcomes: ['ok', 'cancelled']
  },
  'requests that are aborted at once': {
    call(peer, atMs) {
      const controller = new AbortController()
      const outcome = outcomeOf(peer.request(answer, atMs, { signal: controller.signal }))
      controller.abort(new Error('cancelled'))
      return outcome
    },
    outcomes: ['cancelled']
  },
  'streams that both ends end': {
    async call(peer, atMs) {
      const stream = peer.newStream(both, atMs)
      await delay(leftMs(atMs))
      stream.requests.end()
      return await drain(stream)
    },
    outcomes: ['ended'],
    share: 0.5
  },
  'streams whose handlers end first': {
    async call(peer, atMs) {
      const stream = peer.newStream(first, atMs)
      stream.requests.push(1)
      await delay(leftMs(atMs))
      stream.requests.end()
      return await drain(stream)
    },
    outcomes: ['ended'],
    share: 0.5
  },
  'streams whose consumers break off as their handlers end': {
    async call(peer, atMs) {
      const stream = peer.newStream(both, atMs)
      await delay(leftMs(atMs))
      stream.cancel(new Error('cancelled'))
      return endOf(await stream.closed)
    },
    outcomes: ['ended', 'cancelled'],
    share: 0.5
  },
  'streams that time out': {
    call: (peer, atMs) => drain(peer.newStream(feed, atMs, { timeout: leftMs(atMs) })),
    outcomes: ['ERR_DEADLINE'],
    share: 0.5
  }
}

/** Registers the handlers that storms are made at. */
export function serveStorms(manager: Manager): void {
  manager.handle(wait, (_, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(0))))
  manager.handle(deaf, (atMs) => delay(leftMs(atMs) + deafMs, 0))
  manager.handle(answer, async (atMs, { signal }) => {
    await moment(atMs, signal)
    return 0
  })
  manager.handle(both, async function* (atMs, _, { signal }) {
    yield 1
    await moment(atMs, signal)
  })
  manager.handle(first, async function* () {
    yield 1
  })
  manager.handle(feed, async function* (_, __, { signal }) {
    yield 1
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
  })
}

/** Makes `count` calls that end at one moment; returns how many ended how. */
export async function storm(name: string, peer: Connection, count: number): Promise<Outcomes> {
  const { call } = storms[name] as Storm
  const controller = new AbortController()
  // So long that all are under way by then.
  const atMs = Date.now() + 20 + count / 20
  setTimeout(() => controller.abort(new Error('cancelled')), leftMs(atMs))
  const calls = Array.from({ length: count }, () => call(peer, atMs, controller.signal))
  const outcomes: Record<string, number> = {}
  for (const outcome of await Promise.all(calls)) addOutcomes(outcomes, { [outcome]: 1 })
  return outcomes
}

/** What of the outcomes of a storm may not be, in words. */
export function unexpected(name: string, outcomes: Outcomes): string[] {
  const { outcomes: expected } = storms[name] as Storm
  return Object.entries(outcomes).flatMap(([outcome, count]) =>
    expected.includes(outcome) ? [] : [`${count} of the ${name} ended with ${outcome}`]
  )
}

/** How many calls of the storm fit a peer that takes `maxInboundStreams`. */
export function callsAtOnce(name: string, maxInboundStreams: number): number {
  return Math.floor((storms[name]?.share ?? 0.95) * maxInboundStreams)
}

/** Resolves at that moment, or when the call is over. */
async function moment(atMs: number, signal: AbortSignal): Promise<void> {
  await delay(leftMs(atMs), undefined, { signal }).catch(() => undefined)
}

function leftMs(atMs: number): number {
  return Math.max(1, atMs - Date.now())
}

async function drain(stream: AsyncIterable<number> & { readonly closed: Promise<StreamEnd> }): Promise<Outcome> {
  try {
    for await (const _ of stream);
  } catch {
    // `closed` tells the same.
  }
  return endOf(await stream.closed)
}

function endOf({ how, error }: StreamEnd): Outcome {
  return how === 'failed' ? codeOf(error) : how
}

async function outcomeOf(call: Promise<unknown>): Promise<Outcome> {
  return await call.then(() => 'ok', codeOf)
}

function codeOf(error: unknown): string {
  const { code, message } = error as GridError
  return code ?? message
}
