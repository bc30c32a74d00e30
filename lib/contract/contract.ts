/**
 * Contracts: definitions that belong together, under one subroute. One side implements all of them, the other has them as
 * methods.
 */

import { printable } from '../base/text.ts'
import type { CallArguments, Callable } from '../call/callable.ts'
import type { StreamOf } from '../call/grid-stream.ts'
import type { CallOptions } from '../call/options.ts'
import { aRecord, aString, check, objectWith, optionsReader } from '../errors/check.ts'
import { InvalidOptionError } from '../errors/errors.ts'
import {
  type AnyDefinition,
  type AnySingle,
  type AnyStreaming,
  checkDefinition,
  type PayloadOf,
  type ResponseOf
} from '../handler/definition.ts'
import type { HandlerOf } from '../handler/handler.ts'

export type Definitions = Readonly<Record<string, AnyDefinition>>

export interface AnyContract {
  readonly definitions: Definitions
  /** '' for none. */
  readonly subroute: string
}

export interface Contract<D extends Definitions> extends AnyContract {
  readonly definitions: D
  /**
   * The calls as methods, on a connection or a subroute of it.
   *
   * @param options what a call does not say itself
   */
  on(peer: Callable, options?: CallOptions): Calls<D>
}

/** What `contract.on` gives: a method for each definition. */
export type Calls<D extends Definitions> = {
  readonly [N in keyof D]: D[N] extends AnySingle
    ? (...args: CallArguments<PayloadOf<D[N]>>) => Promise<ResponseOf<D[N]>>
    : D[N] extends AnyStreaming
      ? (...args: CallArguments<PayloadOf<D[N]>>) => StreamOf<D[N]>
      : never
}

/** What `grid.implement` takes: a handler for each definition. */
export type HandlersOf<D extends Definitions> = { readonly [N in keyof D]: HandlerOf<D[N]> }

const readContract = optionsReader<{ readonly subroute?: string }>('contract()', { subroute: aString })
const aCallable = objectWith('must be a connection, or a subroute of one', 'request', 'newStream', 'subroute')

/**
 * Definitions that belong together.
 *
 * @example
 *
 * ```ts
 * export const cache = contract({ get, put, changes }, { subroute: 'cache' })
 * grid.implement(cache, { get: ..., put: ..., changes: ... })
 * const value = await cache.on(peer).get({ key: 'a' })
 * ```
 *
 * @throws {InvalidOptionError} when two definitions have one id, or something else is no definition
 */
export function contract<const D extends Definitions>(
  definitions: D,
  options?: { readonly subroute?: string }
): Contract<D> {
  const { subroute = '' } = readContract(options)
  check('the first argument of contract()', definitions, aRecord)
  const copy = Object.freeze({ ...definitions })
  checkDefinitions(copy)
  const on = (peer: Callable, shared: CallOptions = {}): Calls<D> => {
    check('the first argument of on()', peer, aCallable)
    const callable = subroute === '' ? peer : peer.subroute(subroute)
    const methods = Object.entries(copy).map(([name, definition]) => [name, toMethod(callable, definition, shared)])
    return Object.freeze(Object.fromEntries(methods))
  }
  return Object.freeze({ definitions: copy, subroute, on })
}

function toMethod(peer: Callable, definition: AnyDefinition, shared: CallOptions) {
  const merge = (options: CallOptions | undefined) => (options === undefined ? shared : { ...shared, ...options })
  if (definition.kind === 'single') {
    return (payload: unknown, options?: CallOptions) => peer.request(definition, payload, merge(options))
  }
  return (payload: unknown, options?: CallOptions) => peer.newStream(definition, payload, merge(options))
}

function checkDefinitions(definitions: Definitions): void {
  const names = new Map<string, string>()
  for (const [name, definition] of Object.entries(definitions)) {
    checkDefinition(definition, 'contract()')
    // What has it would be a promise to `await`.
    if (name === 'then') throw new InvalidOptionError('contract() takes no definition with the name "then"')
    const other = names.get(definition.id)
    names.set(definition.id, name)
    if (other === undefined) continue
    const text = `"${printable(other, 64)}" and "${printable(name, 64)}" of contract() have one id`
    throw new InvalidOptionError(`${text}: "${printable(definition.id, 64)}"`)
  }
}
