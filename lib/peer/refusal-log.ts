/** Tells of refused and failed handshakes once per remote and reason: a peer that retries for ever must not fill the log. */

import { RejectedError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import { errorText } from '../base/text.ts'

/** Lines and addresses that are remembered; what is forgotten, the oldest first, may be told again. */
const maxRemembered = 1000
/** Lines about peers that did not prove themselves, per address: what they say is theirs to choose. */
const maxUnproven = 10

export class RefusalLog {
  /** All of them, for the stats. */
  count = 0
  readonly #logger: Logger
  readonly #told = new Set<string>()
  readonly #unproven = new Map<string, number>()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  add(error: unknown, address: string): void {
    this.count++
    const host = hostOf(address)
    const text = errorText(error)
    const key = `${host} ${text.replaceAll(address, host)}`
    if (this.#told.has(key)) return
    if (!(error instanceof RejectedError) && this.#isTooMany(host)) return
    if (this.#told.size >= maxRemembered) this.#told.delete(this.#told.values().next().value ?? '')
    this.#told.add(key)
    this.#logger.warn(`refused a conn from ${address}: ${text}`)
  }

  #isTooMany(host: string): boolean {
    const lines = (this.#unproven.get(host) ?? 0) + 1
    if (this.#unproven.size >= maxRemembered) this.#unproven.delete(this.#unproven.keys().next().value ?? '')
    this.#unproven.set(host, lines)
    return lines > maxUnproven
  }
}

/** The address of a conn without its port, which is new with each try. */
export function hostOf(address: string): string {
  return address.replace(/:\d+$/, '')
}
