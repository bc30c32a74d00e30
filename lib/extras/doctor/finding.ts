/** What the doctor says: one sentence on what it looked at, what it found, and what to do. Plain data. */

/** What was looked at, in the order in which it is. */
export type Check = 'name' | 'port' | 'tls' | 'path' | 'guest' | 'look' | 'clock' | 'loop' | 'list' | 'pair'

/** Why something is wrong, as a word for programs. */
export type Cause =
  | 'nameUnknown'
  | 'portClosed'
  | 'noRoute'
  | 'silent'
  | 'plainOnHttps'
  | 'tlsOnHttp'
  | 'tlsFailed'
  | 'tlsExpired'
  | 'tlsNotYetValid'
  | 'tlsOtherName'
  | 'tlsUntrusted'
  | 'certificateRefused'
  | 'wrongPath'
  | 'otherServer'
  | 'proxyFailed'
  | 'shuttingDown'
  | 'wrongName'
  | 'wrongSecret'
  | 'noGuests'
  | 'guestRefused'
  | 'oldVersion'
  | 'noSession'
  | 'refused'
  | 'cannotLook'
  | 'clockSkew'
  | 'blockedLoop'
  | 'listsDiffer'
  | 'notInList'
  | 'peersSecret'
  | 'bothWait'
  | 'notConnected'

export interface Finding {
  readonly check: Check
  /** The server that was looked at. */
  readonly host: string
  /** The other one, of a pair. */
  readonly peer?: string
  /** `doubt`: it works, and may be what is wrong all the same, or could not be looked at. */
  readonly level: 'good' | 'doubt' | 'fault'
  /** None where it is good. */
  readonly cause?: Cause
  readonly text: string
  /** What to do. */
  readonly advice?: string
}

/** Of one server. */
export class Findings {
  readonly #host: string

  constructor(host: string) {
    this.#host = host
  }

  good(check: Check, text: string, peer?: string): Finding {
    return { check, host: this.#host, ...(peer === undefined ? {} : { peer }), level: 'good', text }
  }

  doubt(check: Check, cause: Cause, text: string, advice: string, peer?: string): Finding {
    return { ...this.good(check, text, peer), level: 'doubt', cause, advice }
  }

  fault(check: Check, cause: Cause, text: string, advice: string, peer?: string): Finding {
    return { ...this.doubt(check, cause, text, advice, peer), level: 'fault' }
  }
}
