/**
 * A grid as guests see it: a link to each server that any of them knows. What the inspector looks at, in the place of a manager.
 */

import { setMaxListeners } from 'node:events'
import type { Inspected } from '../inspector/index.ts'
import { into } from './into.ts'
import { type Dial, Link, pause } from './link.ts'

/** How often the lists of the servers are read. */
const everyMs = 3000
const timeoutMs = 3000
/** A grid that tells of more is none. */
const mostHosts = 2000

export class GuestGrid implements Inspected {
  readonly isGuest = true
  readonly local: string
  readonly #dial: Dial
  readonly #links = new Map<string, Link>()
  readonly #stop = new AbortController()
  /** What each server that has answered said last. */
  readonly #lists = new Map<string, readonly string[]>()

  /** @param local the server that was named: the others are known from it, and later from each other */
  constructor(local: string, dial: Dial) {
    this.local = local
    this.#dial = dial
    setMaxListeners(0, this.#stop.signal)
  }

  /** Rejects when that server is not reached, or tells nothing. */
  async open(): Promise<void> {
    const link = await new Link(this.local, this.#dial).open()
    this.#links.set(this.local, link)
    try {
      await this.#ask(link)
    } catch (error) {
      await this.close()
      throw error
    }
    this.#follow()
    void this.#watch()
  }

  get hosts(): readonly string[] {
    return [...this.#links.keys()].filter((host) => host !== this.local)
  }

  connection(host: string): Link {
    const link = this.#links.get(host)
    if (link === undefined) throw new TypeError(`${host} is not looked at`)
    return link
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await Promise.all([...this.#links.values()].map((link) => link.close()))
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stop
    for (;;) {
      await pause(everyMs, signal)
      if (signal.aborted) return
      // One that does not answer has its last list, and a state that tells of it.
      await Promise.all([...this.#links.values()].map((link) => this.#ask(link).catch(() => undefined)))
      if (!signal.aborted) this.#follow()
    }
  }

  async #ask(link: Link): Promise<void> {
    const options = { signal: this.#stop.signal, timeout: timeoutMs }
    const reports = await into(link, options).hosts()
    this.#lists.set(link.host, reports.map(({ host }) => host).slice(0, mostHosts))
  }

  /** A link to each server that is in a list, and to no other. */
  #follow(): void {
    const known = new Set([this.local, ...[...this.#lists.values()].flat()])
    for (const [host, link] of this.#links) {
      if (known.has(host)) continue
      this.#links.delete(host)
      this.#lists.delete(host)
      void link.close()
    }
    for (const host of known) {
      if (!this.#links.has(host) && this.#links.size < mostHosts)
        this.#links.set(host, new Link(host, this.#dial).keep())
    }
  }
}
