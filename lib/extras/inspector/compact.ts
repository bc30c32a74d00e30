/**
 * The feed in few bytes: records are arrays of their columns, servers and handlers are places in lists that are told once.
 * Written by the serving process, read by the page.
 */

import type { Cell, Chart, HandlerRow, Packed, PackedSeries, ServerFigures, Tick, Wire } from './model.ts'
import { nameOfKey } from './words.ts'

/** What is seldom known comes last: nothing is told for it. */
const columns = {
  cells: ['state', 'since', 'rttMs', 'streams', 'queueBytes', 'why', 'differs'],
  servers: ['state', 'severity', 'up', 'startedAt', 'busy', 'calls', 'at', 'guests', 'note'],
  handlers: [
    ...['calls', 'errors', 'p50', 'p99', 'usual', 'bytesIn', 'bytesOut', 'running', 'oldestMs', 'servers', 'unusual'],
    ...['where', 'isSlow', 'fails']
  ]
} as const

type List = keyof typeof columns

/** @param ids what names it, before its columns */
export function pack(list: List, ids: Packed, record: Cell | ServerFigures | HandlerRow): Packed {
  const all = record as unknown as Readonly<Record<string, Packed[number] | boolean | undefined>>
  const values = columns[list].map((name) => {
    const value = all[name]
    return typeof value === 'boolean' ? (value ? 1 : null) : value === '' ? null : (value ?? null)
  })
  while (values.at(-1) === null) values.pop()
  return [...ids, ...values]
}

function unpack(list: List, values: Packed): Record<string, unknown> {
  const record: Record<string, unknown> = {}
  for (const [at, name] of columns[list].entries()) {
    const value = values[at]
    if (value !== null && value !== undefined) record[name] = value
  }
  return record
}

export function unpackRow(key: string, values: Packed): HandlerRow {
  const { isSlow, fails, ...figures } = unpack('handlers', values)
  const kind = key.startsWith('single ') ? 'single' : 'streaming'
  const row = { key, kind, name: nameOfKey(key), isSlow: isSlow === 1, fails: fails === 1, ...figures }
  return row as unknown as HandlerRow
}

export function unpackSeries([p50, p99, calls, errors]: PackedSeries): Chart {
  return { p50, p99, calls, errors }
}

/** Reads one feed from its first word on. */
export class Reader {
  #hosts: readonly string[] = []
  readonly #keys = new Map<number, string>()

  read({ cells, servers, handlers, points, names, isWhole, ...rest }: Wire): Tick {
    this.#hosts = rest.hosts ?? this.#hosts
    if (isWhole === true) this.#keys.clear()
    for (const [place, key] of names ?? []) this.#keys.set(place, key)
    const hostAt = (place: unknown) => this.#hosts[place as number] ?? ''
    const keyAt = (place: unknown) => this.#keys.get(place as number) ?? ''
    return {
      ...rest,
      ...(isWhole === true ? { isWhole } : {}),
      ...(cells && {
        cells: cells.map(([from, to, ...values]) => {
          const { differs, ...cell } = unpack('cells', values)
          const marked = differs === 1 ? { differs: true } : {}
          return { from: hostAt(from), to: hostAt(to), ...cell, ...marked } as unknown as Cell
        })
      }),
      ...(servers && {
        servers: servers.map(
          ([host, ...values]) =>
            ({ note: '', ...unpack('servers', values), host: hostAt(host) }) as unknown as ServerFigures
        )
      }),
      ...(handlers && { handlers: handlers.map(([place, ...values]) => unpackRow(keyAt(place), values)) }),
      ...(points && {
        points: { ...points, of: points.of.map(([place, ...series]) => [keyAt(place), unpackSeries(series)] as const) }
      })
    }
  }
}
