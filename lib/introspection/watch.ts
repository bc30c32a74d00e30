/** The stats as a stream of changes: whole answers of a large grid each second would be megabytes. */

import type { ManagerStats } from '../report/stats.ts'
import type { StatsChange } from './introspection.ts'

const defaultEveryMs = 1000
/** Each look costs what `stats()` costs. */
export const minEveryMs = 100

/** The stats at once, and then every `everyMs` what has changed, while it is read; ends with the first of the signals. */
export async function* changesOf(
  read: () => ManagerStats,
  everyMs = defaultEveryMs,
  signals: readonly AbortSignal[] = []
): AsyncGenerator<StatsChange, void> {
  let before: ManagerStats | undefined
  while (!signals.some(({ aborted }) => aborted)) {
    const stats = read()
    yield before === undefined ? stats : toChange(before, stats)
    before = stats
    await waitUntil(everyMs, signals)
  }
}

function toChange(before: ManagerStats, { at, instance, ...stats }: ManagerStats): StatsChange {
  const { connections, called, served, ...others } = stats
  const hosts = new Set(connections.map(({ host }) => host))
  const removed = before.connections.map(({ host }) => host).filter((host) => !hosts.has(host))
  const changed = Object.entries(others).filter(([name, value]) => !isSame(value, Reflect.get(before, name)))
  return {
    ...{ at, instance },
    ...Object.fromEntries(changed),
    connections: changedOf(connections, before.connections, ({ host }) => host),
    called: changedOf(called, before.called, nameOf),
    served: changedOf(served, before.served, nameOf),
    ...(removed.length === 0 ? {} : { removed })
  }
}

function nameOf({ kind, subroute, handler }: ManagerStats['called'][number]): string {
  return `${kind}\0${subroute}\0${handler}`
}

function changedOf<T>(now: readonly T[], before: readonly T[], keyOf: (entry: T) => string): T[] {
  const known = new Map(before.map((entry) => [keyOf(entry), entry]))
  return now.filter((entry) => !isSame(entry, known.get(keyOf(entry))))
}

/** They are plain data. The age of what runs is none: it changes by itself. */
function isSame(a: unknown, b: unknown): boolean {
  const text = (value: unknown) => JSON.stringify(value, (name, each) => (name === 'oldestMs' ? null : each))
  return text(a) === text(b)
}

function waitUntil(ms: number, signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(end, ms)
    function end(): void {
      clearTimeout(timer)
      for (const signal of signals) signal.removeEventListener('abort', end)
      resolve()
    }
    for (const signal of signals) {
      signal.addEventListener('abort', end)
      if (signal.aborted) end()
    }
  })
}
