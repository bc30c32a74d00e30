/**
 * Liveness of one session: pings, the round-trip time, and when a silent peer counts as dead.
 *
 * Clock and timer are injected. It looks only at whether anything arrived, even part of a batch. A silence that a stall of this process
 * explains is forgiven, and what has already arrived is read before the peer is judged. Before its first batch the peer
 * is not judged here, but by the handshake deadline.
 */

import { randomFillSync } from 'node:crypto'
import { afterReading } from '../base/after-reading.ts'

/** Checks between two pings: two, so that a sign of life that comes a little late is not missed. */
const checksPerPing = 2
/** A peer that is silent for so many checks is dead: after one and a half intervals at least, two at most. */
const maxSilentChecks = 3
/** How exact a timer is at best. */
const timerSlackMs = 5
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
  readonly intervalMs: number
  /** A number that grows with what arrives; 0 until the first batch is whole. */
  readonly received: () => number
  /** Returns how many bytes were sent before it. */
  readonly sendPing: (token: number) => number
  /** Called before each ping but the first. */
  readonly onTick: () => void
  /** Nothing at all arrived for so many ms. */
  readonly onDead: (silentMs: number) => void
  readonly now?: () => number
  readonly setTimer?: (callback: () => void, delayMs: number) => () => void
  /** Runs `callback` after what has already arrived was read. */
  readonly afterReading?: (callback: () => void) => void
}

export class KeepAlive {
  /** The last round-trip time in ms; undefined before the first pong. */
  rttMs: number | undefined
  readonly #init: KeepAliveInit
  readonly #now: () => number
  readonly #setTimer: (callback: () => void, delayMs: number) => () => void
  readonly #afterReading: (callback: () => void) => void
  #cancelTimer: (() => void) | undefined
  #stopped = false
  /** In the order in which they were sent. */
  readonly #unanswered: SentPing[] = []
  #answered = 0
  #readBytes = 0
  #checkDueMs = 0
  #checksToPing = 0
  #silentChecks = 0
  #received = 0
  #heardAtMs = 0

  constructor(init: KeepAliveInit) {
    this.#init = init
    this.#now = init.now ?? (() => performance.now())
    this.#setTimer = init.setTimer ?? setUnrefTimer
    this.#afterReading = init.afterReading ?? afterReading
  }

  start(): void {
    this.#heardAtMs = this.#now()
    this.#ping()
    this.#checkLater()
  }

  stop(): void {
    this.#stopped = true
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  /** How many pings were answered; what stands before them the remote end has read. */
  get answered(): number {
    return this.#answered
  }

  /** So many bytes of those that were sent has the remote end read, at least. */
  get readBytes(): number {
    return this.#readBytes
  }

  /** When the last sign of life came, to half an interval, of the clock of this. */
  get heardAtMs(): number {
    return this.#init.received() === this.#received ? this.#heardAtMs : this.#now()
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
    if (sentAtMs !== undefined) this.rttMs = this.#now() - sentAtMs
    onAnswered?.()
  }

  /** Pings now, and calls `onAnswered` once the remote end has dealt with all that was sent before. */
  probe(onAnswered: () => void): void {
    if (!this.#stopped) this.#sendPing(this.#now(), onAnswered)
  }

  /** Pings behind what was sent, to learn when the remote end has read it. The round trip is that of the other pings. */
  mark(): void {
    if (!this.#stopped) this.#sendPing()
  }

  #ping(): void {
    this.#checksToPing = checksPerPing
    this.#sendPing(this.#now())
  }

  #sendPing(sentAtMs?: number, onAnswered?: () => void): void {
    const ping: SentPing = { token: randomToken(), sentBytes: 0, sentAtMs, onAnswered }
    if (this.#unanswered.length === maxUnanswered) this.#unanswered.shift()
    this.#unanswered.push(ping)
    ping.sentBytes = this.#init.sendPing(ping.token)
  }

  #checkLater(): void {
    const delayMs = this.#init.intervalMs / checksPerPing
    this.#checkDueMs = this.#now() + delayMs
    this.#cancelTimer = this.#setTimer(() => this.#check(), delayMs)
  }

  #check(): void {
    if (this.#stopped) return
    const stalledMs = this.#now() - this.#checkDueMs
    // A timer this late means that this process did not run: the peer may have sent something all along.
    const forgiven = stalledMs > Math.max(this.#init.intervalMs / 2, timerSlackMs)
    if (this.#hasHeard() || forgiven || this.#received === 0) this.#silentChecks = 0
    else this.#silentChecks++
    if (this.#silentChecks < maxSilentChecks) return this.#continue()
    this.#afterReading(() => {
      if (this.#stopped) return
      if (this.#hasHeard()) {
        this.#silentChecks = 0
        this.#continue()
      } else {
        this.#init.onDead(this.#now() - this.#heardAtMs)
      }
    })
  }

  #continue(): void {
    if (--this.#checksToPing === 0) {
      this.#init.onTick()
      if (this.#stopped) return
      this.#ping()
    }
    this.#checkLater()
  }

  /** Whether anything has arrived since this was asked before. */
  #hasHeard(): boolean {
    const received = this.#init.received()
    if (received === this.#received) return false
    this.#received = received
    this.#heardAtMs = this.#now()
    return true
  }
}

function setUnrefTimer(callback: () => void, delayMs: number): () => void {
  const timer = setTimeout(callback, delayMs).unref()
  return () => clearTimeout(timer)
}

/** A peer that could guess a token would seem to read what it does not. Of 31 bits: larger numbers cost V8 objects. */
function randomToken(): number {
  if (poolLeft === 0) {
    randomFillSync(pool)
    poolLeft = pool.length
  }
  return (pool[--poolLeft] as number) & 0x7fff_ffff
}
