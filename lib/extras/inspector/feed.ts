/**
 * One page that is told news, over Server-Sent Events. It is never told more than it takes: while it is behind nothing is made
 * and nothing is kept for it, and then it gets the newest.
 */

import type { ServerResponse } from 'node:http'

/** A page that takes nothing for so long has gone, or is of no use to whoever looks at it. */
const stuckMs = 60_000

export class Feed {
  readonly #response: ServerResponse
  readonly #make: () => unknown
  #isMaking = false
  #isWanted = false
  #stuckSinceMs: number | undefined

  /** @param make what to tell now; undefined for nothing. A text is taken as JSON. */
  constructor(response: ServerResponse, make: () => unknown) {
    this.#response = response
    this.#make = make
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('retry: 1000\n\n')
    response.on('drain', () => {
      this.#stuckSinceMs = undefined
      if (this.#isWanted) this.news()
    })
  }

  /** There is something new. */
  news(): void {
    const { writableNeedDrain } = this.#response
    if (this.#isOver) return
    if (writableNeedDrain || this.#isMaking) {
      this.#isWanted = true
      if (writableNeedDrain) this.#stuckSinceMs ??= performance.now()
      if (performance.now() - (this.#stuckSinceMs ?? Number.POSITIVE_INFINITY) > stuckMs) this.#response.destroy()
      return
    }
    this.#isWanted = false
    const made = this.#make()
    if (made instanceof Promise) void this.#later(made)
    else this.#tell(made)
  }

  /** One that takes nothing is not waited for: nobody could close the HTTP server. */
  end(): void {
    if (this.#response.writableNeedDrain) this.#response.destroy()
    else this.#response.end()
  }

  get #isOver(): boolean {
    return this.#response.destroyed || this.#response.writableEnded
  }

  async #later(promise: Promise<unknown>): Promise<void> {
    this.#isMaking = true
    try {
      this.#tell(await promise)
    } catch {
      // The grid has closed, or the server has gone: the page is told by its feed.
    }
    this.#isMaking = false
  }

  #tell(made: unknown): void {
    if (made === undefined || this.#isOver) return
    // JSON has no line breaks.
    this.#response.write(`data: ${typeof made === 'string' ? made : JSON.stringify(made)}\n\n`)
  }
}
