/**
 * The grid as it is seen from one server: follows every server while somebody looks, and makes one picture of it a second.
 *
 * Each part of the picture has the version at which it changed last, so that whoever looks is told what it does not know yet.
 * It ends some time after the last one has gone, and is nothing then: no stream, no timer, no memory.
 */

import { answersOf } from './answers.ts'
import { Board, rowsOf } from './board.ts'
import { pack } from './compact.ts'
import { guestsOf } from './guests.ts'
import { rounded } from './handlers.ts'
import { Happenings } from './happenings.ts'
import type { Inspected } from './inspected.ts'
import { cellsOf, freshOf, type Seen, serversOf } from './matrix.ts'
import type { HandlersDetail, Packed, PackedSeries, PointsOf, Sums, Wait, Wire } from './model.ts'
import { News } from './news.ts'
import { OpenCalls } from './open-calls.ts'
import type { Side } from './tracked.ts'
import { addTo, chartSlots, field, noCalls, slotMs } from './tracker.ts'
import { waitsOf } from './waits.ts'
import { Watcher } from './watcher.ts'

const tickMs = 1000
/** After news, so that what belongs together is told together. */
const soonMs = 100
/** A server that is lost for so long is gone: with that, and a little more. */
const lostMs = 1050
/** Larger grids are looked at less often. */
const largeGrid = 48
/** A rate over less says nothing. */
const leastWindowMs = 900
const inOrder = new Intl.Collator('en', { numeric: true })

/** Points of so many handlers are told at a time; of more, those of each come in turn. */
const mostPoints = 1000

/** How far somebody knows the picture. */
export interface Mark {
  readonly version: number
  /** The newest slot of which its charts have a point. */
  readonly slot: number
}

export const nothingKnown: Mark = { version: 0, slot: Number.NEGATIVE_INFINITY }

export class Observer {
  readonly watchers = new Map<string, Watcher>()
  readonly happenings = new Happenings()
  readonly handlers = new Board('handler')
  /** Of the list, this server among them, in order. */
  hosts: readonly string[] = []
  readonly #grid: Inspected
  readonly #onTick: () => void
  readonly #news = new News()
  /** As callers saw it; only once somebody asks. */
  #callers: Board | undefined
  readonly #open = new OpenCalls()
  readonly #startedMs = performance.now()
  readonly #timer: NodeJS.Timeout
  #slot = slotNow()
  #soon: NodeJS.Timeout | undefined
  #later: NodeJS.Timeout | undefined
  /** Streams without credit that were told of. */
  #stalled: ReadonlySet<string> = new Set()

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
    clearTimeout(this.#later)
    for (const watcher of this.watchers.values()) watcher.stop()
  }

  get mark(): Mark {
    return { version: this.#news.version, slot: this.#slot - 1 }
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
  changesAfter({ version, slot }: Mark): Wire {
    const points = this.#newPoints(slot)
    return {
      ...{ at: Date.now(), local: this.#grid.local },
      ...(this.#grid.isGuest === true ? { isGuest: true as const } : {}),
      ...this.#news.after(version),
      ...(points && { points })
    }
  }

  /** Of one server alone, also where they are old, or of all (`host` is empty), as one side tells. */
  handlersOf(host: string, side: Side, slot: number): HandlersDetail {
    const { seen } = this
    const isAll = host === ''
    const board = side === 'caller' ? this.#askCallers() : this.handlers
    const rows = isAll ? [...board.rows()].map(([, row]) => row) : rowsOf(seen, host, side)
    const notShown = isAll ? board.notShown : (seen.watchers.get(host)?.tracked[side].others.size ?? 0)
    const points = isAll ? this.#pointsAfter(slot, board, (key, series) => [key, ...series] as const) : undefined
    return {
      ...{ at: seen.now, host, side, rows: rows.map((row): Packed => pack('handlers', row)), notShown },
      ...(points && { points })
    }
  }

  #askCallers(): Board {
    for (const { tracked } of this.watchers.values()) tracked.caller.ask(this.#slot)
    if (this.#callers === undefined) {
      this.#callers = new Board('caller')
      this.#callers.look(this.seen, this.#slot)
    }
    return this.#callers
  }

  get #everyMs(): number {
    return this.hosts.length > largeGrid ? 2 * tickMs : tickMs
  }

  /** Makes the picture anew. */
  #tick(): void {
    this.#follow()
    this.#advance()
    const { seen, handlers } = this
    handlers.look(seen, this.#slot)
    this.#callers?.look(seen, this.#slot)
    const { waits, quiet } = waitsOf(this.#open.told, handlers.merged, seen)
    this.#tellStalled(waits)
    const [cells, servers] = [cellsOf(seen), serversOf(seen)]
    const rows = [...handlers.rows()]
    const events = this.happenings.all
    const about = { seen, cells, servers, waits, handlers: rows.map(([, row]) => row), merged: handlers.merged, events }
    this.#news.take({ ...about, quiet, guests: guestsOf(seen), sums: this.#sums(seen), answers: answersOf(about) })
    void this.#open.ask(seen)
    this.#onTick()
  }

  readonly #tickSoon = (): void => {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined
      this.#tick()
    }, soonMs)
  }

  /** A stream that has no credit for a second is an event of the page's own. */
  #tellStalled(waits: readonly Wait[]): void {
    const stalled = waits.filter(({ cause }) => cause === 'credit')
    for (const wait of stalled) if (!this.#stalled.has(wait.key)) this.happenings.addWait(wait, this.hosts)
    this.#stalled = new Set(stalled.map(({ key }) => key))
  }

  /** What is lost for some time is told when that has passed. */
  #tickWhenLost(): void {
    this.#later ??= setTimeout(() => {
      this.#later = undefined
      this.#tick()
    }, lostMs)
  }

  /** A watcher for each host of the list, and for no other. */
  #follow(): void {
    const { local, hosts: others } = this.#grid
    const now = [local, ...others].sort(inOrder.compare)
    if (now.join() !== this.hosts.join()) this.hosts = now
    const { hosts } = this
    for (const [host, watcher] of this.watchers) {
      // One that has left the list and is back, between two looks, has another connection.
      const isAnother = watcher.isOver && hosts.includes(host) && this.#grid.connection(host).state !== 'closed'
      if (hosts.includes(host) && !isAnother) continue
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
          if (event.type === 'state' && event.previous === 'connected') this.#tickWhenLost()
        },
        onState: this.#tickSoon
      })
      this.watchers.set(host, watcher)
    }
  }

  /** Closes the slots that are over. */
  #advance(): void {
    const slot = slotNow()
    for (const { tracked } of this.watchers.values()) {
      tracked.handler.advance(slot)
      tracked.caller.advance(slot)
    }
    if (slot === this.#slot) return
    this.#slot = slot
    const { seen } = this
    this.handlers.close(seen, slot - 1)
    this.#callers?.close(seen, slot - 1)
    const points = this.#newPoints(slot - 2)
    if (points !== undefined) this.#news.spendOn(points)
  }

  /** The points of handlers that were called, by their numbers. */
  #newPoints(known: number): Wire['points'] {
    const points = this.#pointsAfter(known, this.handlers, (key, series) => {
      return [this.#news.placeOf(key), ...series] as const
    })
    if (points === undefined) return undefined
    const of = points.of.filter(([, , , calls]) => calls.some((each) => each !== 0))
    if (known === Number.NEGATIVE_INFINITY || of.length <= mostPoints) return { ...points, of }
    const turns = Math.ceil(of.length / mostPoints)
    return { ...points, of: of.filter((_, at) => (at + points.slot) % turns === 0), isPart: true }
  }

  #pointsAfter<Of>(
    known: number,
    board: Board,
    make: (key: string, series: PackedSeries) => Of
  ): PointsOf<Of> | undefined {
    const slot = this.#slot - 1
    const count = Math.min(chartSlots, slot - known)
    if (count <= 0) return undefined
    return { slot, count, of: [...board.points(slot, count)].map((of) => make(...of)) }
  }

  #sums(seen: Seen): Sums {
    const sum = noCalls()
    let [streams, requests] = [0, 0]
    for (const { kind, running, now } of this.handlers.merged) {
      addTo(sum, now)
      if (kind === 'single') requests += running
      else streams += running
    }
    const { windowSeconds: seconds } = seen
    const { notShown } = this.handlers
    const counts = {
      ...{ streams, requests, answering: freshOf(seen).length },
      ...(notShown === 0 ? {} : { handlersNotShown: notShown })
    }
    if (seconds === undefined) return counts
    const rate = (...at: readonly number[]) =>
      rounded(at.reduce((total, each) => total + (sum[each] ?? 0), 0) / seconds)
    const { calls, errors, bytesIn, bytesOut } = field
    return { ...counts, calls: rate(calls), errors: rate(errors), bytes: rate(bytesIn, bytesOut) }
  }
}

function slotNow(): number {
  return Math.floor(performance.now() / slotMs)
}
