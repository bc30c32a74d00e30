/** Puts a handler into the table of this server, with what stands around it. */

import { printable } from '../base/text.ts'
import { InvalidOptionError } from '../errors/errors.ts'
import { type AnyDefinition, copyDefinition, rawSingle } from '../handler/definition.ts'
import { joinSubroute, type LocalHandler, type LocalHandlers, toEntry } from '../handler/table.ts'
import { type HandlerInterceptor, listOf } from '../hooks/interceptor.ts'

export interface Registration {
  readonly local: string
  readonly definition: AnyDefinition
  readonly fn: unknown
  readonly subroute: string
  /** Outermost first. */
  readonly interceptors: readonly HandlerInterceptor[]
}

export function register(handlers: LocalHandlers, registration: Registration): void {
  const { local, definition, fn, subroute, interceptors } = registration
  const entry = toEntry(definition, joinSubroute('', subroute))
  handlers.add({ entry, definition, fn, hooks: { local, interceptors: listOf(interceptors) } } as LocalHandler)
}

/**
 * The definition that a user registers, or withdraws.
 *
 * @throws {InvalidOptionError} when it is none, or for a name that begins with `$`: those are ours
 */
export function readTarget(target: string | AnyDefinition, subroute = ''): AnyDefinition {
  const definition = typeof target === 'string' ? rawSingle(target) : copyDefinition(target)
  for (const name of [definition.id, subroute]) {
    if (!name.startsWith('$')) continue
    throw new InvalidOptionError(`names that begin with $ belong to it-grid: "${printable(name, 64)}"`)
  }
  return definition
}
