/**
 * What pages are told: records by their columns, each with the version at which it was told last, so that whoever knows some
 * version is told the rest. A page that is behind gets the newest state, never a backlog, and nothing is kept for it.
 *
 * All pages are told the same, within one budget: what is urgent first, and the others in the order in which they changed.
 */

import { type Budget, bytesOf } from './budget.ts'
import type { Packed, Value } from './model.ts'

/** So many that were forgotten are told one by one; whoever has not heard of more is told all again. */
const mostGone = 4000

export interface Entry {
  readonly key: string
  readonly values: readonly Value[]
  /** Columns that are told at once, by their bits. */
  readonly urgent: number
}

/** By the names of ones and lists. */
export type Changed = Record<string, unknown> & { isWhole?: true; gone?: Record<string, number[]> }

interface Kept {
  /** By which it is told: never that of another one. */
  readonly place: number
  /** What pages know, and the versions at which they were told. */
  readonly told: Value[]
  readonly versions: number[]
  wanted: readonly Value[]
  version: number
}

interface List {
  readonly kept: Map<string, Kept>
  gone: { readonly place: number; readonly version: number }[]
  places: number
  /** Whoever knows less is told all again. */
  floor: number
}

interface One {
  readonly value: unknown
  readonly json: string
  readonly version: number
}

export class Versions {
  readonly #budget: Budget
  readonly #ones = new Map<string, One>()
  readonly #lists = new Map<string, List>()
  /** Those that are not told as they are, the longest first. */
  readonly #urgent = new Set<Kept>()
  readonly #others = new Set<Kept>()
  #version = 0

  constructor(budget: Budget) {
    this.#budget = budget
  }

  get version(): number {
    return this.#version
  }

  /** What is taken from now on is of another version. */
  begin(): void {
    this.#version++
  }

  /** Told at once, and later where there is no credit: it is taken at each tick. */
  one(name: string, value: unknown): void {
    const json = JSON.stringify(value)
    if (this.#ones.get(name)?.json === json || !this.#budget.hasCredit) return
    this.#ones.set(name, { value, json, version: this.#version })
    this.#budget.spend(Buffer.byteLength(json))
  }

  /** All of a list: what is no longer among them is forgotten. */
  list(name: string, entries: Iterable<Entry>): void {
    const list = this.#listOf(name)
    const keys = new Set<string>()
    for (const { key, values, urgent } of entries) {
      keys.add(key)
      const known = list.kept.get(key)
      const kept = known ?? toKept(list.places++, values)
      if (known === undefined) list.kept.set(key, kept)
      kept.wanted = values
      const changed = changedIn(kept)
      queue(this.#urgent, kept, (changed & urgent) !== 0)
      queue(this.#others, kept, changed !== 0)
    }
    for (const key of list.kept.keys()) if (!keys.has(key)) this.#forget(list, key)
  }

  /** The number by which one is told. */
  placeOf(name: string, key: string): number | undefined {
    return this.#lists.get(name)?.kept.get(key)?.place
  }

  /** Tells what may be told by now. */
  tell(): void {
    for (const kept of this.#urgent) if (this.#budget.hasCredit) this.#tell(kept)
    for (const kept of this.#others) if (this.#budget.isLeft) this.#tell(kept)
  }

  after(version: number): Changed {
    const changes: Changed = {}
    for (const [name, one] of this.#ones) if (one.version > version) changes[name] = one.value
    const isWhole = version > 0 && [...this.#lists.values()].some(({ floor }) => floor > version)
    if (isWhole) changes.isWhole = true
    const known = isWhole ? 0 : version
    const gone: Record<string, number[]> = {}
    for (const [name, list] of this.#lists) {
      const rows = [...list.kept.values()].filter((kept) => kept.version > known).map((kept) => rowOf(kept, known))
      if (rows.length > 0) changes[name] = rows
      const places = known === 0 ? [] : list.gone.filter((each) => each.version > known).map(({ place }) => place)
      if (places.length > 0) gone[name] = places
    }
    if (Object.keys(gone).length > 0) changes.gone = gone
    return changes
  }

  #listOf(name: string): List {
    const known = this.#lists.get(name)
    if (known !== undefined) return known
    const list = { kept: new Map<string, Kept>(), gone: [], places: 0, floor: 0 }
    this.#lists.set(name, list)
    return list
  }

  #tell(kept: Kept): void {
    for (const [at, value] of kept.wanted.entries()) {
      if (isSame(kept.told[at], value)) continue
      kept.told[at] = value
      kept.versions[at] = this.#version
    }
    kept.version = this.#version
    this.#urgent.delete(kept)
    this.#others.delete(kept)
    this.#budget.spend(bytesOf(rowOf(kept, this.#version - 1)) + 1)
  }

  #forget(list: List, key: string): void {
    const kept = list.kept.get(key) as Kept
    list.kept.delete(key)
    this.#urgent.delete(kept)
    this.#others.delete(kept)
    if (kept.version === 0) return
    list.gone.push({ place: kept.place, version: this.#version })
    this.#budget.spend(bytesOf(kept.place) + 1)
    if (list.gone.length <= mostGone) return
    list.floor = list.gone[mostGone / 2]?.version ?? this.#version
    list.gone = list.gone.filter(({ version }) => version > list.floor)
  }
}

function toKept(place: number, wanted: readonly Value[]): Kept {
  return { place, told: wanted.map(() => null), versions: wanted.map(() => 0), wanted, version: 0 }
}

/** Its place among those that wait stays while it changes. */
function queue(set: Set<Kept>, kept: Kept, isIn: boolean): void {
  if (isIn) set.add(kept)
  else set.delete(kept)
}

function changedIn({ told, wanted }: Kept): number {
  let changed = 0
  for (const [at, value] of wanted.entries()) if (!isSame(told[at], value)) changed |= 1 << at
  return changed
}

function isSame(a: Value | undefined, b: Value): boolean {
  return a === b || (typeof a === 'object' && typeof b === 'object' && JSON.stringify(a) === JSON.stringify(b))
}

/** Its place, which columns follow, and those that are newer than a version. */
function rowOf({ place, told, versions }: Kept, version: number): Packed {
  let mask = 0
  const values = told.filter((_, at) => {
    const isNew = (versions[at] ?? 0) > version
    if (isNew) mask |= 1 << at
    return isNew
  })
  return [place, mask, ...values]
}
