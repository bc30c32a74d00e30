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

interface List {
  readonly kept: Map<string, Kept>
  /** When something was forgotten last. */
  wholeAt: number
}

export class Versions {
  readonly #ones = new Map<string, Kept>()
  readonly #lists = new Map<string, List>()

  one(name: string, value: unknown, version: number): void {
    keep(this.#ones, name, value, version)
  }

  /** What is no longer among the values is forgotten, and then all others are told again, as a whole. */
  list(name: string, values: Iterable<readonly [key: string, value: unknown]>, version: number): void {
    const list = this.#lists.get(name) ?? { kept: new Map<string, Kept>(), wholeAt: 0 }
    this.#lists.set(name, list)
    const keys = new Set<string>()
    for (const [key, value] of values) {
      keys.add(key)
      keep(list.kept, key, value, version)
    }
    for (const key of list.kept.keys()) {
      if (keys.has(key)) continue
      list.kept.delete(key)
      list.wholeAt = version
    }
  }

  after(version: number): Record<string, unknown> {
    const changes: Record<string, unknown> = {}
    for (const [name, kept] of this.#ones) if (kept.version > version) changes[name] = kept.value
    for (const [name, { kept, wholeAt }] of this.#lists) {
      const changed = [...kept.values()].filter((each) => each.version > version || wholeAt > version)
      if (changed.length > 0) changes[name] = changed.map(({ value }) => value)
    }
    return changes
  }

  /** Whether something of a list was forgotten since. */
  isWhole(name: string, version: number): boolean {
    return (this.#lists.get(name)?.wholeAt ?? 0) > version
  }
}

function keep(map: Map<string, Kept>, key: string, value: unknown, version: number): void {
  const json = JSON.stringify(value)
  if (map.get(key)?.json !== json) map.set(key, { value, json, version })
}
