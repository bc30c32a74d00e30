/** The pages that look: how many there may be, what each is told, and the observer that they share and that ends after them. */

import type { ServerResponse } from 'node:http'
import { ConnectionLooker } from './connection-detail.ts'
import { Feed } from './feed.ts'
import { HandlerLooker } from './handler-detail.ts'
import type { Inspected } from './inspected.ts'
import { type Mark, nothingKnown, Observer } from './observer.ts'
import { Trace, type TraceFilter } from './trace.ts'
import type { Side } from './tracked.ts'

/** A page that is loaded again finds its charts, and so does one in a tab that nobody looks at: browsers let it look once a minute. */
const defaultLingerMs = 150_000
const traceMs = 250
const longestTraceMs = 600_000

/** Whoever is refused is told why. */
export type Opened = { readonly refused?: string }

export class Pages {
  readonly #grid: Inspected
  readonly #max: number
  readonly #lingerMs: number
  readonly #feeds = new Set<Feed>()
  readonly #details = new Set<Feed>()
  #observer: Observer | undefined
  #lingering: NodeJS.Timeout | undefined
  /** What is told to those who know the same: made once. */
  #made: { readonly key: string; readonly json: string } | undefined

  /** @param lingerMs how long it still looks after the last page has gone */
  constructor(grid: Inspected, max: number, lingerMs = defaultLingerMs) {
    this.#grid = grid
    this.#max = max
    this.#lingerMs = lingerMs
  }

  get isClosed(): boolean {
    return this.#grid.connection(this.#grid.local).state === 'closed'
  }

  /** The page itself. */
  openFeed(response: ServerResponse): Opened {
    if (this.#feeds.size >= this.#max) return { refused: `${this.#max} pages are open; see the option maxPages.` }
    const observer = this.#observe()
    let known: Mark = nothingKnown
    const feed = new Feed(response, () => {
      const json = this.#changesAfter(observer, known)
      known = observer.mark
      return json
    })
    this.#add(this.#feeds, feed, response)
    return {}
  }

  /** What a page shows of one connection. */
  openConnection(response: ServerResponse, a: string, b: string): Opened {
    if (!this.#isHost(a) || !this.#isHost(b)) return { refused: 'There is no such server in this grid.' }
    return this.#openDetail(response, (observer) => {
      const looker = new ConnectionLooker(observer, a, b)
      return () => looker.look()
    })
  }

  openHandler(response: ServerResponse, key: string): Opened {
    return this.#openDetail(response, (observer) => {
      const looker = new HandlerLooker(observer, key)
      return () => looker.look()
    })
  }

  /** The handlers of one server alone, or of all, as one side tells of them. */
  openHandlers(response: ServerResponse, host: string, side: Side): Opened {
    if (host !== '' && !this.#isHost(host)) return { refused: 'There is no such server in this grid.' }
    return this.#openDetail(response, (observer) => {
      let slot = Number.NEGATIVE_INFINITY
      return () => {
        const detail = observer.handlersOf(host, side, slot)
        slot = detail.points?.slot ?? slot
        return detail
      }
    })
  }

  openTrace(response: ServerResponse, filter: TraceFilter): Opened {
    return this.#openDetail(response, (observer, feed) => {
      const trace = new Trace(observer, filter)
      const timer = setInterval(() => feed().news(), traceMs)
      const end = setTimeout(() => feed().end(), longestTraceMs)
      response.on('close', () => {
        clearInterval(timer)
        clearTimeout(end)
        trace.stop()
      })
      return () => trace.take()
    })
  }

  #isHost(host: string): boolean {
    return host === this.#grid.local || this.#grid.hosts.includes(host)
  }

  #openDetail(response: ServerResponse, start: (observer: Observer, feed: () => Feed) => () => unknown): Opened {
    if (this.#details.size >= this.#max) return { refused: `${this.#max} details are open; see the option maxPages.` }
    const make = start(this.#observe(), () => feed)
    const feed: Feed = new Feed(response, make, true)
    this.#add(this.#details, feed, response)
    return {}
  }

  #add(feeds: Set<Feed>, feed: Feed, response: ServerResponse): void {
    feeds.add(feed)
    response.on('close', () => {
      feeds.delete(feed)
      if (this.#feeds.size + this.#details.size === 0) this.#linger()
    })
    feed.news()
  }

  #observe(): Observer {
    clearTimeout(this.#lingering)
    this.#observer ??= new Observer(this.#grid, () => this.#onTick())
    return this.#observer
  }

  #onTick(): void {
    for (const feed of [...this.#feeds, ...this.#details]) feed.news()
    // Whoever closes the HTTP server waits for its responses.
    if (this.isClosed) this.#end()
  }

  #linger(): void {
    if (this.isClosed) return this.#end()
    this.#lingering = setTimeout(() => this.#end(), this.#lingerMs).unref()
  }

  #end(): void {
    clearTimeout(this.#lingering)
    this.#observer?.stop()
    this.#observer = undefined
    this.#made = undefined
    for (const feed of [...this.#feeds, ...this.#details]) feed.end()
  }

  #changesAfter(observer: Observer, { version, slot }: Mark): string {
    const now = observer.mark
    const key = [version, slot, now.version, now.slot].join()
    if (this.#made?.key !== key) {
      this.#made = { key, json: JSON.stringify(observer.changesAfter({ version, slot })) }
    }
    return this.#made.json
  }
}
