/**
 * A host that is to dial this server, and does not: says so once, and what to check.
 *
 * The side that dials learns and logs why it fails. The other side hears nothing at all, whatever the reason is.
 */

import type { AnySignal } from '../base/abort.ts'
import { setDeadline } from '../time/after-reading.ts'

/** A peer that starts or restarts has dialed by then. */
const silenceMs = 10_000

/** How long ago something was. */
export interface Ago {
  /** The host was last told that this server is there, since the last session; Infinity for never. */
  readonly toldMsAgo: number
  /** The last session ended; undefined where there was none. */
  readonly lostMsAgo: number | undefined
}

/** What this server knows. */
export interface Known extends Ago {
  /** Whether conns can arrive at all. */
  readonly isAttached: boolean
  /** Inbound so far, of any peer. */
  readonly conns: number
  /** Handshakes in the name of the host that were refused since its last session. */
  readonly refusals: number
  /** Conns that were refused before they named a host. */
  readonly unnamed: number
}

/** What a connection does while it waits for the host to dial. */
export interface WhileWaiting {
  /** What is known of that the host has not, and what to check. */
  readonly describeSilence: (host: string, ago: Ago) => string
  /** Tells the host that this server is there; rejects when it cannot be told. */
  readonly knock: (host: string, signal: AnySignal) => Promise<void>
  /** The host was silent for long. */
  readonly onSilent: (signal: AnySignal) => void
}

export class Silence {
  readonly #onSilent: () => void
  #timer: NodeJS.Timeout | undefined
  #isTold = false

  constructor(onSilent: () => void) {
    this.#onSilent = onSilent
  }

  /** The host is to dial from now on. */
  begin(): void {
    if (this.#isTold) return
    this.end()
    this.#timer = setDeadline(() => {
      if (this.#timer === undefined) return
      this.#isTold = true
      this.#onSilent()
    }, silenceMs).unref()
  }

  /** A conn of the host is here, or it need not dial any more. */
  end(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** There was a session. The next silence is told again. */
  reset(): void {
    this.#isTold = false
  }
}

/** What is known of the silence of `host`, and what to check. */
export function describeSilence(host: string, local: string, known: Known): string {
  const { isAttached, conns, refusals, unnamed, toldMsAgo, lostMsAgo } = known
  const start =
    lostMsAgo === undefined
      ? `no conn from ${host} has been accepted, and it is the one that dials.`
      : `${host}, which is the one that dials, has not connected again since its conn was lost ${toSeconds(lostMsAgo)} ago.`
  if (!isAttached && conns === 0) {
    return `${start} None can arrive: call attach() with the HTTP server of ${local}, or hand upgrades to handleUpgrade() or conns to incomingConn()`
  }
  const certificate = local.startsWith('https:') ? ', with a certificate for that name' : ''
  const isThere = toldMsAgo < 2 * silenceMs
  const answered = isThere ? ` It runs and knows this server: it answered ${toSeconds(toldMsAgo)} ago.` : ''
  const what = [
    ...(isThere ? [] : ['it runs', `its list of hosts has ${local}`]),
    ...(conns === 0 ? ['the HTTP server of this process listens'] : []),
    `${local} leads to this process${certificate}`,
    'no other process has one of the two names (a copy, a worker of node:cluster)'
  ]
  const others = conns === 0 ? ' No conn of any host has arrived so far.' : ''
  const refused = refusals === 0 ? '' : ` ${refusals} handshakes in its name were refused; this log has the reasons.`
  const before = unnamed === 0 ? '' : ` ${unnamed} conns were refused before they named a host.`
  return `${start}${answered} Check that ${what.join('; that ')}.${others}${refused}${before}`
}

function toSeconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`
}
