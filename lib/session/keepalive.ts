/**
 * Liveness of one session: pings, the round-trip time, and when a silent peer counts as dead.
 *
 * It looks only at whether anything arrived, even part of a batch. A silence that a stall of this process explains is
 * forgiven, and what has already arrived is read before the peer is judged. Before its first batch the peer is not judged
 * here, but by the handshake deadline.
 */

import { randomFillSync } from 'node:crypto'
import type { HostEvents } from '../figures/event-log.ts'
import { afterReading } from '../time/after-reading.ts'
import { type Beat, beatsPerInterval } from './beat.ts'

/** A peer that is silent for so many intervals is dead. With a beat before it is noticed that it was heard, and one behind: two at most. */
const maxSilentIntervals = 1.5
/** How exact a timer is at best. */
const timerSlackMs = 5
/**
 * A peer that has pinged in so many intervals in a row, of which none is over, pings at least each one and a half of them: one that does
 * so more rarely misses one of any three.
 */
const regularIntervals = 3
/** So many pings in a row may be left out: the round trip is to be measured now and then. */
const maxLeftOut = 7
/** So many pings are remembered for a peer that answers none: marks behind 64 MiB, more than is on its way on any network. */
const maxUnanswered = 512

/** Random bits for tokens to come: one call into OpenSSL for many. */
const pool = new Int32Array(256)
let poolLeft = 0

interface SentPing {
  readonly token: number
  /** Bytes that were sent before it. */
  sentBytes: number
  /** When it was sent; undefined when no round trip is measured by it. */
  readonly sentAtMs: number | undefined
  readonly onAnswered: (() => void) | undefined
}

export interface KeepAliveInit {
  readonly beat: Beat
  /** A number that grows with what arrives; 0 until the first batch is whole. */
  readonly received: () => number
  /** Returns how many bytes were sent before it. */
  readonly sendPing: (token: number) => number
  /** Called as an interval begins, before its ping. */
  readonly onTick: () => void
  /** Told of round trips, and of turns of the event loop that took long. */
  readonly events?: Pick<HostEvents, 'onRtt' | 'onTurn'>
  /**
   * Whether a ping may be left out at a peer that pings by itself: each hears the other by its pings and their pongs. Not while
   * data waits, for an answer shows that the peer reads. Default: never.
   */
  readonly mayLeaveOut?: () => boolean
  /** Nothing at all arrived for so many ms. */
  readonly onDead: (silentMs: number) => void
  /** Runs `callback` after what has already arrived was read. */
  readonly afterReading?: (callback: () => void) => void
}

export class KeepAlive {
  /** The last round-trip time in ms; undefined before the first pong. */
  rttMs: number | undefined
  readonly #init: KeepAliveInit
  #stopped = false
  /** In the order in which they were sent. */
  readonly #unanswered: SentPing[] = []
  #answered = 0
  #readBytes = 0
  #pingedAtMs = 0
  /** An interval has begun without its ping. */
  #isPingDue = false
  /** The peer has pinged since the last interval began, */
  #isPinged = false
  /** and in so many intervals before. */
  #pingedIntervals = 0
  #leftOut = 0
  #lookedAtMs = 0
  #received = 0
  #heardAtMs = 0
  /** Bytes that had arrived when it was asked for `heardAtMs`, and when that was found. */
  #askedAt = 0
  #askedAtMs = 0
  /** When a silence that may be held against the peer began: later than it was heard, where this process stood still since. */
  #silentSinceMs = 0

  constructor(init: KeepAliveInit) {
    this.#init = init
  }

  start(): void {
    this.#lookedAtMs = this.#heardAtMs = this.#silentSinceMs = performance.now()
    this.#ping()
    this.#init.beat.join(this.#onBeat)
  }

  stop(): void {
    this.#stopped = true
    this.#init.beat.leave(this.#onBeat)
  }

  /** How many pings were answered; what stands before them the remote end has read. */
  get answered(): number {
    return this.#answered
  }

  /** So many bytes of those that were sent has the remote end read, at least. */
  get readBytes(): number {
    return this.#readBytes
  }

  /** When the last sign of life came, to a beat, of the clock of this. */
  get heardAtMs(): number {
    const received = this.#init.received()
    if (received === this.#received) return this.#heardAtMs
    // The same until something arrives: whoever asks again is not told of a change that there is none.
    if (received !== this.#askedAt) {
      this.#askedAt = received
      this.#askedAtMs = performance.now()
    }
    return this.#askedAtMs
  }

  /** The peer pings, as it does in each interval, and not behind bulk. */
  onPing(): void {
    this.#isPinged = true
  }

  /** Returns whether that answers a ping. Of several pings only the last need be answered. */
  onPong(token: number): boolean {
    const sent = this.#unanswered
    let at = 0
    while (at < sent.length && sent[at]?.token !== token) at++
    if (at === sent.length) return false
    for (; at >= 0; at--) this.#onAnswered(sent.shift() as SentPing)
    return true
  }

  #onAnswered({ sentBytes, sentAtMs, onAnswered }: SentPing): void {
    this.#answered++
    this.#readBytes = sentBytes
    if (sentAtMs !== undefined) {
      const rttMs = performance.now() - sentAtMs
      this.#init.events?.onRtt(rttMs, this.rttMs)
      this.rttMs = rttMs
    }
    onAnswered?.()
  }

  /** Pings now, and calls `onAnswered` once the remote end has dealt with all that was sent before. */
  probe(onAnswered: () => void): void {
    if (!this.#stopped) this.#sendPing(performance.now(), onAnswered)
  }

  /** Pings behind what was sent, to learn when the remote end has read it. The round trip is that of the other pings. */
  mark(): void {
    if (!this.#stopped) this.#sendPing()
  }

  #ping(): void {
    this.#pingedAtMs = performance.now()
    this.#sendPing(this.#pingedAtMs)
  }

  #sendPing(sentAtMs?: number, onAnswered?: () => void): void {
    const ping: SentPing = { token: randomToken(), sentBytes: 0, sentAtMs, onAnswered }
    if (this.#unanswered.length === maxUnanswered) this.#unanswered.shift()
    this.#unanswered.push(ping)
    ping.sentBytes = this.#init.sendPing(ping.token)
  }

  readonly #onBeat = (beginsInterval: boolean): void => {
    const { onTick, onDead, afterReading: read = afterReading } = this.#init
    const { intervalMs } = this.#init.beat
    const now = performance.now()
    const lateMs = now - this.#lookedAtMs - intervalMs / beatsPerInterval
    this.#lookedAtMs = now
    this.#init.events?.onTurn(lateMs)
    // A beat this late means that this process did not run: the peer may have sent something all along.
    const forgiven = lateMs > Math.max(intervalMs / 2, timerSlackMs)
    if (!this.#hasHeard()) {
      if (forgiven || this.#received === 0) this.#silentSinceMs = now
      // Many short stalls delay a peer's word, and the ping before it, as one long stall does.
      else if (lateMs > timerSlackMs) this.#silentSinceMs += lateMs
    }
    if (now - this.#silentSinceMs >= maxSilentIntervals * intervalMs) {
      read(() => {
        if (!this.#stopped && !this.#hasHeard()) onDead(performance.now() - this.#heardAtMs)
      })
    }
    this.#isPingDue ||= beginsInterval
    // A session that has just begun has pinged: it pings a beat later. A longer gap would leave a peer no time to answer.
    if (!this.#isPingDue || now - this.#pingedAtMs < intervalMs / beatsPerInterval) return
    this.#isPingDue = false
    // Not with a ping that comes later: what counts intervals by this must not count a part of one.
    if (beginsInterval) onTick()
    if (!this.#stopped && !this.#leavesOut()) this.#ping()
  }

  /** Called once per interval. */
  #leavesOut(): boolean {
    this.#pingedIntervals = this.#isPinged ? this.#pingedIntervals + 1 : 0
    this.#isPinged = false
    const isRegular = this.#pingedIntervals >= regularIntervals
    const leavesOut = isRegular && this.#leftOut < maxLeftOut && this.#init.mayLeaveOut?.() === true
    this.#leftOut = leavesOut ? this.#leftOut + 1 : 0
    return leavesOut
  }

  /** Whether anything has arrived since this was asked before. */
  #hasHeard(): boolean {
    const received = this.#init.received()
    if (received === this.#received) return false
    this.#received = received
    this.#heardAtMs = this.#silentSinceMs = performance.now()
    return true
  }
}

/**
 * A peer that could guess a token would seem to read what it does not. Of 31 bits, for larger numbers cost V8 objects, and the
 * first of them set: as many bytes each time, so that a session which counts what it has sent does the same again.
 */
function randomToken(): number {
  if (poolLeft === 0) {
    randomFillSync(pool)
    poolLeft = pool.length
  }
  return ((pool[--poolLeft] as number) & 0x3fff_ffff) | 0x4000_0000
}
