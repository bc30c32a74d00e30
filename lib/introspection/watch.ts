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
  const elapsedMs = at - before.at
  const changed = Object.entries(others).filter(([name, value]) => !isSame(value, Reflect.get(before, name), elapsedMs))
  const changedOf = <T>(all: readonly T[], known: readonly T[], keyOf: (entry: T) => string) => {
    const byKey = new Map(known.map((entry) => [keyOf(entry), entry]))
    return all.filter((entry) => !isSame(entry, byKey.get(keyOf(entry)), elapsedMs))
  }
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

/** Ages that are so much less exact than they could be are still those of the same call. */
const toleranceMs = 50

/** They are plain data, `elapsedMs` apart. The age of what waits is none of it, if it has grown as the time has passed. */
function isSame(now: unknown, before: unknown, elapsedMs: number): boolean {
  const ages: [number[], number[]] = [[], []]
  const text = (value: unknown, into: number[]) =>
    JSON.stringify(value, (name, each) => (name === 'oldestMs' ? into.push(each) : each))
  if (text(now, ages[0]) !== text(before, ages[1])) return false
  return ages[0].every((age, at) => age >= (ages[1][at] as number) + elapsedMs - toleranceMs)
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
