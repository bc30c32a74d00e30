/** The rules for the arguments of a lock. Servers check them, and clients check them before they ask a server. */

import { InvalidOptionError } from '../../index.ts'
import type { LockArgs } from './definitions.ts'
import { LockError } from './errors.ts'

export const maxResources = 256
export const maxResourceLength = 1024
const maxTextLength = 256

/** @throws {LockError} whose text says what is wrong */
export function checkArgs(args: LockArgs): void {
  for (const name of ['uid', 'owner', 'source'] as const) {
    const { length } = args[name]
    if (length > 0 && length <= maxTextLength) continue
    throw new LockError('ERR_LOCK_ARGUMENT', `${name} must have 1 to ${maxTextLength} characters, not ${length}`)
  }
  checkResources(args.resources)
}

/** @throws {LockError} whose text says what is wrong */
export function checkResources(resources: readonly string[]): void {
  if (resources.length === 0) throw wrong('name at least one resource', 0)
  if (resources.length > maxResources)
    throw wrong(`at most ${maxResources} resources, not ${resources.length}`, maxResources)
  for (const [at, { length }] of resources.entries()) {
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
