/**
 * One page that is told news, over Server-Sent Events. It is never told more than it takes: while it is behind nothing is made
 * and nothing is kept for it, and then it gets the newest.
 */

import type { ServerResponse } from 'node:http'
import { Gzip, takesGzip } from './gzip.ts'

/** A page that takes nothing for so long has gone, or is of no use to whoever looks at it. */
const stuckMs = 60_000
const bytesPerSecond = 20 * 1024

export class Feed {
  readonly #response: ServerResponse
  readonly #make: () => unknown
  #isMaking = false
  #isWanted = false
  #stuckSinceMs: number | undefined
  readonly #gzip: Gzip | undefined
  readonly #isPaced: boolean
  /** When it may be told again; the first word is none of its rate. */
  #freeAtMs: number | undefined

  /**
   * @param make what to tell now; undefined for nothing. A text is taken as JSON.
   * @param isPaced what was large makes it wait: what it is told each time is whole, and not what has changed
   */
  constructor(response: ServerResponse, make: () => unknown, isPaced = false) {
    this.#response = response
    this.#make = make
    this.#isPaced = isPaced
    this.#gzip = takesGzip(response.req.headers['accept-encoding']?.toString()) ? new Gzip() : undefined
    const encoding = this.#gzip === undefined ? {} : { 'content-encoding': 'gzip' }
    response.writeHead(200, { 'content-type': 'text/event-stream', vary: 'accept-encoding', ...encoding })
    this.#write('retry: 1000\n\n')
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
    if (performance.now() < (this.#freeAtMs ?? 0)) return
    this.#isWanted = false
    const made = this.#make()
    if (made instanceof Promise) void this.#later(made)
    else this.#tell(made)
  }

  /** One that takes nothing is not waited for: nobody could close the HTTP server. */
  end(): void {
    if (this.#response.writableNeedDrain) this.#response.destroy()
    else this.#response.end(this.#gzip?.end())
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
    const bytes = this.#write(`data: ${typeof made === 'string' ? made : JSON.stringify(made)}\n\n`)
    const waitMs = this.#freeAtMs === undefined ? 0 : (bytes / bytesPerSecond) * 1000
    if (this.#isPaced) this.#freeAtMs = performance.now() + waitMs
  }

  #write(text: string): number {
    const part = this.#gzip?.add(text) ?? Buffer.from(text)
    this.#response.write(part)
    return part.length
  }
}
