/**
 * What is said of calls of one method at one server, at one end: made once, for each call would make it anew.
 *
 * None of it is handed to whom might change it: a span gets a copy, and attributes of durations are only read.
 */

import type { Attributes } from '@opentelemetry/api'
import type { CallInfo } from '../../index.ts'
import { methodOf, otherName, placeOf, system, unknownHandler } from './names.ts'

type Side = CallInfo['side']

/** So many are kept: callers may name handlers that there are not, and hosts come and go. */
const maxServers = 1024
const maxMethods = 1024

export class Described {
  readonly method: string
  /** Of a span when it starts, for a sampler to look at. */
  readonly atStart: Readonly<Attributes>
  readonly #side: Side
  readonly #place: Readonly<Attributes>
  /** By code, of calls that failed and of those that did not. */
  readonly #ended: readonly [Map<string, Attributes>, Map<string, Attributes>] = [new Map(), new Map()]

  constructor(side: Side, server: string, method: string) {
    this.method = method
    this.#side = side
    this.#place = placeOf(server)
    this.atStart = { 'rpc.system.name': system, 'rpc.method': method, ...this.#place }
  }

  /** Of the duration of a call. `code` is one of a bounded number. */
  atEnd(code: string, hasFailed: boolean): Readonly<Attributes> {
    const ended = this.#ended[hasFailed ? 1 : 0]
    const known = ended.get(code)
    if (known !== undefined) return known
    const made: Attributes = {
      'rpc.system.name': system,
      // What nobody registered has as many names as callers can think of.
      'rpc.method': code === unknownHandler ? otherName : this.method,
      'rpc.status_code': code,
      ...(hasFailed ? { 'error.type': code } : {}),
      ...(this.#side === 'caller' ? this.#place : {})
    }
    ended.set(code, made)
    return made
  }
}

/** Those of one end. */
export class Descriptions {
  readonly #side: Side
  readonly #servers = new Map<string, Map<string, Described>>()

  constructor(side: Side) {
    this.#side = side
  }

  /** @param server the one that is called */
  of(server: string, call: Pick<CallInfo, 'subroute' | 'handler'>): Described {
    const method = methodOf(call)
    const methods = keep(this.#servers, server, maxServers, () => new Map<string, Described>())
    return keep(methods, method, maxMethods, () => new Described(this.#side, server, method))
  }
}

function keep<T>(all: Map<string, T>, key: string, max: number, make: () => T): T {
  const known = all.get(key)
  if (known !== undefined) return known
  if (all.size >= max) all.clear()
  const made = make()
  all.set(key, made)
  return made
}
