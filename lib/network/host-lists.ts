/**
 * Follows the source of hosts: one fixed list, or an async iterable of lists.
 *
 * The last valid list stays in force, whatever the source does next. Before the first one, callers are told why there is none.
 */

import { errorText } from '../base/text.ts'
import { check, type Kind } from '../errors/check.ts'
import { InvalidOptionError, UnknownHostError } from '../errors/errors.ts'
import type { Failure } from '../errors/failure.ts'
import { type Logger, logThrown } from '../errors/logger.ts'
import { hintAtHost, serverName } from '../peer/hosts.ts'
import { ProducerIterator, toResult } from '../producer/producer.ts'

/** A string is no list, although it can be iterated. */
export type HostList = Iterable<string> & object
export type Hosts = HostList | AsyncIterable<HostList>

export const anIterableOfHosts: Kind = {
  must: 'must be an iterable of host names',
  is: (value) =>
    typeof value === 'object' && value !== null && typeof Reflect.get(value, Symbol.iterator) === 'function'
}

export interface HostLists {
  /** As in `Manager`. */
  readonly ready: Promise<void>
  /** Why there is no list yet; undefined once there is one. */
  readonly missing: Error | undefined
  stop(): void
}

type OnList = (names: Set<string>) => void

/**
 * Calls `onList` with the canonical names of each list. A list that is not valid is ignored and the error is logged; with a
 * fixed list, `onList` is called before this returns, and this throws.
 *
 * A list without `local` is taken, and logged: it was made for another server, or `local` is spelled in another way, or this
 * server is not known yet where the list comes from.
 *
 * @throws {InvalidOptionError} when `hosts` is neither
 */
export function followHosts(hosts: Hosts, local: string, onList: OnList, logger: Logger): HostLists {
  const { [Symbol.asyncIterator]: ofLists, [Symbol.iterator]: ofHosts } = Object(hosts)
  if (typeof hosts !== 'object' || (ofLists ?? ofHosts ?? undefined) === undefined) {
    throw new InvalidOptionError('hosts must be an iterable of host names, or an async iterable of such lists')
  }
  if ((ofLists ?? undefined) !== undefined) return new FollowedLists(hosts, local, onList, logger)
  const names = toNames(hosts as HostList, 'hosts: host')
  if (!names.has(local)) logger.warn(describeMissing(local, names))
  onList(names)
  return { ready: Promise.resolve(), missing: undefined, stop: () => undefined }
}

function toNames(list: HostList, what?: string): Set<string> {
  check('a list', list, anIterableOfHosts)
  return new Set([...list].map((host) => serverName(host, what)))
}

function describeMissing(local: string, names: ReadonlySet<string>): string {
  const first = [...names].slice(0, 4).join(', ') + (names.size > 4 ? ', ...' : '')
  const others = names.size === 0 ? 'it is empty' : `it names ${first}`
  return `hosts does not name this server, ${local} (${others}): a server refuses those that its list does not name${hintAtHost(local, names)}`
}

class FollowedLists implements HostLists {
  ready: Promise<void>
  missing: Error | undefined = new UnknownHostError('no list of hosts has arrived yet')
  readonly #local: string
  readonly #onList: OnList
  readonly #logger: Logger
  #iterator: ProducerIterator | undefined
  #stopped = false
  #isLocalMissing = false
  #resolve!: () => void
  #reject!: (error: Error) => void

  constructor(lists: Hosts, local: string, onList: OnList, logger: Logger) {
    this.#local = local
    this.#onList = onList
    this.#logger = logger
    this.ready = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // A rejection that is not awaited must not end the process: the log has it too.
    this.ready.catch(() => undefined)
    this.#follow(lists).catch((error: unknown) => this.#failed('the source of hosts failed', { reason: error }))
  }

  stop(): void {
    this.#stopped = true
    this.#resolve()
    this.#iterator?.close((failure) => {
      if (failure !== undefined)
        logThrown(this.#logger, 'the source of hosts failed to end', failure.reason, {}, 'warn')
    })
  }

  async #follow(lists: Hosts): Promise<void> {
    const iterator = new ProducerIterator(lists)
    this.#iterator = iterator
    for (;;) {
      const { done, value } = toResult<HostList>(await iterator.next())
      if (this.#stopped) return
      if (done) break
      this.#take(value)
    }
    if (this.missing !== undefined) this.#failed('the source of hosts ended without a list of hosts')
  }

  #take(list: HostList): void {
    try {
      const names = toNames(list)
      this.#warnWithoutLocal(names)
      this.#onList(names)
    } catch (error) {
      return this.#failed('a list of hosts is ignored', { reason: error })
    }
    if (this.missing === undefined) return
    this.missing = undefined
    this.#resolve()
    // It may have been rejected because of an earlier list.
    this.ready = this.ready.catch(() => undefined)
  }

  /** Once for as long as it is so. */
  #warnWithoutLocal(names: ReadonlySet<string>): void {
    const isMissing = !names.has(this.#local)
    if (isMissing && !this.#isLocalMissing) this.#logger.warn(describeMissing(this.#local, names))
    this.#isLocalMissing = isMissing
  }

  #failed(what: string, failure?: Failure): void {
    if (this.#stopped) return
    if (failure === undefined) this.#logger.error(what)
    else logThrown(this.#logger, what, failure.reason)
    if (this.missing === undefined) return
    const text = failure === undefined ? what : `${what}: ${errorText(failure.reason)}`
    this.missing = new UnknownHostError(text, { cause: failure?.reason })
    this.#reject(this.missing)
  }
}
