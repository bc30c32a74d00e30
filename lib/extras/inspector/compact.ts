/**
 * The feed in few bytes: what changes of a record are its columns that did, and it has a number once it was told whole.
 * Written by the serving process, read by the page.
 */

import type {
  Cell,
  Chart,
  Guest,
  HandlerRow,
  Happening,
  ListName,
  Packed,
  PackedSeries,
  Patch,
  ServerFigures,
  Tick,
  Value,
  Wait,
  Wire
} from './model.ts'
import { nameOfKey } from './words.ts'

const wait = ['key', 'cause', 'severity', 'whom', 'since', 'handler', 'handlerKey', 'id', 'who', 'why', 'bar'] as const

/** In the order of their bits. A cell has the numbers of its two servers. */
const columns = {
  cells: [
    ...['from', 'to', 'state', 'since', 'why', 'differs', 'rttMs', 'streams', 'queueBytes', 'nextAt', 'isOthersTurn']
  ],
  servers: ['host', 'state', 'severity', 'up', 'startedAt', 'at', 'note', 'busy', 'calls', 'guests'],
  handlers: [
    ...['key', 'calls', 'errors', 'p50', 'p99', 'usual', 'bytesIn', 'bytesOut', 'running', 'oldestMs', 'servers'],
    ...['unusual', 'where', 'isSlow', 'fails']
  ],
  waits: wait,
  quiet: wait,
  events: ['at', 'severity', 'title', 'detail'],
  guests: ['server', 'name', 'since', 'calls', 'failed', 'running', 'asked', 'rttMs']
} as const satisfies Readonly<Record<ListName, readonly string[]>>

/** What must be seen at once. */
const urgent: Readonly<Record<ListName, readonly string[]>> = {
  cells: ['from', 'to', 'state', 'since', 'why', 'differs'],
  servers: ['host', 'state', 'severity', 'up', 'note'],
  handlers: ['where', 'isSlow', 'fails'],
  waits: ['key', 'severity'],
  quiet: [],
  events: ['title'],
  guests: []
}

/** The columns that are told at once, by their bits. */
export const urgentOf = Object.fromEntries(
  Object.entries(columns).map(([list, names]) => {
    const bits = names.map((name, at) => (urgent[list as ListName].includes(name) ? 1 << at : 0))
    return [list, bits.reduce((sum, bit) => sum + bit, 0)]
  })
) as Readonly<Record<ListName, number>>

export type Recorded = Cell | ServerFigures | HandlerRow | Wait | Happening | Guest

/** @param more what it has of its columns in another way */
export function valuesOf(list: ListName, record: Recorded, more: Readonly<Record<string, Value>> = {}): Value[] {
  const all = { ...record, ...more } as unknown as Readonly<Record<string, Value | boolean | undefined>>
  return columns[list].map((name) => {
    const value = all[name]
    return typeof value === 'boolean' ? (value ? 1 : null) : value === '' ? null : (value ?? null)
  })
}

/** A whole record; what is seldom known comes last, and nothing is told for it. */
export function pack(list: ListName, record: Recorded): Packed {
  const values = valuesOf(list, record)
  while (values.at(-1) === null) values.pop()
  return values
}

function unpack(list: ListName, values: Packed): Record<string, unknown> {
  const record: Record<string, unknown> = {}
  for (const [at, name] of columns[list].entries()) {
    const value = values[at]
    if (value !== null && value !== undefined) record[name] = value
  }
  return record
}

export function unpackRow(key: string, values: Packed): HandlerRow {
  const { isSlow, fails, ...figures } = unpack('handlers', [key, ...values])
  const kind = key.startsWith('single ') ? 'single' : 'streaming'
  const row = { kind, name: nameOfKey(key), isSlow: isSlow === 1, fails: fails === 1, ...figures }
  return row as unknown as HandlerRow
}

export function unpackSeries([p50, p99, calls, errors]: PackedSeries): Chart {
  return { p50, p99, calls, errors }
}

/** The records of a list as they are known, by their numbers. */
class Table {
  readonly rows = new Map<number, Value[]>()

  /** Those that have changed. */
  take(patches: readonly Patch[]): Value[][] {
    return patches.map(([place, mask, ...values]) => {
      const row = this.rows.get(place) ?? []
      let next = 0
      for (let at = 0; mask >> at > 0; at++) if ((mask >> at) & 1) row[at] = values[next++] ?? null
      this.rows.set(place, row)
      return row
    })
  }
}

/** Reads one feed from its first word on. */
export class Reader {
  readonly #tables = Object.fromEntries(Object.keys(columns).map((name) => [name, new Table()])) as Readonly<
    Record<ListName, Table>
  >

  read({ cells, servers, handlers, waits, quiet, events, guests, gone = {}, points, ...rest }: Wire): Tick {
    const tables = this.#tables
    const isWhole = rest.isWhole === true
    const before = isWhole ? [...tables.events.rows.keys()] : []
    if (isWhole) for (const { rows } of Object.values(tables)) rows.clear()
    for (const [name, places] of Object.entries(gone)) {
      for (const place of places) tables[name as ListName].rows.delete(place)
    }
    const told = servers && tables.servers.take(servers)
    const changed = handlers && tables.handlers.take(handlers)
    const isFewer = gone.handlers !== undefined
    const happened = events && this.#events(events)
    // What is told whole has no word of those that have gone.
    const left = isWhole ? before.filter((id) => !tables.events.rows.has(id)) : gone.events
    return {
      ...rest,
      ...(isFewer ? { isWhole: true as const } : {}),
      ...(told && {
        servers: told.map((row) => ({ note: '', ...unpack('servers', row) }) as unknown as ServerFigures)
      }),
      ...(cells && { cells: tables.cells.take(cells).map((row) => this.#cell(row)) }),
      ...((changed || isFewer) && {
        handlers: (isFewer ? [...tables.handlers.rows.values()] : (changed ?? [])).map(([key, ...row]) =>
          unpackRow(String(key), row)
        )
      }),
      ...((waits || gone.waits || isWhole) && { waits: waitsIn(tables.waits, waits) }),
      ...((quiet || gone.quiet || isWhole) && { quiet: waitsIn(tables.quiet, quiet) }),
      ...((guests || gone.guests || isWhole) && { guests: guestsIn(tables.guests, guests) }),
      ...(happened && { events: happened }),
      ...(left && { gone: left }),
      ...(points && { points: this.#points(points) })
    }
  }

  #cell([from, to, ...row]: Value[]): Cell {
    const hostOf = (place: Value | undefined) => this.#tables.servers.rows.get(place as number)?.[0] ?? ''
    const { differs, isOthersTurn, ...cell } = unpack('cells', [hostOf(from), hostOf(to), ...row])
    const marks = { ...(differs === 1 && { differs: true }), ...(isOthersTurn === 1 && { isOthersTurn: true }) }
    return { ...cell, ...marks } as unknown as Cell
  }

  #events(patches: readonly Patch[]): Happening[] {
    const rows = this.#tables.events.take(patches)
    return rows.map(
      (row, at) => ({ detail: '', ...unpack('events', row), id: patches[at]?.[0] }) as unknown as Happening
    )
  }

  #points({ of, slot, count, isPart }: NonNullable<Wire['points']>): NonNullable<Tick['points']> {
    const told = new Map(of.map(([place, ...series]) => [place, series]))
    const none = Array.from({ length: count }, () => null)
    const zero = isPart === true ? none : Array.from({ length: count }, () => 0)
    const rows = [...this.#tables.handlers.rows].map(([place, [key]]) => {
      return [String(key), unpackSeries(told.get(place) ?? [none, none, zero, zero])] as const
    })
    return { slot, count, of: rows }
  }
}

/** The longest first. */
function waitsIn(table: Table, patches: readonly Patch[] = []): Wait[] {
  table.take(patches)
  const waits = [...table.rows.values()].map((row) => unpack('waits', row) as unknown as Wait)
  return waits.sort((a, b) => a.since - b.since)
}

/** Those that run most first. */
function guestsIn(table: Table, patches: readonly Patch[] = []): Guest[] {
  table.take(patches)
  const guests = [...table.rows.values()].map((row) => ({ name: '', ...unpack('guests', row) }) as unknown as Guest)
  return guests.sort((a, b) => b.running - a.running || b.calls - a.calls)
}
