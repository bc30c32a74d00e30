/**
 * The grid as it is seen from one server: follows every server while somebody looks, and makes one picture of it a second.
 *
 * Each part of the picture has the version at which it changed last, so that whoever looks is told what it does not know yet.
 * It ends some time after the last one has gone, and is nothing then: no stream, no timer, no memory.
 */

import type { StreamsOptions } from '../../index.ts'
import { answersOf } from './answers.ts'
import { type Merged, mergeHandlers, Rings, rounded, toRow } from './handlers.ts'
import { Happenings } from './happenings.ts'
import type { Inspected } from './inspected.ts'
import type { Told } from './lanes.ts'
import { cellsOf, freshOf, type Seen, serversOf } from './matrix.ts'
import type { Answer, HandlerRow, HandlersDetail, PointsOf, Sums, Tick } from './model.ts'
import { streamsIn } from './shapes.ts'
import { addTo, chartSlots, field, fields, slotMs } from './tracker.ts'
import { Versions } from './versions.ts'
import { waitsOf } from './waits.ts'
import { Watcher } from './watcher.ts'

const tickMs = 1000
/** After news, so that what belongs together is told together. */
const soonMs = 100
/** Larger grids are looked at less often. */
const largeGrid = 48
/** Calls that wait so long are looked at, each second. */
const askedWaitMs = 500
/** Streams that are only quiet are looked for at every such tick. */
const quietTicks = 5
/** Open calls that are asked for at one server: those that wait longest. */
const streamsAsked = 200
const streamsTimeoutMs = 3000
/** What is gone is told until it was gone twice: a finding that flickers is read as none. */
const ticksToGo = 2
/** A rate over less says nothing. */
const leastWindowMs = 900
const inOrder = new Intl.Collator('en', { numeric: true })

/** How far somebody knows the picture. */
export interface Mark {
  readonly version: number
  /** The newest slot of which its charts have a point. */
  readonly slot: number
  readonly seq: number
}

export const nothingKnown: Mark = { version: 0, slot: Number.NEGATIVE_INFINITY, seq: 0 }

export class Observer {
  /** Another one with each start: whoever knows the last picture forgets it. */
  readonly epoch = Date.now()
  readonly watchers = new Map<string, Watcher>()
  readonly happenings = new Happenings()
  merged: readonly Merged[] = []
  /** Of the list, this server among them, in order. */
  hosts: readonly string[] = []
  readonly #grid: Inspected
  readonly #onTick: () => void
  readonly #versions = new Versions()
  readonly #series = new Map<string, Rings>()
  readonly #rows = new Map<string, HandlerRow>()
  readonly #findings = new Findings()
  readonly #startedMs = performance.now()
  readonly #timer: NodeJS.Timeout
  #version = 0
  #slot = slotNow()
  #soon: NodeJS.Timeout | undefined
  #told: readonly Told[] = []
  #isAsking = false
  #ticks = 0

  /** @param onTick the picture is another one */
  constructor(grid: Inspected, onTick: () => void) {
    this.#grid = grid
    this.#onTick = onTick
    this.#timer = setInterval(() => this.#tick(), tickMs)
    this.#tick()
  }

  stop(): void {
    clearInterval(this.#timer)
    clearTimeout(this.#soon)
    for (const watcher of this.watchers.values()) watcher.stop()
  }

  get mark(): Mark {
    return { version: this.#version, slot: this.#slot - 1, seq: this.happenings.seq }
  }

  get seen(): Seen {
    const elapsedMs = performance.now() - this.#startedMs
    // What `now` of the trackers covers: what has begun of this slot, and the two before it.
    const windowMs = Math.min(elapsedMs, (performance.now() % slotMs) + 2 * slotMs)
    return {
      ...{ grid: this.#grid, hosts: this.hosts, watchers: this.watchers, now: Date.now() },
      freshMs: Math.max(3000, 3 * this.#everyMs),
      windowSeconds: windowMs < leastWindowMs ? undefined : windowMs / 1000
    }
  }

  /** What is not known at a mark. */
  changesAfter({ version, slot, seq }: Mark): Tick {
    const events = this.happenings.after(seq)
    const count = Math.min(chartSlots, this.#slot - 1 - slot)
    return {
      ...{ at: Date.now(), local: this.#grid.local, epoch: this.epoch },
      ...(this.#grid.isGuest === true ? { isGuest: true as const } : {}),
      ...this.#versions.after(version),
      ...(events.length === 0 ? {} : { events }),
      ...(count <= 0 ? {} : { points: this.#pointsOf(count) })
    }
  }

  /** Of one server alone, also where they are old. */
  handlersOf(host: string): HandlersDetail {
    const watcher = this.watchers.get(host)
    const { windowSeconds, now } = this.seen
    const rows = mergeHandlers(watcher === undefined ? [] : [watcher]).map((row) => toRow(row, windowSeconds))
    return { at: now, host, rows }
  }

  get #everyMs(): number {
    return this.hosts.length > largeGrid ? 2 * tickMs : tickMs
  }

  /** Makes the picture anew. */
  #tick(): void {
    this.#follow()
    this.#advance()
    const { seen } = this
    this.merged = mergeHandlers(freshOf(seen))
    const { waits, quiet } = waitsOf(this.#told, this.merged, seen.hosts)
    const parts = { cells: cellsOf(seen), servers: serversOf(seen), handlers: this.#rowsOf(seen), waits }
    const answers = answersOf({ seen, merged: this.merged, events: this.happenings.after(0), ...parts })
    this.#version++
    const one = (name: string, value: unknown) => this.#versions.one(name, value, this.#version)
    one('hosts', seen.hosts)
    one('waits', waits)
    one('quiet', quiet)
    one('answers', this.#findings.steady(answers))
    one('sums', this.#sums(seen))
    this.#versions.list('cells', parts.cells, ({ from, to }) => `${from} ${to}`, this.#version)
    this.#versions.list('servers', parts.servers, ({ host }) => host, this.#version)
    this.#versions.list('handlers', parts.handlers, ({ key }) => key, this.#version)
    void this.#askForStreams(seen)
    this.#onTick()
  }

  readonly #tickSoon = (): void => {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined
      this.#tick()
    }, soonMs)
  }

  /** A watcher for each host of the list, and for no other. */
  #follow(): void {
    const { local, hosts: others } = this.#grid
    const now = [local, ...others].sort(inOrder.compare)
    if (now.join() !== this.hosts.join()) this.hosts = now
    const { hosts } = this
    for (const [host, watcher] of this.watchers) {
      if (hosts.includes(host)) continue
      watcher.stop()
      this.watchers.delete(host)
    }
    for (const host of hosts) {
      if (this.watchers.has(host)) continue
      const watcher = new Watcher({
        ...{ peer: this.#grid.connection(host), everyMs: this.#everyMs, slot: () => this.#slot },
        onEvent: (event, { offsetMs }) => {
          this.happenings.add(event, offsetMs, this.hosts)
          if (event.type === 'state') this.#tickSoon()
        },
        onState: this.#tickSoon
      })
      this.watchers.set(host, watcher)
    }
  }

  /** Closes the slots that are over. */
  #advance(): void {
    const slot = slotNow()
    for (const { served } of this.watchers.values()) for (const { tracker } of served.values()) tracker.advance(slot)
    if (slot === this.#slot) return
    this.#slot = slot
    const seconds = slotMs / 1000
    for (const { key, at } of mergeHandlers(freshOf(this.seen))) {
      const rings = this.#series.get(key) ?? new Rings()
      this.#series.set(key, rings)
      const sum = new Float64Array(at[0]?.tracker.now.length ?? 0)
      for (const { tracker } of at) addTo(sum, tracker.slotAt(slot - 1))
      rings.set(slot - 1, seconds, sum, at[0]?.tracker.boundsMs ?? [])
    }
  }

  /** Those of servers that do not answer now stay, without figures. */
  #rowsOf(seen: Seen): HandlerRow[] {
    for (const [key, row] of this.#rows) {
      const { name, kind } = row
      this.#rows.set(key, { key, name, kind, running: 0, unusual: 0, isSlow: false, fails: false, servers: 0 })
    }
    for (const row of this.merged) this.#rows.set(row.key, toRow(row, seen.windowSeconds))
    return [...this.#rows.values()]
  }

  #pointsOf(count: number): PointsOf {
    const slot = this.#slot - 1
    const of = [...this.#series].map(([key, rings]) => [key, rings.read(slot, count)])
    return { slot, count, of: Object.fromEntries(of) }
  }

  #sums(seen: Seen): Sums {
    const sum = new Float64Array(fields)
    let [streams, requests] = [0, 0]
    for (const { kind, running, now } of this.merged) {
      addTo(sum, now)
      if (kind === 'single') requests += running
      else streams += running
    }
    const { windowSeconds: seconds } = seen
    const counts = { streams, requests, answering: freshOf(seen).length }
    if (seconds === undefined) return counts
    const rate = (...at: readonly number[]) =>
      rounded(at.reduce((total, each) => total + (sum[each] ?? 0), 0) / seconds)
    const { calls, errors, bytesIn, bytesOut } = field
    return { ...counts, calls: rate(calls), errors: rate(errors), bytes: rate(bytesIn, bytesOut) }
  }

  /** What every server says of its open calls: those that wait longest. */
  async #askForStreams(seen: Seen): Promise<void> {
    if (this.#isAsking) return
    this.#isAsking = true
    const isTurnOfAll = this.#ticks++ % quietTicks === 0
    const asked = freshOf(seen).filter((watcher) => isTurnOfAll || waits(watcher))
    const answers = await Promise.all(asked.map((watcher) => streamsOf(watcher, { max: streamsAsked })))
    const others = this.#told.filter(({ server }) => !asked.some(({ host }) => host === server))
    this.#told = [...(isTurnOfAll ? [] : others), ...answers.flat()]
    this.#isAsking = false
  }
}

/** Whether a call at this server has waited for a while, by the counts that it tells: then one looks which. */
function waits({ connections }: Watcher): boolean {
  for (const { waits: counts } of connections.values()) {
    for (const { oldestMs = 0 } of Object.values(counts)) if (oldestMs >= askedWaitMs) return true
  }
  return false
}

/** The open calls of a server; none where it does not answer. */
export async function streamsOf(
  watcher: Watcher,
  options: StreamsOptions & { readonly host?: string }
): Promise<readonly Told[]> {
  try {
    const infos = streamsIn(await watcher.calls.streams(options, { timeout: streamsTimeoutMs })).slice(0, options.max)
    const at = Date.now()
    return infos.map((info) => ({ server: watcher.host, info, at }))
  } catch {
    // What it does not tell is not known; that it does not answer is told by its figures.
    return []
  }
}

/** Findings that come are told at once; those that go are told so long as they are gone. */
class Findings {
  readonly #last = new Map<string, { readonly answer: Answer; readonly missing: number }>()

  steady(answers: readonly Answer[]): Answer[] {
    return answers.map((answer) => {
      const last = this.#last.get(answer.id)
      const missing = last !== undefined && answer.severity === 'ok' ? last.missing + 1 : 0
      const isGone = last === undefined || answer.severity !== 'ok' || missing >= ticksToGo
      if (isGone && answer.severity === 'ok') this.#last.delete(answer.id)
      else this.#last.set(answer.id, { answer: isGone ? answer : (last?.answer ?? answer), missing })
      return isGone ? answer : (last?.answer ?? answer)
    })
  }
}

function slotNow(): number {
  return Math.floor(performance.now() / slotMs)
}
