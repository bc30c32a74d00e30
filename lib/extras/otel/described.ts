/**
 * What is said of calls of one method at one server, at one end: made once, for each call would make it anew.
 *
 * None of it is handed to whom might change it: a span gets a copy, and attributes of durations are only read.
 */

import type { Attributes } from '@opentelemetry/api'
import type { CallInfo } from '../../index.ts'
import { methodOf, otherName, placeOf, system, unknownHandler } from './names.ts'

type Side = CallInfo['side']

/** So many are kept of an end, whatever they are of: callers may name handlers that there are not, and hosts come and go. */
const maxDescribed = 4096

export class Described {
  readonly method: string
  /** Of a span when it starts, for a sampler to look at. */
  readonly atStart: Readonly<Attributes>
  readonly #side: Side
  readonly #place: Readonly<Attributes>
  /** By code, of calls that did not fail and of those that did, once there is one. */
  readonly #ended: [Map<string, Attributes>?, Map<string, Attributes>?] = []

  constructor(side: Side, server: string, method: string) {
    this.method = method
    this.#side = side
    this.#place = placeOf(server)
    this.atStart = { 'rpc.system.name': system, 'rpc.method': method, ...this.#place }
  }

  /** Of the duration of a call. `code` is one of a bounded number. */
  atEnd(code: string, hasFailed: boolean): Readonly<Attributes> {
    const which = hasFailed ? 1 : 0
    const known = this.#ended[which]?.get(code)
    if (known !== undefined) return known
    const made: Attributes = {
      'rpc.system.name': system,
      // What nobody registered has as many names as callers can think of.
      'rpc.method': code === unknownHandler ? otherName : this.method,
      'rpc.status_code': code,
      ...(hasFailed ? { 'error.type': code } : {}),
      ...(this.#side === 'caller' ? this.#place : {})
    }
    this.#ended[which] ??= new Map()
    this.#ended[which].set(code, made)
    return made
  }
}

/** Those of one end. */
export class Descriptions {
  readonly #side: Side
  readonly #servers = new Map<string, Map<string, Described>>()
  /** Of all servers. */
  #size = 0

  constructor(side: Side) {
    this.#side = side
  }

  /** @param server the one that is called */
  of(server: string, call: Pick<CallInfo, 'subroute' | 'handler'>): Described {
    const method = methodOf(call)
    return this.#servers.get(server)?.get(method) ?? this.#add(server, method)
  }

  #add(server: string, method: string): Described {
    if (this.#size >= maxDescribed) {
      this.#servers.clear()
      this.#size = 0
    }
    const made = new Described(this.#side, server, method)
    const methods = this.#servers.get(server)
    if (methods === undefined) this.#servers.set(server, new Map([[method, made]]))
    else methods.set(method, made)
    this.#size++
    return made
  }
}
