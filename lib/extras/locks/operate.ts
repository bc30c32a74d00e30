/** What operators ask all lock servers: which locks there are, who waits for what, and that a lock be taken away. */

import {
  type Answer,
  type AnyStreaming,
  type Callable,
  InvalidOptionError,
  type PayloadOf,
  RejectedError,
  type ResponseOf
} from '../../index.ts'
import { checkResources } from './check.ts'
import { forceUnlock, type LockInfo, list, type ServerQueue, top } from './definitions.ts'
import { LockError } from './errors.ts'
import type { GrantsInit } from './grants.ts'
import { findServers } from './hosts.ts'
import { merge } from './merge.ts'
import { quorumOf } from './quorum.ts'

/** One resource for which somebody waits. */
export interface LockQueue {
  readonly resource: string
  readonly heldBy: readonly LockInfo[]
  /** The longest waits first. */
  readonly waiting: readonly { readonly owner: string; readonly source: string; readonly waitedMs: number }[]
}

/** A server that is stuck does not keep the others' answers from an operator for longer. */
const timeout = 30_000

export interface LookOptions {
  /** That of the lock servers. Default none. */
  readonly subroute?: string
  readonly signal?: AbortSignal
}

/**
 * As `list` of a `LockClient`, for whoever has no manager: `servers` are the lock servers, as guests or connections of them.
 *
 * @throws the error of a server when none answers; `signal.reason` when it aborts; {InvalidOptionError} without servers
 */
export async function* listLocks(
  servers: Iterable<Callable>,
  options: LookOptions = {}
): AsyncGenerator<LockInfo, void> {
  const seen = new Set<string>()
  for await (const info of answersOf([...servers], list, undefined, options)) {
    if (seen.has(info.uid)) continue
    seen.add(info.uid)
    yield info
  }
}

/**
 * As `top` of a `LockClient`, for whoever has no manager.
 *
 * @throws {RangeError} when `max` (default 10) is not a whole number above 0
 * @throws as `listLocks`
 */
export async function topLocks(
  servers: Iterable<Callable>,
  { max = 10, ...options }: LookOptions & { readonly max?: number } = {}
): Promise<readonly LockQueue[]> {
  if (!(Number.isSafeInteger(max) && max > 0)) throw new RangeError('max of top() must be a whole number above 0')
  const lines = new Map<string, Line>()
  for await (const queue of answersOf([...servers], top, { max }, options)) addTo(lines, queue)
  const queues = [...lines].map(([resource, { heldBy, waiting }]): LockQueue => {
    const waits = [...waiting.values()].sort((a, b) => b.waitedMs - a.waitedMs)
    return { resource, heldBy: [...heldBy.values()], waiting: waits.map(({ id: _, kind: __, ...told }) => told) }
  })
  return queues.sort((a, b) => (b.waiting[0]?.waitedMs ?? 0) - (a.waiting[0]?.waitedMs ?? 0)).slice(0, max)
}

export async function forceUnlockAt(
  { grid, servers, subroute }: Pick<GrantsInit, 'grid' | 'servers' | 'subroute'>,
  resources: readonly string[],
  timeout: number,
  signal: AbortSignal | undefined
): Promise<number> {
  checkResources(resources)
  const { found, unknown } = findServers(grid, servers)
  const answers: Answer<{ released: number }>[] = [...unknown]
  const options = { hosts: found.map(({ host }) => host), subroute, timeout, ...(signal && { signal }) }
  if (found.length > 0)
    for await (const answer of grid.all(forceUnlock, { resources: [...resources] }, options)) answers.push(answer)
  const released = answers.flatMap(({ value }) => (value === undefined ? [] : [value.released]))
  const errors = answers.flatMap(({ error }) => (error === undefined ? [] : [error]))
  const denied = errors.find((error) => RejectedError.is(error) && error.reason === 'denied')
  if (denied !== undefined) throw denied
  if (released.length >= quorumOf('write', servers.length)) return Math.max(...released)
  const text = `only ${released.length} of ${servers.length} servers have taken it away within ${timeout} ms`
  throw new LockError('ERR_LOCK_TIMEOUT', text, { cause: errors[0] })
}

interface Line {
  readonly heldBy: Map<string, LockInfo>
  readonly waiting: Map<string, ServerQueue['waiting'][number]>
}

/** Each lock and each wait once, though several servers tell of it. */
function addTo(lines: Map<string, Line>, { resource, heldBy, waiting }: ServerQueue): void {
  const line = lines.get(resource) ?? { heldBy: new Map(), waiting: new Map() }
  lines.set(resource, line)
  for (const info of heldBy) line.heldBy.set(info.uid, info)
  for (const wait of waiting) {
    if ((line.waiting.get(wait.id)?.waitedMs ?? 0) <= wait.waitedMs) line.waiting.set(wait.id, wait)
  }
}

/**
 * What the servers that answer say.
 *
 * @throws the error of one of them when none answers
 */
async function* answersOf<D extends AnyStreaming>(
  servers: readonly Callable[],
  definition: D,
  payload: PayloadOf<D>,
  { subroute = '', signal }: LookOptions
): AsyncGenerator<ResponseOf<D>, void> {
  signal?.throwIfAborted()
  if (servers.length === 0) throw new InvalidOptionError('listLocks() and topLocks() take at least one lock server')
  const errors: unknown[] = []
  const options = { timeout, ...(signal && { signal }) }
  const streams = servers.map((server) => {
    const { responses } = server.subroute(subroute).newStream<AnyStreaming>(definition, payload, options)
    return responses as AsyncIterable<ResponseOf<D>>
  })
  yield* merge(streams, (error) => errors.push(error))
  signal?.throwIfAborted()
  if (errors.length === servers.length) throw errors[0]
}
