/**
 * One search for hosts: attempts, one after the other, until its signal aborts.
 *
 * What an attempt throws is reported and tried again after a wait that grows. It ends by the signal only.
 */

import { KeptHosts, type Name } from './kept-hosts.ts'
import type { Reports } from './reports.ts'

export interface SearchInit {
  /** Canonical. */
  readonly local: string
  readonly keepMs: number
  readonly reports: Reports
  readonly signal: AbortSignal
  readonly onList: (hosts: readonly string[]) => void
}

/** The first wait after a failure; it doubles up to the most that the search allows. */
const firstWaitMs = 100
/** Between the begins of two attempts that ask for no wait: a server may answer at once forever. */
const minAttemptMs = 200

export class Search {
  readonly local: string
  readonly signal: AbortSignal
  readonly reports: Reports
  readonly #kept: KeptHosts

  constructor({ local, keepMs, reports, signal, onList }: SearchInit) {
    this.local = local
    this.signal = signal
    this.reports = reports
    this.#kept = new KeptHosts(local, keepMs, reports, onList)
  }

  /**
   * Takes an answer: the names of all hosts.
   *
   * @throws {Error} when it is a bad one: for the attempt to fail with
   */
  found(names: Iterable<Name>): void {
    if (!this.signal.aborted) this.#kept.take(names)
  }

  /**
   * Makes attempts. Each resolves with the ms to wait before the next one; 0 leaves that to us.
   *
   * @param maxWaitMs after failures. An attempt that took longer than this was a good one before it failed.
   */
  async repeat(maxWaitMs: number, attempt: () => Promise<number>): Promise<void> {
    let failures = 0
    while (!this.signal.aborted) {
      const startedMs = performance.now()
      let waitMs = 0
      try {
        // An attempt may hang, such as in a read from a network drive; the end does not wait for it.
        waitMs = await unlessAborted(attempt(), this.signal)
        failures = 0
      } catch (error) {
        if (this.signal.aborted) return
        this.reports.failed(error, this.#kept.size)
        if (performance.now() - startedMs > maxWaitMs) failures = 0
        waitMs = jittered(Math.min(maxWaitMs, firstWaitMs * 2 ** failures++))
      }
      if (waitMs === 0) waitMs = Math.max(0, startedMs + minAttemptMs - performance.now())
      await pause(waitMs, this.signal)
    }
  }

  stop(): void {
    this.#kept.stop()
  }
}

/** Up to a tenth more or less. */
export function jittered(ms: number): number {
  return ms * (0.9 + Math.random() * 0.2)
}

/** Resolves after `ms`, or when the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}

/** Settles as `work` does. Rejects after `ms`, or when the signal aborts; what `work` does then is ignored. */
export async function within<T>(ms: number, work: Promise<T>, signal: AbortSignal): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  })
  try {
    return await unlessAborted(Promise.race([work, late]), signal)
  } finally {
    clearTimeout(timer)
  }
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) onAbort()
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
