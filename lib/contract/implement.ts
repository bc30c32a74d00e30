/** `grid.implement`: all handlers of a contract are registered, or none. */

import { nearest, printable } from '../base/text.ts'
import { aFunction, aRecord, check, objectWith } from '../errors/check.ts'
import { InvalidOptionError } from '../errors/errors.ts'
import type { AnyDefinition } from '../handler/definition.ts'
import { joinSubroute } from '../handler/table.ts'
import type { HandleOptions } from '../network/options.ts'
import type { AnyContract } from './contract.ts'

/** What a contract is registered by. */
export interface Registry {
  handle(definition: AnyDefinition, fn: never, options?: HandleOptions): void
  unhandle(definition: AnyDefinition, options?: { readonly subroute?: string }): boolean
}

type Handlers = Readonly<Record<string, unknown>>

/** @throws as `Manager.implement` */
export function implement(registry: Registry, contract: AnyContract, handlers: object, options: HandleOptions): void {
  checkContract(contract, 'implement()')
  check('the handlers of implement()', handlers, objectWith('must be an object, or an instance of a class'))
  const { definitions } = contract
  const fns = Object.keys(definitions).map((name) => toHandler(handlers as Handlers, name))
  if (aRecord.is(handlers) && Object.getPrototypeOf(handlers) === Object.prototype) checkSurplus(handlers, definitions)
  const subroute = joinSubroute(options.subroute ?? '', contract.subroute)
  const done: AnyDefinition[] = []
  try {
    for (const [at, definition] of Object.values(definitions).entries()) {
      registry.handle(definition, fns[at] as never, { ...options, subroute })
      done.push(definition)
    }
  } catch (error) {
    for (const definition of done) registry.unhandle(definition, { subroute })
    throw error
  }
}

/** Returns whether there was any of its handlers. */
export function withdraw(registry: Registry, contract: AnyContract, base = ''): boolean {
  checkContract(contract, 'unhandle()')
  const subroute = joinSubroute(base, contract.subroute)
  const removed = Object.values(contract.definitions).map((definition) => registry.unhandle(definition, { subroute }))
  return removed.includes(true)
}

function checkContract(contract: AnyContract, method: string): void {
  const { definitions, subroute }: Partial<AnyContract> = Object(contract)
  const isOne = typeof definitions === 'object' && definitions !== null && typeof subroute === 'string'
  if (!isOne) throw new InvalidOptionError(`the first argument of ${method} must be what contract() returns`)
}

/** That of a class instance runs on the instance. */
function toHandler(handlers: Handlers, name: string): (...args: unknown[]) => unknown {
  const given = handlers[name]
  // What every object has, such as `toString`, is no handler.
  const fn = given === Reflect.get(Object.prototype, name) ? undefined : given
  check(`the handler "${printable(name, 64)}" of implement()`, fn, aFunction)
  return (...args) => Reflect.apply(fn as (...args: unknown[]) => unknown, handlers, args)
}

/** An instance of a class may have other members. */
function checkSurplus(handlers: object, definitions: object): void {
  const surplus = Object.keys(handlers).find((name) => !Object.hasOwn(definitions, name))
  if (surplus === undefined) return
  const near = nearest(surplus, Object.keys(definitions))
  const hint = near === undefined ? '' : ` (did you mean "${near}"?)`
  throw new InvalidOptionError(
    `the contract has no "${printable(surplus, 64)}"${hint}; implement() was given a handler of it`
  )
}
