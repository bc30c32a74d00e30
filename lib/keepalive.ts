/**
 * Liveness of one session: pings, the round-trip time, and when a silent peer counts as dead.
 *
 * Clock and timer are injected. It looks only at whether anything arrived; what a stall of this very process held up
 * is forgiven, and what has already arrived is read before anyone is judged.
 */

export interface KeepAliveInit {
  readonly intervalMs: number
  /** Anything that grows with each batch that arrives. */
  readonly received: () => number
  readonly sendPing: (token: number) => void
  /** Called after each check that found the peer alive. */
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
  #pingedAtMs = 0
  #tickDueMs = 0
  #receivedAtPing = 0
  #pingUnanswered = false

  constructor(init: KeepAliveInit) {
    this.#init = init
    this.#now = init.now ?? (() => performance.now())
    this.#setTimer = init.setTimer ?? setUnrefTimer
    this.#afterReading = init.afterReading ?? afterTwoPolls
  }

  start(): void {
    this.#ping()
  }

  stop(): void {
    this.#stopped = true
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  onPong(token: number): void {
    if (token !== this.#token || !this.#pingUnanswered) return
    this.#pingUnanswered = false
    this.rttMs = this.#now() - this.#pingedAtMs
  }

  #ping(): void {
    if (this.#stopped) return
    this.#receivedAtPing = this.#init.received()
    this.#pingedAtMs = this.#now()
    this.#tickDueMs = this.#pingedAtMs + this.#init.intervalMs
    this.#pingUnanswered = true
    this.#init.sendPing(++this.#token)
    this.#cancelTimer = this.#setTimer(() => this.#check(), this.#init.intervalMs)
  }

  #check(): void {
    if (this.#stopped) return
    const stalledMs = this.#now() - this.#tickDueMs
    // A timer this late means that this process did not run; the peer may have spoken all along.
    const forgiven = stalledMs > this.#init.intervalMs / 2
    if (forgiven || this.#heard()) return this.#alive()
    this.#afterReading(() => {
      if (this.#stopped) return
      if (this.#heard()) this.#alive()
      else this.#init.onDead(this.#now() - this.#pingedAtMs)
    })
  }

  #alive(): void {
    this.#init.onTick()
    this.#ping()
  }

  #heard(): boolean {
    return this.#init.received() !== this.#receivedAtPing
  }
}

function setUnrefTimer(callback: () => void, delayMs: number): () => void {
  const timer = setTimeout(callback, delayMs).unref()
  return () => clearTimeout(timer)
}

/** One poll of the event loop reads each socket at most once; a second one catches what a slice left behind. */
function afterTwoPolls(callback: () => void): void {
  setImmediate(() => setImmediate(callback))
}
