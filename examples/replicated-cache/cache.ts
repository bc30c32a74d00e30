/**
 * A cache that each server has in whole, and that each may change. The newest value of a key wins, the same one everywhere.
 *
 * Each server follows the feeds of all others. A feed begins with all that there is, so a server that was away has everything
 * again soon after it is back. A follower that is slow gets the newest value of a key and not all between.
 */

import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { ClosedError, type Connection, type HandlerContext, type Manager, streaming } from 'it-grid'

interface Change {
  readonly key: string
  readonly value: string
  /** Grows with each change that a server knows of; of two that are equal the greater name wins. */
  readonly version: number
  readonly by: string
}

const feed = streaming<void, never, Change>('cache.feed', { inCapacity: 0 })

/** Keys that a follower has not got yet: as many as there are at most, however fast they change. */
class Follower {
  readonly keys: Set<string>
  #wake = () => {}

  constructor(keys: Iterable<string>) {
    this.keys = new Set(keys)
  }

  add(key: string): void {
    this.keys.add(key)
    this.#wake()
  }

  /** Resolves when there are more keys, or `over` aborts. */
  async more(over: AbortSignal): Promise<void> {
    if (this.keys.size > 0 || over.aborted) return
    const waiting = new AbortController()
    const changed = new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    await Promise.race([changed, once(over, 'abort', { signal: waiting.signal })])
    waiting.abort()
  }
}

export class ReplicatedCache {
  readonly #grid: Manager
  readonly #changes = new Map<string, Change>()
  readonly #followers = new Set<Follower>()
  #version = 0
  /** Changes that came from others. */
  received = 0

  constructor(grid: Manager) {
    this.#grid = grid
    grid.handle(feed, (_payload, _requests, context) => this.#feed(context))
    for (const peer of grid.connections) void this.#follow(peer)
  }

  get(key: string): string | undefined {
    return this.#changes.get(key)?.value
  }

  set(key: string, value: string): void {
    this.#accept({ key, value, version: this.#version + 1, by: this.#grid.local })
  }

  #accept(change: Change): void {
    const known = this.#changes.get(change.key)
    this.#version = Math.max(this.#version, change.version)
    if (known !== undefined && !isNewer(change, known)) return
    this.#changes.set(change.key, change)
    for (const follower of this.#followers) follower.add(change.key)
  }

  async *#feed({ signal, draining }: HandlerContext): AsyncGenerator<Change> {
    const over = AbortSignal.any([signal, draining])
    const follower = new Follower(this.#changes.keys())
    this.#followers.add(follower)
    try {
      while (!over.aborted) {
        for (const key of follower.keys) {
          follower.keys.delete(key)
          yield this.#changes.get(key) as Change
        }
        await follower.more(over)
      }
    } finally {
      this.#followers.delete(follower)
    }
  }

  /** Until this server is closed: through restarts of the peer and cuts of the network. */
  async #follow(peer: Connection): Promise<void> {
    for (;;) {
      try {
        for await (const change of peer.newStream(feed, undefined, { waitForReady: true })) {
          this.received++
          this.#accept(change)
        }
      } catch (error) {
        if (ClosedError.is(error)) return
        // A peer that is away is waited for above; one that refuses is not to be asked without end.
        await delay(100)
      }
    }
  }
}

function isNewer(change: Change, known: Change): boolean {
  return change.version > known.version || (change.version === known.version && change.by > known.by)
}
