/** Calls of all servers as they end, while a page looks: at the handler's server, and at the caller's those that reached none. */

import type { CallRecord, TraceOptions } from '../../index.ts'
import { freshOf } from './matrix.ts'
import type { Observer } from './observer.ts'
import { recordOfCall } from './shapes.ts'
import type { TraceBatch, TraceRow } from './traced.ts'
import { keyOf, type Side } from './tracked.ts'
import { usualOf } from './tracker.ts'
import { nameOfCall } from './waits.ts'
import { textOf, type Watcher } from './watcher.ts'
import { shorten } from './words.ts'

/** Rows that are kept for a page until it takes them, of all servers. */
const mostRows = 200
/** After a server refused. */
const againMs = 2000
const sides: readonly Side[] = ['handler', 'caller']

export interface TraceFilter {
  readonly from?: string
  readonly to?: string
  readonly handler?: string
  readonly slowerThanMs?: number
  readonly failed?: boolean
  readonly sample?: number
}

/** What becomes of reading one side of a server. */
interface Reading {
  readonly isOpen: boolean
  /** Why it was refused last. That is told until then: who is not refused is told nothing before a call ends. */
  readonly refused?: string
  readonly untilMs: number
}

export class Trace {
  readonly #observer: Observer
  readonly #filter: TraceFilter
  readonly #stop = new AbortController()
  readonly #readings = { handler: new WeakMap<Watcher, Reading>(), caller: new WeakMap<Watcher, Reading>() } as const
  #rows: TraceRow[] = []
  #notShown = 0

  constructor(observer: Observer, filter: TraceFilter) {
    this.#observer = observer
    this.#filter = filter
    this.#follow()
  }

  stop(): void {
    this.#stop.abort()
  }

  /** Those since it was asked last, the newest first. */
  take(): TraceBatch {
    this.#follow()
    const rows = this.#rows.sort((a, b) => b.endedAt - a.endedAt)
    this.#rows = []
    return { rows, notShown: this.#notShown, ...this.#state() }
  }

  #state(): Pick<TraceBatch, 'servers' | 'refused'> {
    const now = performance.now()
    let [servers, refused]: [number, string | undefined] = [0, undefined]
    for (const watcher of freshOf(this.#observer.seen)) {
      const readings = sides.flatMap((side) => this.#readings[side].get(watcher) ?? [])
      const refusals = readings.filter(({ refused, untilMs }) => refused !== undefined && now < untilMs)
      if (refusals.length < readings.length) servers++
      refused ??= refusals[0]?.refused
    }
    return { servers, ...(refused === undefined ? {} : { refused }) }
  }

  /** Each side alone: that one is refused must not hold up the other. */
  #follow(): void {
    const now = performance.now()
    for (const watcher of freshOf(this.#observer.seen)) {
      for (const side of sides) {
        const { isOpen = false, untilMs = now, refused } = this.#readings[side].get(watcher) ?? {}
        if (!isOpen && now >= untilMs && this.#isAsked(watcher, side)) void this.#read(watcher, side, refused)
      }
    }
  }

  #isAsked({ host }: Watcher, side: Side): boolean {
    const { from, to } = this.#filter
    return [undefined, host].includes(side === 'handler' ? to : from)
  }

  async #read(watcher: Watcher, side: Side, refused: string | undefined): Promise<void> {
    const readings = this.#readings[side]
    const note = (isOpen: boolean, refused: string | undefined) => {
      const untilMs = performance.now() + againMs
      readings.set(watcher, { isOpen, untilMs, ...(refused === undefined ? {} : { refused }) })
    }
    note(true, refused)
    try {
      for await (const told of watcher.calls.trace(this.#optionsFor(watcher, side), { signal: this.#stop.signal })) {
        const record = recordOfCall(told)
        if (record === undefined) continue
        this.#notShown += record.skipped
        // Where the handler ran, its own server tells of the call.
        if (side === 'handler' || reachedNone(record)) this.#add(record, watcher)
      }
      readings.delete(watcher)
    } catch (error) {
      // Where it has gone, or the page has, what it told is told.
      if (!watcher.isConnected || this.#stop.signal.aborted) readings.delete(watcher)
      else note(false, shorten(textOf(error)))
    }
  }

  #optionsFor(watcher: Watcher, side: Side): TraceOptions {
    const { from, to, handler, slowerThanMs, failed, sample } = this.#filter
    const there = side === 'handler' ? from : to
    return {
      side,
      ...(there === undefined ? {} : { host: there }),
      ...(handler === undefined ? {} : handlerNamed(watcher, side, handler)),
      ...(slowerThanMs === undefined ? {} : { slowerThanMs }),
      ...(side === 'caller' || failed === true ? { failed: true } : {}),
      ...(sample === undefined ? {} : { sample })
    }
  }

  #add(record: CallRecord, { host, offsetMs }: Watcher): void {
    if (this.#rows.length >= mostRows) {
      this.#notShown++
      return
    }
    const { side, durationMs, firstResponseMs, traceId, code, delivery, bytesIn, bytesOut, startedAt } = record
    const [from, to] = side === 'handler' ? [record.host, host] : [host, record.host]
    const row = this.#observer.handlers.merged.find(({ key }) => key === keyOf(record))
    const usual = row === undefined ? undefined : usualOf(row.usual)
    this.#rows.push({
      ...{ from, to, code, durationMs, handler: nameOfCall(record), handlerKey: keyOf(record) },
      ...{ endedAt: Math.round(startedAt + durationMs + offsetMs), bytes: bytesIn + bytesOut },
      ...(delivery === undefined ? {} : { delivery }),
      ...(firstResponseMs === undefined ? {} : { firstMs: firstResponseMs }),
      ...(traceId === undefined ? {} : { traceId: shorten(traceId) }),
      isSlow: usual !== undefined && durationMs >= 3 * usual && durationMs >= 50
    })
  }
}

/** A name has the subroute before it, and both may have slashes. */
function handlerNamed({ tracked }: Watcher, side: Side, name: string): Pick<TraceOptions, 'handler' | 'subroute'> {
  for (const kind of ['single', 'streaming']) {
    const { stats } =
      tracked[side].entries.get(`${kind} ${name}`) ?? tracked.handler.entries.get(`${kind} ${name}`) ?? {}
    if (stats !== undefined) return { handler: stats.handler, subroute: stats.subroute }
  }
  return { handler: name }
}

/** A call that its caller gave up has reached its handler, as far as one knows. */
function reachedNone({ delivery, code }: CallRecord): boolean {
  if (code === 'ERR_DEADLINE' || code === 'ERR_CANCELLED') return delivery === 'notSent'
  return delivery === 'notSent' || delivery === 'maybeRan'
}
