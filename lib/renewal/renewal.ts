/**
 * The renewal of identities: before the identity of a session ends, another session is dialed beside it.
 *
 * `expiry.ts` has the timers, and `sessions.ts` decides which session takes the calls.
 */

import { RareMap } from '../base/rare.ts'
import { errorText } from '../base/text.ts'
import { ClosedError } from '../errors/errors.ts'
import type { Logger } from '../errors/logger.ts'
import { defaultCloseTimeoutMs } from '../errors/options.ts'
import type { Session } from '../session/session.ts'
import { Expiry } from './expiry.ts'

export interface RenewalInit {
  readonly host: string
  readonly logger: Logger
  /** Makes a conn beside the session whose identity ends soon; rejects when it cannot. Undefined where the other side dials. */
  readonly renew: ((signal: AbortSignal) => Promise<void>) | undefined
  /** The session that takes the calls. */
  readonly current: () => Session | undefined
  /** The session that is about to take them. */
  readonly arriving: () => Session | undefined
}

/** The time that is left, as the peer tells it, is not exact. */
const toleranceMs = 1000

export class Renewal {
  readonly #init: RenewalInit
  readonly #expiries = new RareMap<Session, Expiry>()
  #dial: AbortController | undefined

  constructor(init: RenewalInit) {
    this.#init = init
  }

  /** Ends `session` when the identity of the peer does, and renews it before that of either side does. */
  watch(session: Session, renewBefore: number | undefined): void {
    const { expiresAt } = session.remote.identity
    if (expiresAt === undefined && renewBefore === undefined) return
    const expired = { reason: 'expired', text: 'the identity of the peer has expired' } as const
    const onExpired = () => session.close(expired, defaultCloseTimeoutMs)
    const onRenew = this.#init.renew && (() => this.#renew(session))
    this.#expiries.set(session, new Expiry({ expiresAt, renewBefore, onRenew, onExpired }))
  }

  /** Another session was to take the place of `session` and did not. */
  retryLater(session: Session): void {
    this.#expiries.get(session)?.renewLater()
  }

  /** `session` has ended. */
  forget(session: Session): void {
    this.#expiries.get(session)?.stop()
    this.#expiries.delete(session)
  }

  /** Gives up the dial that is under way, if one is. */
  abort(text: string): void {
    this.#dial?.abort(new ClosedError(text))
  }

  /** Warns when the new identity ends no later: a certificate that is not replaced would be noticed only when it has ended. */
  warnUnlessLater(renewed: Session, session: Session): void {
    const [before, after] = [renewed, session].map((each) => this.#expiries.get(each)?.endsAt)
    if (before === undefined || after === undefined || after - before > toleranceMs) return
    const endsAt = new Date(after).toISOString()
    this.#init.logger.warn(`renewed with ${this.#init.host}, but the identity of one end still ends at ${endsAt}`)
  }

  /** Dials beside `session`, unless another one is arriving. */
  #renew(session: Session): void {
    const { host, logger, renew, current, arriving } = this.#init
    if (renew === undefined || (session !== current() && session !== arriving())) return
    if (arriving() !== undefined) return this.retryLater(session)
    this.#dial = new AbortController()
    renew(this.#dial.signal).catch((error) => {
      if (session !== current()) return
      logger.warn(`the session with ${host} is not renewed yet: ${errorText(error)}`)
      this.retryLater(session)
    })
  }
}
