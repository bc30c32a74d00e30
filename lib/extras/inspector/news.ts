/** What is new in the picture, for all pages: the parts that are told at each tick, and lists of which each record has its turn. */

import { Budget, bytesOf } from './budget.ts'
import { type Recorded, urgentOf, valuesOf } from './compact.ts'
import { Findings } from './findings.ts'
import type { KnownGuest } from './guests.ts'
import { Cells } from './matrix.ts'
import type { Answer, ListName, Sums, Wait } from './model.ts'
import type { Picture } from './picture.ts'
import { type Changed, Versions } from './versions.ts'

/** What is told at each tick beside its parts: when, by whom, and what frames it. */
const bytesOfTick = 160

export interface Seen extends Picture {
  readonly quiet: readonly Wait[]
  readonly sums: Sums
  readonly guests: readonly KnownGuest[]
  readonly answers: readonly Answer[]
}

export class News {
  readonly #nowMs: () => number
  readonly #budget: Budget
  readonly #versions: Versions
  readonly #cells = new Cells()
  readonly #findings = new Findings()

  constructor(nowMs = () => performance.now()) {
    this.#nowMs = nowMs
    this.#budget = new Budget(nowMs())
    this.#versions = new Versions(this.#budget)
  }

  get version(): number {
    return this.#versions.version
  }

  /** What changed after a version, by the names of a tick. */
  after(version: number): Changed {
    return this.#versions.after(version)
  }

  /** The number by which a handler is told. */
  placeOf(handlerKey: string): number {
    return this.#versions.placeOf('handlers', handlerKey) ?? -1
  }

  /** For what is told beside it. */
  spendOn(told: unknown): void {
    this.#budget.spend(bytesOf(told))
  }

  take({ seen, servers, handlers, waits, quiet, events, guests, ...rest }: Seen): void {
    this.#budget.fill(this.#nowMs())
    this.#budget.spend(bytesOfTick)
    this.#versions.begin()
    this.#versions.one('hosts', seen.hosts)
    this.#versions.one('answers', this.#findings.steady(rest.answers))
    this.#versions.one('sums', rest.sums)
    this.#list('servers', servers, ({ host }) => host)
    this.#takeCells(rest)
    this.#list('handlers', handlers, ({ key }) => key)
    this.#list('waits', waits, ({ key }) => key)
    this.#list('quiet', quiet, ({ key }) => key)
    const isBad = ({ severity }: Picture['events'][number]) => severity === 'bad' || severity === 'warn'
    this.#list('events', events, ({ id }) => String(id), isBad)
    this.#list('guests', guests, ({ key }) => key)
    this.#versions.tell()
  }

  #list<R extends Recorded>(
    name: ListName,
    records: readonly R[],
    keyOf: (record: R) => string,
    isUrgent?: (record: R) => boolean
  ): void {
    const entries = records.map((record) => {
      const urgent = isUrgent?.(record) === false ? 0 : urgentOf[name]
      return { key: keyOf(record), values: valuesOf(name, record), urgent }
    })
    this.#versions.list(name, entries)
  }

  /** A cell is told by the numbers of its servers. */
  #takeCells({ cells }: Pick<Picture, 'cells'>): void {
    const placeOf = (host: string) => this.#versions.placeOf('servers', host) ?? -1
    const entries = this.#cells.take(cells).map((cell) => {
      const [from, to] = [placeOf(cell.from), placeOf(cell.to)]
      return { key: `${from} ${to}`, values: valuesOf('cells', cell, { from, to }), urgent: urgentOf.cells }
    })
    this.#versions.list('cells', entries)
  }
}
