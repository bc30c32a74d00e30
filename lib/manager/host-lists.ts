/**
 * Follows the source of hosts: one fixed list, or an async iterable of lists.
 *
 * The last valid list stays in force, whatever the source does next. Before the first one, callers are told why there is none.
 */

import { InvalidOptionError, UnknownHostError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import { errorText } from '../base/text.ts'
import { ProducerIterator, toResult } from '../stream/producer.ts'

export type Hosts = Iterable<string> | AsyncIterable<Iterable<string>>

export interface HostLists {
  /** As in `Manager`. */
  readonly ready: Promise<void>
  /** Why there is no list yet; undefined once there is one. */
  readonly missing: Error | undefined
  stop(): void
}

type OnList = (hosts: Iterable<string>) => void

/**
 * Calls `onList` with each list. When it throws, the list is ignored and the error is logged; with a fixed list, `onList` is
 * called before this returns, and this throws.
 *
 * @throws {InvalidOptionError} when `hosts` is neither
 */
export function followHosts(hosts: Hosts, onList: OnList, logger: Logger): HostLists {
  const { [Symbol.asyncIterator]: ofLists, [Symbol.iterator]: ofHosts } = Object(hosts)
  if (typeof hosts !== 'object' || (ofLists ?? ofHosts ?? undefined) === undefined) {
    throw new InvalidOptionError('hosts must be an iterable of host names, or an async iterable of such lists')
  }
  if ((ofLists ?? undefined) !== undefined) return new FollowedLists(hosts, onList, logger)
  onList(hosts as Iterable<string>)
  return { ready: Promise.resolve(), missing: undefined, stop: () => undefined }
}

class FollowedLists implements HostLists {
  ready: Promise<void>
  missing: Error | undefined = new UnknownHostError('no list of hosts has arrived yet')
  readonly #onList: OnList
  readonly #logger: Logger
  #iterator: ProducerIterator | undefined
  #stopped = false
  #resolve!: () => void
  #reject!: (error: Error) => void

  constructor(lists: Hosts, onList: OnList, logger: Logger) {
    this.#onList = onList
    this.#logger = logger
    this.ready = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // A rejection that is not awaited must not end the process: the log has it too.
    this.ready.catch(() => undefined)
    this.#follow(lists).catch((error: unknown) =>
      this.#failed(`the source of hosts failed: ${errorText(error)}`, error)
    )
  }

  stop(): void {
    this.#stopped = true
    this.#resolve()
    this.#iterator?.close((failure) => {
      if (failure !== undefined) this.#logger.warn(`the source of hosts failed to end: ${errorText(failure.reason)}`)
    })
  }

  async #follow(lists: Hosts): Promise<void> {
    const iterator = new ProducerIterator(lists)
    this.#iterator = iterator
    for (;;) {
      const { done, value } = toResult<Iterable<string>>(await iterator.next())
      if (this.#stopped) return
      if (done) break
      this.#take(value)
    }
    if (this.missing !== undefined) this.#failed('the source of hosts ended without a list of hosts')
  }

  #take(list: Iterable<string>): void {
    try {
      this.#onList(list)
    } catch (error) {
      return this.#failed(`a list of hosts is ignored: ${errorText(error)}`, error)
    }
    if (this.missing === undefined) return
    this.missing = undefined
    this.#resolve()
    // It may have been rejected because of an earlier list.
    this.ready = this.ready.catch(() => undefined)
  }

  #failed(text: string, cause?: unknown): void {
    if (this.#stopped) return
    this.#logger.error(text)
    if (this.missing === undefined) return
    this.missing = new UnknownHostError(text, { cause })
    this.#reject(this.missing)
  }
}
