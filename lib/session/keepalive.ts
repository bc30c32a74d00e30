/**
 * Liveness of one session: pings, the round-trip time, and when a silent peer counts as dead.
 *
 * Clock and timer are injected. It looks only at whether anything arrived, even part of a batch. A silence that a stall of this process
 * explains is forgiven, and what has already arrived is read before the peer is judged. Before its first batch the peer
 * is not judged here, but by the handshake deadline.
 */

import { afterReading } from '../base/after-reading.ts'

/** Checks between two pings: two, so that a sign of life that comes a little late is not missed. */
const checksPerPing = 2
/** A peer that is silent for so many checks is dead: after one and a half intervals at least, two at most. */
const maxSilentChecks = 3
/** How exact a timer is at best. */
const timerSlackMs = 5

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
  #token = 0
  #answered = 0
  /** Bytes that the remote end is known to have read, and those that were sent before the last ping. */
  #readBytes = 0
  #pingedBytes = 0
  /** The ping that the round trip is measured by; 0 for none. */
  #timedToken = 0
  #timedAtMs = 0
  #probes: { readonly token: number; readonly onAnswered: () => void }[] = []
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

  /** The last ping that was answered; what stands before it the remote end has read. */
  get answered(): number {
    return this.#answered
  }

  /** So many bytes of those that were sent has the remote end read, at least. */
  get readBytes(): number {
    return this.#readBytes
  }

  /** Returns whether that answers a ping. Of several pings only the last need be answered. */
  onPong(token: number): boolean {
    if (token <= this.#answered || token > this.#token) return false
    this.#answered = token
    if (token === this.#token) this.#readBytes = this.#pingedBytes
    if (this.#probes.length > 0) this.#endProbes(token)
    if (this.#timedToken === 0 || token < this.#timedToken) return true
    this.#timedToken = 0
    this.rttMs = this.#now() - this.#timedAtMs
    return true
  }

  /** Pings now, and calls `onAnswered` once the remote end has dealt with all that was sent before. */
  probe(onAnswered: () => void): void {
    if (this.#stopped) return
    this.#probes.push({ token: this.#token + 1, onAnswered })
    this.#sendPing()
  }

  /** Pings behind what was sent, to learn when the remote end has read it. The round trip is that of the other pings. */
  mark(): void {
    if (!this.#stopped) this.#pingedBytes = this.#init.sendPing(++this.#token)
  }

  #endProbes(token: number): void {
    const answered = this.#probes.filter((probe) => probe.token <= token)
    this.#probes = this.#probes.filter((probe) => probe.token > token)
    for (const { onAnswered } of answered) onAnswered()
  }

  #ping(): void {
    this.#checksToPing = checksPerPing
    this.#sendPing()
  }

  #sendPing(): void {
    this.#timedAtMs = this.#now()
    this.#timedToken = ++this.#token
    this.#pingedBytes = this.#init.sendPing(this.#token)
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
