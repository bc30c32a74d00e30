/**
 * Two processes with one name: each sign of it, told as an error once in an outage, and then rarely.
 *
 * A process that has the name of this one is noticed by peers that take its conn in place of ours, and when one of the two
 * reaches the other under their name. A peer that there is twice is noticed where an instance of it that was replaced is back.
 */

import type { Logger } from '../errors/logger.ts'

/** An outage is over when there was no sign for so long. */
const quietMs = 60_000
/** As long as it lasts it is told again after so long. */
const againMs = 600_000

export class NameClash {
  readonly #local: string
  readonly #logger: Logger
  /** By name: when it was told, and when there was the last sign; of `performance.now()`. */
  readonly #signs = new Map<string, { toldMs: number; seenMs: number }>()

  constructor(local: string, logger: Logger) {
    this.#local = local
    this.#logger = logger
  }

  /** @param sign how it shows that another process has the name of this one */
  ofThis(sign: string): void {
    this.#tell(this.#local, 'another process has the name of this one', sign)
  }

  /** @param sign how it shows that two processes have the name `host` */
  of(host: string, sign: string): void {
    this.#tell(host, 'two processes have the name', sign)
  }

  #tell(name: string, what: string, sign: string): void {
    const now = performance.now()
    const { toldMs, seenMs } = this.#signs.get(name) ?? { toldMs: -Infinity, seenMs: -Infinity }
    const isDue = now - seenMs > quietMs || now - toldMs > againMs
    this.#signs.set(name, { toldMs: isDue ? now : toldMs, seenMs: now })
    const check = 'End one of them (a copy, a worker of node:cluster): they replace each other, ever more slowly'
    if (isDue) this.#logger.error(`${what}, ${name}: ${sign}. ${check}`)
  }
}
