/** The options by which a manager takes guests, and their defaults. */

import type { Remote } from '../base/remote.ts'
import { aFunction, anything, aWholeNumber, objectWith, optionsReader, required } from '../errors/check.ts'
import { type Limits, maxLimit, numbersReader } from '../errors/options.ts'
import type { HandlerCall } from '../hooks/call-info.ts'
import type { Auth } from '../peer/auth.ts'
import type { Rule } from '../rules/authorize.ts'

/** How a manager takes guests: programs that are in no list of hosts, such as a command line, a job, a debugger. See `dialGuest`. */
export interface GuestsOptions {
  /** Which calls a guest may make, `$grid` included. It is asked before the interceptors. What is refused is `denied`, and so is what it has not decided on in the time of a handshake. */
  readonly allow: Rule<HandlerCall>
  /** Which guests may connect. It is asked after the proof. Default: all that have proved themselves. */
  readonly admit?: Rule<Remote>
  /**
   * How guests prove themselves, and this server to them. Default: as hosts do, and then who has the secret of the guests can
   * also claim to be a host.
   */
  readonly auth?: Auth
  /** Guests at one time, those that have gone included while their handlers run. Default 16. */
  readonly max?: number
  /** What one guest may cost. Default: the limits of the manager, with `maxInboundStreams`, `maxIdleFramesPerSecond` and `maxPendingHandshakes`, which is of all guests together, divided by 16, and `maxReaders` halved: who looks into the grid for many people may be one guest. */
  readonly limits?: Partial<GuestLimits>
}

/** Limits that are not about the time before it is known who dials, nor about handlers, which a guest has none of. */
export type GuestLimits = Omit<Limits, 'maxHandlers' | 'maxHandshakeBytes' | 'handshakeTimeoutMs'>

/** The checked options. */
export interface GuestSettings {
  /** Undefined where there are no guests. */
  readonly allow: Rule<HandlerCall> | undefined
  readonly admit: Rule<Remote> | undefined
  readonly auth: Auth
  readonly max: number
  readonly limits: Readonly<Limits>
}

const defaultMax = 16
/** Guests are people and jobs, no load. */
const share = 16
/** One may look for many people: an inspector has two readers, and two more for each page that traces. */
const readersShare = 2

export const anAuth = objectWith(
  'must be sharedSecret(...), mutualTLS(), insecure(), or an Auth of your own',
  'prove',
  'verify'
)

const readGuests = optionsReader<GuestsOptions>(
  'guests',
  {
    allow: required({ ...aFunction, must: 'must be a function that says which calls guests may make' }),
    ...{ admit: aFunction, auth: anAuth, max: aWholeNumber(1, maxLimit, '2^31-1'), limits: anything }
  },
  { introspection: 'allow decides on it, and the rule of introspection', interceptors: 'those of the manager run' }
)

/** @throws {InvalidOptionError} naming the option that is wrong */
export function parseGuests(given: GuestsOptions | undefined, auth: Auth, limits: Readonly<Limits>): GuestSettings {
  const part = (limit: number, of = share) => Math.max(1, Math.floor(limit / of))
  const { maxHandlers, maxHandshakeBytes, handshakeTimeoutMs, ...own } = limits
  const defaults: GuestLimits = {
    ...own,
    maxInboundStreams: part(limits.maxInboundStreams),
    maxReaders: part(limits.maxReaders, readersShare),
    maxIdleFramesPerSecond: part(limits.maxIdleFramesPerSecond),
    maxPendingHandshakes: part(limits.maxPendingHandshakes)
  }
  const read = given === undefined ? undefined : readGuests(given)
  return {
    ...{ allow: read?.allow, admit: read?.admit, auth: read?.auth ?? auth, max: read?.max ?? defaultMax },
    limits: Object.freeze({ ...limits, ...numbersReader('guests.limits', defaults)(read?.limits) })
  }
}
