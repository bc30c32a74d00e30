/**
 * What was told, by the version at which it changed last: whoever knows the picture of some version is told the rest.
 *
 * So a page that is behind gets the newest state, never a backlog, and nothing is kept for it.
 */

interface Kept {
  readonly value: unknown
  readonly json: string
  version: number
}

export class Versions {
  readonly #ones = new Map<string, Kept>()
  readonly #lists = new Map<string, Map<string, Kept>>()

  one(name: string, value: unknown, version: number): void {
    keep(this.#ones, name, value, version)
  }

  /** What is no longer among the values is forgotten. */
  list<T>(name: string, values: readonly T[], keyOf: (value: T) => string, version: number): void {
    const kept = this.#lists.get(name) ?? new Map<string, Kept>()
    this.#lists.set(name, kept)
    const keys = new Set<string>()
    for (const value of values) {
      keys.add(keyOf(value))
      keep(kept, keyOf(value), value, version)
    }
    for (const key of kept.keys()) if (!keys.has(key)) kept.delete(key)
  }

  after(version: number): Record<string, unknown> {
    const changes: Record<string, unknown> = {}
    for (const [name, kept] of this.#ones) if (kept.version > version) changes[name] = kept.value
    for (const [name, list] of this.#lists) {
      const changed = [...list.values()].filter((kept) => kept.version > version)
      if (changed.length > 0) changes[name] = changed.map(({ value }) => value)
    }
    return changes
  }
}

function keep(map: Map<string, Kept>, key: string, value: unknown, version: number): void {
  const json = JSON.stringify(value)
  if (map.get(key)?.json !== json) map.set(key, { value, json, version })
}
