/** One handler: its chart at each server, its errors by code, who calls it now. */

import type { CallerReport, CallersOptions, HandlerStats } from '../../index.ts'
import { type Merged, pointsOf, rounded } from './handlers.ts'
import { freshOf } from './matrix.ts'
import type { HandlerDetail, Points } from './model.ts'
import type { Observer } from './observer.ts'
import { callersIn } from './shapes.ts'
import { keyOf } from './tracked.ts'
import { chartSlots, slotMs } from './tracker.ts'
import type { Watcher } from './watcher.ts'
import { nameOfKey } from './words.ts'

const callersTold = 12
const callersTimeoutMs = 3000

/** What it has to remember between two answers: the errors by code, to make rates of them. */
export class HandlerLooker {
  readonly #observer: Observer
  readonly #key: string
  #codes: ReadonlyMap<string, number> | undefined
  #codesMs = 0
  #rates: ReadonlyMap<string, number> = new Map()

  constructor(observer: Observer, key: string) {
    this.#observer = observer
    this.#key = key
  }

  /** Undefined for a handler that no server has told of. */
  async look(): Promise<HandlerDetail | undefined> {
    const { seen, watchers } = this.#observer
    const { merged } = this.#observer.handlers
    const row = merged.find(({ key }) => key === this.#key)
    const at = [...watchers.values()].flatMap((watcher) => {
      const served = watcher.tracked.handler.entries.get(this.#key)
      return served === undefined ? [] : [{ watcher, ...served }]
    })
    const [first] = at
    if (first === undefined) return undefined
    const answering = new Set(freshOf(seen))
    const slot = Math.floor(performance.now() / slotMs) - 1
    return {
      ...{ at: seen.now, key: this.#key, name: nameOfKey(this.#key), kind: first.stats.kind },
      calls: at.reduce((sum, { stats }) => sum + stats.calls, 0),
      failed: at.reduce((sum, { stats }) => sum + Object.values(stats.errors).reduce((all, each) => all + each, 0), 0),
      byServer: at.map(({ watcher, tracker }) => ({
        host: watcher.host,
        p99: pointsOf(tracker.p99s, slot, chartSlots) as Points,
        state: answering.has(watcher) ? ('answers' as const) : ('silent' as const)
      })),
      codes: this.#codesOf(row),
      ...(await this.#callers(first.stats)),
      marks: this.#marks()
    }
  }

  #codesOf(row: Merged | undefined): HandlerDetail['codes'] {
    const codes = new Map<string, number>()
    for (const { tracker } of row?.at ?? []) {
      for (const [code, count] of Object.entries(tracker.figures.errors))
        codes.set(code, (codes.get(code) ?? 0) + count)
    }
    const seconds = (performance.now() - this.#codesMs) / 1000
    if (this.#codes === undefined || seconds >= 5) {
      const before = this.#codes
      if (before !== undefined) {
        const grown = (code: string, count: number) => rounded(Math.max(0, count - (before.get(code) ?? 0)) / seconds)
        this.#rates = new Map([...codes].map(([code, count]) => [code, grown(code, count)]))
      }
      this.#codes = codes
      this.#codesMs = performance.now()
    }
    return [...codes]
      .map(([code, total]) => {
        const rate = this.#rates.get(code)
        return { code, total, ...(rate === undefined ? {} : { rate }) }
      })
      .sort((a, b) => b.total - a.total)
  }

  /** Who has calls of it open, as its own servers tell. */
  async #callers({
    handler,
    subroute
  }: Pick<HandlerStats, 'handler' | 'subroute'>): Promise<Pick<HandlerDetail, 'callers' | 'callersNotShown'>> {
    const asked = freshOf(this.#observer.seen).map((watcher) => callersAt(watcher, { handler, subroute }))
    const callers = new Map<string, { host: string; open: number; oldestAt: number }>()
    for (const report of (await Promise.all(asked)).flat()) {
      if (keyOf(report) !== this.#key) continue
      const { host, open, oldestMs } = report
      const oldestAt = Math.round(Date.now() - oldestMs)
      const known = callers.get(host) ?? { host, open: 0, oldestAt }
      callers.set(host, { host, open: known.open + open, oldestAt: Math.min(known.oldestAt, oldestAt) })
    }
    return {
      callers: [...callers.values()].sort((a, b) => b.open - a.open).slice(0, callersTold),
      callersNotShown: Math.max(0, callers.size - callersTold)
    }
  }

  /** What happened in the time of the chart, and may be why. */
  #marks(): HandlerDetail['marks'] {
    const { happenings, seen } = this.#observer
    const since = seen.now - chartSlots * slotMs
    return happenings.all
      .filter(
        ({ at, severity, handlers }) =>
          at >= since &&
          severity !== 'info' &&
          severity !== 'ok' &&
          (handlers.length === 0 || handlers.includes(nameOfKey(this.#key)))
      )
      .slice(0, 3)
      .map(({ at, title }) => ({ at, text: title }))
  }
}

/** None where a server does not answer, or does not know the question. */
async function callersAt(watcher: Watcher, options: CallersOptions): Promise<readonly CallerReport[]> {
  try {
    return callersIn(await watcher.calls.callers(options, { timeout: callersTimeoutMs }))
  } catch {
    // That it does not answer is told by its figures.
    return []
  }
}
