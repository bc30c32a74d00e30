/** The options of `testGrid`, and the checks of what its methods are given. */

import {
  canonicalHost,
  InvalidOptionError,
  type Manager,
  type ManagerOptions,
  sharedSecret,
  silentLogger
} from '../../index.ts'
import type { Advance } from './waiting.ts'

export interface TestGridOptions {
  /** Registers the handlers of a server: called for each when it is made, and again by `restart`, which fail by what it throws. May be async. */
  readonly setup?: (grid: Manager, index: number) => unknown
  /** Of all that is random in the kit. Default a new one, which failures name. */
  readonly seed?: number
  /**
   * For all servers, beside what the kit sets: a shared secret as `auth`, no logger, waits of at most 50 ms between two dials.
   */
  readonly options?: Partial<Omit<ManagerOptions, 'local' | 'hosts' | 'dialer'>>
  /**
   * How the fake timers of the runner go on: `vi.advanceTimersByTimeAsync`, `jest.advanceTimersByTimeAsync`, or that of
   * `virtualTime()`. Whatever waits in the kit then moves them by itself.
   */
  readonly advance?: Advance
}

/** Of all test grids, and of raw peers that call at one. */
export const testAuth = sharedSecret('the secret of all test grids')

/** What the kit sets for a server, unless `options` say otherwise. */
export const setByDefault = {
  ...{ auth: testAuth, logger: silentLogger },
  reconnect: { firstDelayMs: 5, baseDelayMs: 10, maxDelayMs: 50 }
}

const names = ['setup', 'seed', 'options', 'advance']
const setByKit = ['local', 'hosts', 'dialer']
const maxServers = 64

/** @throws {InvalidOptionError} naming the option that is wrong */
export function checkOptions(options: TestGridOptions): void {
  if (typeof options !== 'object' || options === null) invalid('the options of testGrid() must be an object')
  for (const name of Object.keys(options)) {
    if (name === 'handlers')
      invalid('testGrid() has no option "handlers": register them in setup: (grid) => grid.handle(...)')
    if (!names.includes(name)) {
      const hint = `one of a Manager belongs in options: { options: { ${name} } }`
      invalid(`testGrid() has no option "${name}"; it has ${names.join(', ')}; ${hint}`)
    }
  }
  const { setup, seed, options: managers, advance } = options
  if (setup !== undefined && typeof setup !== 'function') invalid('setup of testGrid() must be a function')
  if (advance !== undefined && typeof advance !== 'function') invalid('advance of testGrid() must be a function')
  if (seed !== undefined && !Number.isSafeInteger(seed)) invalid('seed of testGrid() must be a whole number')
  const wrong = setByKit.find((name) => Object.hasOwn(managers ?? {}, name))
  if (wrong !== undefined) invalid(`options of testGrid() has no "${wrong}": the kit sets it`)
}

/** The canonical names of the servers: as given, or some that are not in use. */
export function toHosts(servers: number | readonly string[], inUse: ReadonlySet<string>): string[] {
  if (typeof servers === 'number') return makeHosts(servers, inUse)
  if (!Array.isArray(servers) || servers.length === 0) invalid('testGrid() takes a number of servers, or their names')
  const hosts = servers.map((name) => canonicalHost(name))
  const twice = hosts.find((host, index) => hosts.indexOf(host) !== index)
  if (twice !== undefined) invalid(`testGrid() was given ${twice} twice`)
  const taken = hosts.find((host) => inUse.has(host))
  if (taken !== undefined) invalid(`${taken} is in another test grid, which is not closed: await using closes it`)
  return hosts
}

/** The same each time, unless another grid has them. */
function makeHosts(count: number, inUse: ReadonlySet<string>): string[] {
  if (!Number.isInteger(count) || count < 1 || count > maxServers) {
    invalid(`testGrid() takes 1 to ${maxServers} servers; it was given ${count}`)
  }
  for (let port = 9000; ; port++) {
    const hosts = Array.from({ length: count }, (_, index) => `http://server-${index}:${port}`)
    if (!hosts.some((host) => inUse.has(host))) return hosts
  }
}

/** @throws {InvalidOptionError} unless each is the index of a server */
export function checkIndexes(what: string, count: number, ...indexes: readonly unknown[]): void {
  for (const index of indexes) {
    if (Number.isInteger(index) && (index as number) >= 0 && (index as number) < count) continue
    invalid(`${what} takes indexes of servers, 0 to ${count - 1}; it was given ${String(index)}`)
  }
}

/** Which group each server is in; those that are in none are one more group. */
export function toGroups(groups: readonly (readonly number[])[], count: number): number[] {
  if (groups.length === 0 || !groups.every(Array.isArray)) {
    invalid('partition() takes the groups, each an array of indexes: partition([0, 1], [2])')
  }
  const groupOf = Array.from({ length: count }, () => groups.length)
  const seen = new Set<number>()
  for (const [at, group] of groups.entries()) {
    checkIndexes('partition()', count, ...group)
    for (const index of group) {
      if (seen.has(index)) invalid(`partition() was given server ${index} twice`)
      seen.add(index)
      groupOf[index] = at
    }
  }
  return groupOf
}

/** A delay, or what draws one of a range. */
export function toDelay(ms: number | readonly [number, number], random: () => number): () => number {
  const [least, most] = Array.isArray(ms) ? (ms as readonly [number, number]) : [ms as number, ms as number]
  const isTime = (value: unknown) => typeof value === 'number' && value >= 0 && value < 2 ** 31
  if (!isTime(least) || !isTime(most) || least > most) {
    invalid(`delay() takes ms, or [least, most], of at least 0; it was given ${JSON.stringify(ms)}`)
  }
  return () => least + random() * (most - least)
}

export function invalid(text: string): never {
  throw new InvalidOptionError(text)
}
