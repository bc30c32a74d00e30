/** The rules for the arguments of a lock. Servers check them, and clients check them before they ask a server. */

import { InvalidOptionError } from '../../index.ts'
import type { LockArgs } from './definitions.ts'
import { LockError } from './errors.ts'

export const maxResources = 256
export const maxResourceLength = 1024
/** One hour: long enough for a dead owner to block the others, and short enough for a timer. */
export const maxTtlMs = 3_600_000
const maxTextLength = 256
/** So many remain above it as there are below. */
export const maxToken = 2 ** 52
/** Some that are higher by mistake do no harm. */
const maxLeap = 2 ** 32

/** @throws {LockError} whose text says what is wrong */
export function checkArgs(args: LockArgs): void {
  for (const name of ['uid', 'owner', 'source'] as const) {
    const { length } = args[name]
    if (length > 0 && length <= maxTextLength) continue
    throw new LockError('ERR_LOCK_ARGUMENT', `${name} must have 1 to ${maxTextLength} characters, not ${length}`)
  }
  checkResources(args.resources)
  const { waiting } = args
  if (waiting === undefined) return
  if (
    waiting.id.length === 0 ||
    waiting.id.length > maxTextLength ||
    !(waiting.waitedMs >= 0 && waiting.waitedMs < maxToken)
  ) {
    throw new LockError('ERR_LOCK_ARGUMENT', 'waiting must have an id and a time in ms')
  }
}

export function isToken(value: number | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/**
 * Tokens and tickets are counted up by one. What is too far ahead of the highest would leave too few for those that come after, and
 * is a mistake of who tells it.
 */
function isTooFar(value: number, highest: number, leap: number): boolean {
  return value > Math.max(maxToken, highest) + leap
}

/** Whether a client does not believe a server. Who counts on from what it does believe is understood by all servers for long. */
export function isIncredible(token: number, highest: number): boolean {
  return isTooFar(token, highest, maxLeap / 2)
}

/** @throws {LockError} */
export function checkLeap(name: 'token' | 'ticket', value: number | undefined, highest: number): void {
  if (value === undefined || (isToken(value) && !isTooFar(value, highest, maxLeap))) return
  throw new LockError('ERR_LOCK_ARGUMENT', `${name} must be a whole number of at most ${maxToken}, not ${value}`)
}

/** @throws {LockError} whose text says what is wrong */
export function checkResources(resources: readonly string[]): void {
  if (!Array.isArray(resources)) throw wrong("resources must be an array of names, such as ['account/7']", 0)
  if (resources.length === 0) throw wrong('name at least one resource', 0)
  if (resources.length > maxResources)
    throw wrong(`at most ${maxResources} resources, not ${resources.length}`, maxResources)
  for (const [at, name] of resources.entries()) {
    if (typeof name !== 'string') throw wrong(`the name of resource ${at} must be a string`, at)
    const { length } = name
    if (length === 0 || length > maxResourceLength) {
      throw wrong(`the name of resource ${at} must have 1 to ${maxResourceLength} characters, not ${length}`, at)
    }
  }
  // Almost all calls have one resource, which needs no set.
  if (resources.length > 1 && new Set(resources).size < resources.length) {
    throw wrong(
      'a resource is named twice',
      resources.findIndex((name, at) => resources.indexOf(name) < at)
    )
  }
}

function wrong(message: string, at: number): LockError {
  return new LockError('ERR_LOCK_RESOURCES', message, { details: { at } })
}

/**
 * The options as they were given, where each is of the kind that it must be. A misspelled option would be a default in silence.
 *
 * @throws {InvalidOptionError} naming the option
 */
export function readOptions<T extends object>(method: string, options: T, kinds: Readonly<Record<string, string>>): T {
  if (typeof options !== 'object' || options === null)
    throw new InvalidOptionError(`the options of ${method} must be an object`)
  for (const [name, value] of Object.entries(options)) {
    const kind = kinds[name]
    if (kind === undefined)
      throw new InvalidOptionError(`${method} has no option "${name}"; it has ${Object.keys(kinds).join(', ')}`)
    if (value !== undefined && typeof value !== kind)
      throw new InvalidOptionError(`${name} of ${method} must be a ${kind}`)
  }
  return options
}
