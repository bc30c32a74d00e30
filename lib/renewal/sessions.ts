/**
 * The sessions of one connection: the current one that takes the calls, the arriving one until it is ready, and those that
 * are draining.
 *
 * The newest takes over: at once, or when it is ready if it renews the one before. `renewal.ts` decides when to renew,
 * `connection.ts` when to dial.
 */

import { RareSet } from '../base/rare.ts'
import { ClosedError, type DisconnectReason } from '../errors/errors.ts'
import type { Logger } from '../errors/logger.ts'
import { maxDraining, maxTimeoutMs } from '../errors/options.ts'
import type { HostEvents } from '../figures/event-log.ts'
import type { OpenTally } from '../figures/figures.ts'
import type { Established } from '../peer/establish.ts'
import type { NameClash } from '../peer/name-clash.ts'
import type { FailedCalls } from '../report/events.ts'
import {
  addTotals,
  type ConnectionWaits,
  createTotals,
  createWaits,
  type SessionStats,
  type SessionTotals
} from '../report/stats.ts'
import type { StreamInfo } from '../report/stream-info.ts'
import type { SessionEnd } from '../session/end.ts'
import { Session, type SessionEvents } from '../session/session.ts'
import { DeadlineTimer } from '../time/after-reading.ts'
import type { Wire } from '../wire/wire.ts'
import { Renewal } from './renewal.ts'

/** Conns of one peer that may be closing at once: a peer that connects again and again must not pile them up. */
const maxClosing = 2

/** Instances of one peer that are remembered as replaced. */
const maxReplaced = 16

export interface SessionsInit {
  readonly host: string
  readonly logger: Logger
  readonly clash: NameClash | undefined
  readonly events: HostEvents
  /** Makes a conn beside the session whose identity ends soon; rejects when it cannot. Undefined where the other side dials. */
  readonly renew: ((signal: AbortSignal) => Promise<void>) | undefined
  /** `session` takes the calls from now on. */
  readonly onReady: (session: Session) => void
  /** The handlers of the peer have changed on the session that takes the calls. */
  readonly onHandlers: (session: Session) => void
  /** No session takes calls any more; another one may be `arriving`. */
  readonly onLost: (end: SessionEnd, arriving: boolean) => void
}

const faults: ReadonlySet<DisconnectReason> = new Set(['protocol', 'checksum', 'flood', 'internal'])

export class Sessions {
  readonly #init: SessionsInit
  readonly #renewal: Renewal
  #current: Session | undefined
  /** Has shaken hands and waits for the handler table of the remote. */
  #arriving: Session | undefined
  readonly #draining = new RareSet<Session>()
  /** Conns whose session has ended, the latest last. Weak: a conn that has closed is gone. */
  readonly #closing: WeakRef<Wire>[] = []
  #isOver = false
  /** What was told of the limits of the peer. */
  #warning = ''
  /** The remote end of the arriving one has received the handler table. */
  #isArrivingAnswered = false
  readonly #toldFaults = new RareSet<DisconnectReason>()
  /** Instances of the host that others of it have replaced, the latest last. */
  readonly #replacedInstances: string[] = []
  /** Asked whether it is still there beside a process that knocks. */
  #probed: Session | undefined
  /** Of those that have ended, as is: */
  #totals: SessionTotals | undefined
  #heardAtMs: number | undefined
  /** What was told of that last, of both clocks: converted anew it would be another one each time. */
  #lastSeen = { heardAtMs: 0, lastSeenAt: 0 }
  #readyTimer: DeadlineTimer | undefined

  constructor(init: SessionsInit) {
    const { host, logger, renew } = init
    this.#init = init
    this.#renewal = new Renewal({ host, logger, renew, current: () => this.#current, arriving: () => this.#arriving })
  }

  /** The session that can take a call, if there is one. */
  get usable(): Session | undefined {
    return this.#current?.usable === true ? this.#current : undefined
  }

  /** A conn has shaken hands. Returns whether it renews, so that calls go on meanwhile. */
  adopt(established: Established): boolean {
    const init = this.#init
    const events: SessionEvents = {
      onReady: () => this.#onReady(session),
      onHandlers: () => {
        if (session === this.#current) init.onHandlers(session)
      },
      onLeftOut: (why) => this.#warnOnce(why),
      onDraining: (end, deadline) => this.#onDraining(session, end, deadline),
      onEnd: (end, failed) => this.#onEnd(session, end, failed, established.session.wire)
    }
    const session: Session = new Session(established.session, events, established.remoteHandlers)
    const { role, instance, address } = session.remote
    init.events.add({ type: 'hello', role, instance, address })
    const current = this.#current
    const renews = established.renews && current?.usable === true && isSameInstance(current, session)
    const replaced = renews ? [this.#arriving] : [this.#arriving, current]
    this.#arriving = session
    this.#isArrivingAnswered = false
    if (!renews) this.#current = undefined
    for (const previous of replaced) if (previous !== undefined) this.#replace(previous, session)
    this.#readyTimer?.clear()
    this.#readyTimer = new DeadlineTimer(
      established.deadlineMs,
      () => session.abort({ reason: 'protocol', text: 'no handler table before the handshake deadline' }),
      session.reading
    ).unref()
    this.#renewal.watch(session, established.renewBefore)
    session.start()
    session.probe(() => this.#onAnswered(session))
    return renews
  }

  /** Ends all of them: running calls may end within `graceMs`, and are aborted after `ownMs`. */
  async close(end: SessionEnd, graceMs: number, ownMs = graceMs): Promise<void> {
    this.#readyTimer?.clear()
    this.#renewal.abort(end.text)
    this.#isOver = true
    await Promise.all(this.#listAlive().map((session) => session.close(end, graceMs, ownMs)))
  }

  /** The stats of the session that takes the calls, or is about to. */
  stats(): SessionStats | undefined {
    return (this.#current ?? this.#arriving)?.stats()
  }

  /** When the peer has last sent anything in any of them, for the stats. */
  get lastSeen(): { readonly lastSeenAt?: number } {
    const times = this.#listAlive().map((session) => session.heardAtMs)
    if (this.#heardAtMs === undefined && times.length === 0) return {}
    const heardAtMs = Math.max(this.#heardAtMs ?? 0, ...times)
    if (heardAtMs !== this.#lastSeen.heardAtMs) {
      this.#lastSeen = { heardAtMs, lastSeenAt: Date.now() - performance.now() + heardAtMs }
    }
    return { lastSeenAt: this.#lastSeen.lastSeenAt }
  }

  /** What is open on any of them. */
  describeStreams(): StreamInfo[] {
    return this.#listAlive().flatMap(({ open }) => open.describe())
  }

  /** What is waited for on all of them. */
  get waits(): ConnectionWaits {
    const waits = createWaits()
    for (const { open } of this.#listAlive()) open.addWaits(waits)
    return waits
  }

  /** The sum over all sessions so far. `tally` takes what is open. */
  totals(tally: OpenTally): SessionTotals {
    const totals = createTotals()
    if (this.#totals !== undefined) addTotals(totals, this.#totals)
    for (const session of this.#listAlive()) addTotals(totals, session.stats(tally))
    return totals
  }

  /** A peer comes again and again with the same limits. */
  #warnOnce(why: string): void {
    if (why === this.#warning) return
    this.#warning = why
    this.#init.logger.warn(`some handlers cannot be called by ${this.#init.host}: ${why}`)
  }

  #listAlive(): Session[] {
    return [this.#current, this.#arriving, ...this.#draining].filter((session) => session !== undefined)
  }

  #onReady(session: Session): void {
    if (session !== this.#arriving) return
    this.#readyTimer?.clear()
    this.#readyTimer = undefined
    const renewed = this.#current
    this.#arriving = undefined
    this.#current = session
    if (renewed !== undefined) {
      this.#renewal.warnUnlessLater(renewed, session)
      this.#setAside(renewed)
    }
    this.#init.onReady(session)
    if (this.#isArrivingAnswered) this.#endRenewed()
  }

  /** The remote end has handled our handler table, so that `session` is ready there as well. */
  #onAnswered(session: Session): void {
    if (session === this.#arriving) this.#isArrivingAnswered = true
    else if (session === this.#current) this.#endRenewed()
  }

  /** The remote end starts no more calls on the renewed session; those that were on their way arrive before its answer. */
  #endRenewed(): void {
    const end = { reason: 'replaced', text: 'the identity of a host was renewed' } as const
    for (const renewed of this.#draining) {
      if (!renewed.usable) continue
      renewed.probe(() => {
        // If the session that took its place has died meanwhile, the renewed one takes the calls again.
        if (this.#draining.has(renewed)) renewed.close(end, maxTimeoutMs)
      })
    }
  }

  #onDraining(session: Session, end: SessionEnd, deadline: number | undefined): void {
    const direction = end.byRemote === true ? 'inbound' : 'outbound'
    const event = { type: 'goAway', direction, reason: end.reason } as const
    this.#init.events.add(deadline === undefined ? event : { ...event, deadline })
    this.#setAside(session)
    this.#leave(session, end)
  }

  #setAside(session: Session): void {
    this.#draining.add(session)
    const [oldest] = this.#draining
    if (this.#draining.size > maxDraining) oldest?.abort({ reason: 'replaced', text: 'too many sessions are ending' })
  }

  #onEnd(session: Session, end: SessionEnd, failed: FailedCalls, wire: Wire): void {
    this.#closing.push(new WeakRef(wire))
    // In a shutdown all sessions end at once, and no other follows.
    if (this.#closing.length > maxClosing && !this.#isOver) {
      this.#closing.shift()?.deref()?.abort(new ClosedError('another session has ended meanwhile'))
    }
    this.#draining.delete(session)
    this.#renewal.forget(session)
    this.#totals ??= createTotals()
    addTotals(this.#totals, session.stats())
    this.#heardAtMs = Math.max(this.#heardAtMs ?? 0, session.heardAtMs)
    this.#init.events.add({ type: 'close', reason: end.reason, message: end.text, failed })
    this.#log(session, end)
    this.#leave(session, end)
  }

  /** That one end broke the protocol is a fault, which people have to see; each kind of it once, as it may come again and again. */
  #log({ remote }: Session, { reason, text }: SessionEnd): void {
    if (reason === 'shutdown') return
    const isNews = faults.has(reason) && !this.#toldFaults.has(reason)
    if (isNews) this.#toldFaults.add(reason)
    const { host, instance } = remote
    this.#init.logger[isNews ? 'warn' : 'info'](`disconnected from ${host} (${reason}): ${text}`, {
      host,
      instance,
      reason
    })
  }

  /** `session` takes no new calls. */
  #leave(session: Session, end: SessionEnd): void {
    if (session === this.#arriving) {
      this.#arriving = undefined
      this.#readyTimer?.clear()
      if (this.#current === undefined) this.#lose(end)
      else this.#renewal.retryLater(this.#current)
    } else if (session === this.#current) {
      // The session whose place it had just taken may still be there.
      this.#current = [...this.#draining].find(({ usable }) => usable)
      if (this.#current !== undefined) {
        this.#draining.delete(this.#current)
        return this.#renewal.retryLater(this.#current)
      }
      this.#renewal.abort('the session that was to be renewed has ended')
      this.#lose(end)
    }
  }

  #lose(end: SessionEnd): void {
    const { host, clash, onLost } = this.#init
    const isArriving = this.#arriving !== undefined
    // This side ends a session so only when it has a newer one.
    if (end.reason === 'replaced' && !isArriving) clash?.ofThis(`${host} has a newer conn that is none of this process`)
    onLost(end, isArriving)
  }

  /** The process `instance` of the host says that it is there. If the one of the session is so too, there are two. */
  onKnock(instance: string): void {
    const session = this.usable
    if (session === undefined || session.remote.instance === instance || this.#probed === session) return
    this.#probed = session
    session.probe(() => {
      this.#probed = undefined
      if (session.usable) this.#init.clash?.of(this.#init.host, describeInstances(session.remote.instance, instance))
    })
  }

  #replace(previous: Session, session: Session): void {
    const { host, logger, clash } = this.#init
    const isSame = isSameInstance(previous, session)
    const text = isSame ? 'the host has connected anew' : 'another instance of the host has connected'
    const isBack = !isSame && this.#replacedInstances.includes(session.remote.instance)
    if (isBack) clash?.of(host, describeInstances(previous.remote.instance, session.remote.instance))
    if (!isSame) this.#remember(previous.remote.instance)
    logger[isBack ? 'info' : 'warn'](`the conn to ${host} is replaced by a newer one: ${text}`)
    previous.abort({ reason: 'replaced', text })
  }

  #remember(instance: string): void {
    if (this.#replacedInstances.includes(instance)) return
    this.#replacedInstances.push(instance)
    if (this.#replacedInstances.length > maxReplaced) this.#replacedInstances.shift()
  }
}

function describeInstances(...instances: readonly string[]): string {
  return `its instances ${instances.map((id) => id.slice(0, 8)).join(' and ')} are both there`
}

function isSameInstance(a: Session, b: Session): boolean {
  return a.remote.instance === b.remote.instance
}
