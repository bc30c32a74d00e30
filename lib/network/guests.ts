/**
 * The guests of this server: programs that are in no list of hosts, dial it, and call what a rule allows them.
 *
 * They have a number, limits and figures of their own, so that peers do not notice them. A guest serves nothing.
 */

import { setImmediate } from 'node:timers/promises'
import { unlessAborted } from '../base/abort.ts'
import { isPromise } from '../base/promise.ts'
import type { Remote } from '../base/remote.ts'
import { describeValue, printable } from '../base/text.ts'
import { Connection } from '../connection/connection.ts'
import { RejectedError } from '../errors/errors.ts'
import { type Logger, logThrown } from '../errors/logger.ts'
import { type Limits, maxTimeoutMs, type ReconnectOptions } from '../errors/options.ts'
import { runningKey } from '../handler/running.ts'
import type { LocalHandlers } from '../handler/table.ts'
import type { HandlerCall } from '../hooks/call-info.ts'
import type { Auth } from '../peer/auth.ts'
import type { Established } from '../peer/dial.ts'
import type { GuestTerms, Refusal } from '../peer/handshake.ts'
import { addTotals, createTotals, type SessionTotals } from '../report/stats.ts'
import { authorizeBy, type Rule } from '../rules/authorize.ts'
import { type SessionEnd, toLeftEnd } from '../session/end.ts'
import { setDeadline } from '../time/after-reading.ts'
import type { GuestSettings } from './guest-options.ts'

const ruleName = 'guests.allow'
const tellAgainMs = 60_000
/** No answer of a rule. */
const undecided = Symbol('undecided')

export interface GuestsInit {
  readonly local: string
  readonly logger: Logger
  readonly reconnect: Readonly<ReconnectOptions>
  readonly handlers: LocalHandlers
  readonly settings: GuestSettings
  /** Why nobody is let in any more; undefined before. */
  readonly goingAway: () => Refusal | undefined
}

export class Guests implements GuestTerms {
  readonly auth: Auth
  readonly limits: Readonly<Limits>
  readonly #init: GuestsInit
  /** Each with the key of what runs for it. */
  readonly #connected = new Map<Connection, string>()
  /** Gone, while their handlers run: they count as guests, or one that comes again and again could run ever more. */
  readonly #leaving = new Map<Connection, string>()
  /** Of the handshakes of guests. */
  #lastTurn: Promise<void> = Promise.resolve()
  /** When it was told that the rule does not answer, by `performance.now()`. */
  #lateToldMs = Number.NEGATIVE_INFINITY
  /** Of those that have gone. */
  readonly #removed = createTotals()

  constructor(init: GuestsInit) {
    const { auth, limits, allow } = init.settings
    this.#init = init
    this.auth = auth
    this.limits = limits
    if (allow !== undefined) init.handlers.guard = authorizeBy(ruleName, (call) => this.#allowInTime(allow, call))
  }

  get connections(): Connection[] {
    for (const [guest, key] of this.#leaving) {
      if (!this.#init.handlers.running.forget(key)) continue
      this.#leaving.delete(guest)
      addTotals(this.#removed, guest.stats().totals)
    }
    return [...this.#connected.keys(), ...this.#leaving.keys()]
  }

  /** What runs for a guest is counted under these. */
  get runningKeys(): string[] {
    return [...this.#connected.values(), ...this.#leaving.values()]
  }

  /** What guests that have gone have counted. */
  get removedTotals(): Readonly<SessionTotals> {
    return this.#removed
  }

  /** One turn of the event loop each: what peers have sent is dealt with between them, however many guests have sent something. */
  readonly turn = (): Promise<void> => {
    this.#lastTurn = this.#lastTurn.then(() => setImmediate())
    return this.#lastTurn
  }

  readonly admit = async (guest: Remote): Promise<Refusal | undefined> => {
    const { local, settings } = this.#init
    const { allow, admit } = settings
    if (allow === undefined) return { reason: 'noGuests', message: `${local} takes no guests` }
    const refusal = this.#checkRoom()
    if (refusal !== undefined || admit === undefined) return refusal
    if (await this.#ask(admit, guest)) return this.#checkRoom()
    return { reason: 'guestRefused', message: `${local} does not take ${guest.host}` }
  }

  /** @throws {RejectedError} when others have come since it was admitted */
  readonly onAccepted = (established: Established): void => {
    const { logger, reconnect, handlers } = this.#init
    const { session } = established
    const { host } = session.remote
    const refusal = this.#checkRoom()
    if (refusal !== undefined) throw new RejectedError(refusal.reason, `refused ${host}: ${refusal.message}`)
    const calls = { figures: handlers.figures }
    const dial = () => Promise.reject(new RejectedError('wrongDirection', `${host} is the one that dials`))
    handlers.figures.forGuest(host, () => {
      const guest = new Connection({ host, dials: false, dial, reconnect, logger, calls })
      this.#connected.set(guest, runningKey(session.remote))
      guest.on('state', ({ state, reason = '' }) => {
        if (state === 'waiting') void this.#end(guest, toLeftEnd(guest.lastError, reason), maxTimeoutMs)
      })
      // It serves nothing.
      guest.adopt({ ...established, session: { ...session, limits: { ...session.limits, maxHandlers: 0 } } })
    })
  }

  /** No new calls; those that run go on. */
  refuse(end: SessionEnd): void {
    for (const guest of this.#connected.keys()) guest.refuse(end)
  }

  /** Running calls may end within `graceMs`. */
  async close(end: SessionEnd, graceMs: number): Promise<void> {
    await Promise.all([...this.#connected.keys()].map((guest) => this.#end(guest, end, graceMs)))
  }

  async #end(guest: Connection, end: SessionEnd, graceMs: number): Promise<void> {
    await guest.close(end, graceMs)
    // The server may close while it goes.
    const key = this.#connected.get(guest)
    if (key === undefined) return
    this.#connected.delete(guest)
    this.#leaving.set(guest, key)
  }

  #checkRoom(): Refusal | undefined {
    const { local, settings, goingAway } = this.#init
    if (this.connections.length < settings.max) return goingAway()
    return goingAway() ?? { reason: 'tooManyGuests', message: `${local} has ${settings.max} guests, and takes no more` }
  }

  #allowInTime(allow: Rule<HandlerCall>, call: HandlerCall): boolean | Promise<boolean> {
    const answer = allow(call)
    return isPromise<boolean>(answer) ? this.#within(answer, call) : answer
  }

  /** A rule that does not answer refuses after the time that a handshake has, in which `admit` must answer. */
  async #within(answer: PromiseLike<boolean>, call: HandlerCall): Promise<boolean> {
    const { handshakeTimeoutMs } = this.limits
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<typeof undecided>((resolve) => {
      timer = setDeadline(() => resolve(undecided), handshakeTimeoutMs)
    })
    try {
      const isAllowed = await unlessAborted(Promise.race([answer, late]), call.signal)
      if (isAllowed !== undecided) return isAllowed
      this.#tellLate(handshakeTimeoutMs, call)
      return false
    } finally {
      clearTimeout(timer)
    }
  }

  /** Once in a while: it is of each call, and says the same. */
  #tellLate(waitedMs: number, { handler, host }: HandlerCall): void {
    const now = performance.now()
    if (now - this.#lateToldMs < tellAgainMs) return
    this.#lateToldMs = now
    const what = `the call of ${printable(handler)} by ${host} is refused`
    this.#init.logger.error(`${ruleName} has not answered within ${waitedMs} ms: ${what}`)
  }

  async #ask(admit: NonNullable<GuestSettings['admit']>, guest: Remote): Promise<boolean> {
    try {
      const isAdmitted: unknown = await admit(guest)
      // Only `true` is a yes: a rule without types may give anything.
      if (typeof isAdmitted === 'boolean') return isAdmitted
      throw new TypeError(`it must answer true or false; its answer is ${describeValue(isAdmitted)}`)
    } catch (error) {
      const { host } = guest
      logThrown(this.#init.logger, `guests.admit failed, ${host} is refused`, error, { host })
      return false
    }
  }
}
