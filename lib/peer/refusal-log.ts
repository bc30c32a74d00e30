/** Logs refused and failed handshakes once per remote and reason: a peer that retries for ever must not fill the log. */

import type { Remote } from '../base/remote.ts'
import { errorText } from '../base/text.ts'
import { RejectedError } from '../errors/errors.ts'
import { fieldsOf, type Logger } from '../errors/logger.ts'

/** Lines and addresses that are remembered. The oldest are forgotten first, and may be logged again. */
const maxRemembered = 1000
/** Lines per address about peers that did not prove their identity: they can choose what they send. */
const maxUnproven = 10

/** Who a conn claimed to be. */
export type Claim = Pick<Remote, 'host' | 'role'>

export class RefusalLog {
  /** All of them, for the stats. */
  count = 0
  /** Of those, the ones that named no host. */
  unnamed = 0
  /** Of those, the ones in the name of each host since it was last accepted. */
  readonly #byHost = new Map<string, number>()
  readonly #logger: Logger
  readonly #told = new Set<string>()
  readonly #unproven = new Map<string, number>()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  countOf(host: string): number {
    return this.#byHost.get(host) ?? 0
  }

  /** The host was accepted. */
  forget(host: string): void {
    this.#byHost.delete(host)
  }

  /** @param claim if it said who it is */
  add(error: unknown, address: string, claim?: Claim): void {
    this.count++
    const claimed = claim?.host
    const isGuest = claim?.role === 'guest'
    if (!isGuest) this.#countFor(claimed)
    const host = stripPort(address)
    const text = errorText(error)
    // Guests may have any number of names.
    const key = `${host} ${isGuest ? text.replaceAll(claim.host, 'guest') : text}`.replaceAll(address, host)
    if (this.#told.has(key)) return
    if (!RejectedError.is(error) && this.#isTooMany(isGuest ? `guest ${host}` : host)) return
    if (this.#told.size >= maxRemembered) this.#told.delete(this.#told.values().next().value ?? '')
    this.#told.add(key)
    const named = claimed === undefined ? {} : { host: claimed }
    this.#logger.warn(`refused a conn from ${address}: ${text}`, { ...named, ...fieldsOf(error) })
  }

  #countFor(claimed: string | undefined): void {
    if (claimed === undefined) {
      this.unnamed++
      return
    }
    const count = this.countOf(claimed) + 1
    // The latest is last.
    this.#byHost.delete(claimed)
    if (this.#byHost.size >= maxRemembered) this.#byHost.delete(this.#byHost.keys().next().value ?? '')
    this.#byHost.set(claimed, count)
  }

  #isTooMany(host: string): boolean {
    const lines = (this.#unproven.get(host) ?? 0) + 1
    if (this.#unproven.size >= maxRemembered) this.#unproven.delete(this.#unproven.keys().next().value ?? '')
    this.#unproven.set(host, lines)
    return lines > maxUnproven
  }
}

/** The address of a conn without its port, which is new with each try. */
export function stripPort(address: string): string {
  return address.replace(/:\d+$/, '')
}
