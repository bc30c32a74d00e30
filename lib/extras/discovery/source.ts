/**
 * From a search for hosts to an async iterable of lists: it begins with the first pull and ends with the signal or a `return`.
 *
 * A consumer that pulls late gets the newest list only. Each iterator is a search of its own.
 */

import type { DiscoveryOptions } from './options.ts'
import { Reports } from './reports.ts'
import { Search } from './search.ts'

/** Whole lists, each time they change. It never throws, never gives an empty list, and ends with the signal only. */
export type HostSource = AsyncIterable<readonly string[]>

type Result = IteratorResult<readonly string[], undefined>

const over: Result = { done: true, value: undefined }
const defaultKeepMs = 30_000

export interface SourceInit {
  /** For the log: `dnsHosts(nodes)`. */
  readonly name: string
  /** Canonical. */
  readonly local: string
  readonly options: DiscoveryOptions
  /** Runs until the signal of the search aborts. */
  readonly run: (search: Search) => Promise<void>
}

export function createSource(init: SourceInit): HostSource {
  return { [Symbol.asyncIterator]: () => new Lists(init) }
}

class Lists implements AsyncIterableIterator<readonly string[], undefined> {
  readonly #init: SourceInit
  readonly #controller = new AbortController()
  readonly #waiting: ((result: Result) => void)[] = []
  #news: readonly string[] | undefined
  #running: Promise<void> | undefined

  constructor(init: SourceInit) {
    this.#init = init
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<Result> {
    if (this.#init.options.signal?.aborted === true) this.#end()
    if (this.#controller.signal.aborted) return Promise.resolve(over)
    this.#running ??= this.#start()
    const value = this.#news
    if (value === undefined) return new Promise((resolve) => this.#waiting.push(resolve))
    this.#news = undefined
    return Promise.resolve({ done: false, value })
  }

  /** Resolves when nothing of the search is left. */
  async return(): Promise<Result> {
    this.#end()
    await this.#running
    return over
  }

  async #start(): Promise<void> {
    const { name, local, options, run } = this.#init
    const { signal } = options
    const onAbort = () => this.#end()
    signal?.addEventListener('abort', onAbort)
    const reports = new Reports(name, options.logger)
    const search = new Search({
      ...{ local, reports, keepMs: options.keepMs ?? defaultKeepMs, signal: this.#controller.signal },
      onList: (hosts) => this.#give(hosts)
    })
    try {
      await run(search)
    } finally {
      search.stop()
      signal?.removeEventListener('abort', onAbort)
    }
  }

  #give(hosts: readonly string[]): void {
    if (this.#controller.signal.aborted) return
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#news = hosts
    else waiting({ done: false, value: hosts })
  }

  #end(): void {
    this.#controller.abort()
    this.#news = undefined
    for (const waiting of this.#waiting.splice(0)) waiting(over)
  }
}
