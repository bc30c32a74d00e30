/** Which servers are at the middle of what happened to many pairs of them, and who the others are. */

interface Pair {
  readonly local: string
  readonly host: string
}

export interface Parties {
  /** The fewest servers that are in all pairs; none where each server tells of itself alone. */
  readonly of: readonly string[]
  readonly by: readonly string[]
  /** Pairs, whichever end told of them. */
  readonly pairs: number
  /** Only those of `of` have told: they say it of the others. */
  readonly isToldByThem: boolean
  /** Both ends of a pair have told of it. */
  readonly isMutual: boolean
}

export function partiesOf(told: readonly Pair[]): Parties {
  const others = new Map<string, Set<string>>()
  // Whom it is about comes first, where both are in as many pairs.
  for (const { host } of told) others.set(host, new Set())
  for (const { local } of told) if (!others.has(local)) others.set(local, new Set())
  for (const { local, host } of told) {
    if (local === host) continue
    others.get(local)?.add(host)
    others.get(host)?.add(local)
  }
  const pairs = [...others.values()].reduce((sum, { size }) => sum + size, 0) / 2
  const of = pairs === 0 ? [] : middleOf(others)
  const ways = new Set(told.map(({ local, host }) => `${local} ${host}`))
  return {
    ...{ of, by: [...others.keys()].filter((host) => !of.includes(host)), pairs },
    isToldByThem: told.every(({ local, host }) => of.includes(local) && !of.includes(host)),
    isMutual: told.some(({ local, host }) => local !== host && ways.has(`${host} ${local}`))
  }
}

/** The server with the most pairs, then the one with the most of what is left. */
function middleOf(others: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const left = new Map([...others].map(([host, set]) => [host, new Set(set)]))
  const middle: string[] = []
  for (;;) {
    let most: string | undefined
    for (const [host, { size }] of left) if (size > (left.get(most ?? '')?.size ?? 0)) most = host
    if (most === undefined) return middle
    middle.push(most)
    for (const other of left.get(most) ?? []) left.get(other)?.delete(most)
    left.delete(most)
  }
}
