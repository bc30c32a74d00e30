/** What the page knows: fed by the server, held until it changes, and shown with its age. */

import { Reader } from '../compact.ts'
import type {
  Answer,
  Cell,
  Chart,
  Guest,
  HandlerRow,
  Happening,
  Points,
  PointsOf,
  ServerFigures,
  Sums,
  Tick,
  Wait
} from '../model.ts'
import { follow, type Lost } from './follow.ts'

export const chartSlots = 60
const eventsKept = 1000
/** An event of the window: each feed is to be asked for again. */
export const allAgain = 'it-grid-again'

const nothing: Points = Array.from({ length: chartSlots }, () => null)
const noChart: Chart = { p50: nothing, p99: nothing, calls: nothing, errors: nothing }

/** A chart with what came after it, so many points. */
function longer(chart: Chart = noChart, told: Chart, count: number): Chart {
  const add = (name: keyof Chart): Points => {
    const news = told[name].slice(-count)
    return [...chart[name].slice(count), ...nothing.slice(0, count - news.length), ...news]
  }
  return { p50: add('p50'), p99: add('p99'), calls: add('calls'), errors: add('errors') }
}

/** Charts by handler, with what came after them; those that are not told of any more are forgotten. */
export function takePoints(
  charts: ReadonlyMap<string, Chart>,
  { count: told, of }: PointsOf<readonly [key: string, series: Chart]>
): Map<string, Chart> {
  const count = Math.min(told, chartSlots)
  return new Map(of.map(([key, series]) => [key, longer(charts.get(key), series, count)]))
}

export class Picture {
  at = 0
  /** `performance.now()` when it was told. */
  heardMs = 0
  /** How often it was told. */
  words = 0
  local = ''
  isGuest = false
  hosts: readonly string[] = []
  servers = new Map<string, ServerFigures>()
  cells = new Map<string, Cell>()
  handlers = new Map<string, HandlerRow>()
  charts = new Map<string, Chart>()
  slot = 0
  answers: readonly Answer[] = []
  waits: readonly Wait[] = []
  quiet: readonly Wait[] = []
  events: readonly Happening[] = []
  guests: readonly Guest[] = []
  sums: Sums | undefined

  take(tick: Tick): void {
    this.at = tick.at
    this.heardMs = performance.now()
    this.words++
    this.local = tick.local
    this.isGuest = tick.isGuest === true
    if (tick.hosts !== undefined) this.#keep(tick.hosts)
    for (const server of tick.servers ?? []) this.servers.set(server.host, server)
    for (const cell of tick.cells ?? []) this.cells.set(`${cell.from} ${cell.to}`, cell)
    if (tick.isWhole === true) this.handlers.clear()
    for (const row of tick.handlers ?? []) this.handlers.set(row.key, row)
    this.answers = tick.answers ?? this.answers
    this.waits = tick.waits ?? this.waits
    this.quiet = tick.quiet ?? this.quiet
    this.sums = tick.sums ?? this.sums
    this.guests = tick.guests ?? this.guests
    if (tick.gone !== undefined) this.events = this.events.filter(({ id }) => tick.gone?.includes(id) !== true)
    if (tick.events !== undefined) this.#takeEvents(tick.events)
    if (tick.points !== undefined) {
      this.slot = tick.points.slot
      this.charts = takePoints(this.charts, tick.points)
    }
  }

  /** One that does not change any more. */
  frozen(): Picture {
    const copy = Object.assign(new Picture(), this)
    copy.servers = new Map(this.servers)
    copy.cells = new Map(this.cells)
    copy.handlers = new Map(this.handlers)
    copy.charts = new Map(this.charts)
    return copy
  }

  #keep(hosts: readonly string[]): void {
    this.hosts = hosts
    for (const host of this.servers.keys()) if (!hosts.includes(host)) this.servers.delete(host)
    for (const [key, { from, to }] of this.cells) {
      if (!hosts.includes(from) || !hosts.includes(to)) this.cells.delete(key)
    }
  }

  /** One that is told again has changed. */
  #takeEvents(events: readonly Happening[]): void {
    const isSame = (a: Happening, b: Happening) => a.id === b.id
    const rest = this.events.filter((event) => !events.some((told) => isSame(told, event)))
    this.events = [...events, ...rest].sort((a, b) => b.at - a.at).slice(0, eventsKept)
  }
}

export class Store {
  /** What is told. */
  picture = new Picture()
  /** What is shown, where that stands. */
  frozen: Picture | undefined
  state: 'opening' | 'live' | 'lost' | 'refused' = 'opening'
  /** When it tries again, by `performance.now()`. */
  triesAtMs = 0
  /** Why there is no feed, as the server says; empty where it says nothing. */
  why = ''
  readonly #onChange: () => void
  #reader: Reader | undefined

  constructor(onChange: () => void) {
    this.#onChange = onChange
    const following = {
      onOpen: () => {
        this.#reader = undefined
      },
      onNews: (news: string) => this.#onNews(news),
      onLost: (lost: Lost) => this.#onLost(lost)
    }
    // The title of a tab is looked at, too.
    follow('feed', following, { whileHidden: 'looks' })
  }

  get shown(): Picture {
    return this.frozen ?? this.picture
  }

  /** Now, by the clock of the serving process: where the page stands, when it was stopped. */
  get now(): number {
    const { at, heardMs } = this.shown
    return this.frozen === undefined ? at + performance.now() - heardMs : at
  }

  /** Since the last word of the server. */
  get silentMs(): number {
    return performance.now() - this.picture.heardMs
  }

  toggleFreeze(): void {
    this.frozen = this.frozen === undefined ? this.picture.frozen() : undefined
    this.#onChange()
  }

  #onNews(news: string): void {
    // The first word has all: what was told before may be of another process.
    if (this.#reader === undefined) this.picture = new Picture()
    this.#reader ??= new Reader()
    this.state = 'live'
    this.why = ''
    this.picture.take(this.#reader.read(JSON.parse(news)))
    this.#onChange()
  }

  #onLost({ status, why, triesInMs }: Lost): void {
    this.state = status === 403 ? 'refused' : 'lost'
    this.why = why
    this.triesAtMs = performance.now() + triesInMs
    this.#onChange()
    // What has gone unheard here has gone for all that is shown.
    if (triesInMs === 0) dispatchEvent(new Event(allAgain))
  }
}
