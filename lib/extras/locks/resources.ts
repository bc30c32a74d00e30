/**
 * The resources that a table knows: who has each, and the highest token that was given for it.
 *
 * Of a free resource only its token is kept, for as long as there is room. When it is forgotten, what is remembered is the highest
 * token of all that were: too high a token is never wrong.
 */

import type { LockKind } from './definitions.ts'
import { textBytes } from './size.ts'

/** As much of a lock as matters here. */
interface Holder {
  readonly kind: LockKind
  readonly resources: readonly string[]
}

interface Busy<Held> {
  readonly holders: Set<Held>
  token: number
}

/** An entry of a map, without its name. */
const idleBytes = 120

export class Resources<Held extends Holder> {
  /** One writer, or any number of readers. */
  readonly #busy = new Map<string, Busy<Held>>()
  /** Tokens of those that are free, the longest free first. */
  readonly #idle = new Map<string, number>()
  #idleBytes = 0
  /** Of a resource that is in neither, no token was higher. */
  #forgottenToken = 0

  /** What the tokens of free resources take. */
  get idleBytes(): number {
    return this.#idleBytes
  }

  holders(name: string): ReadonlySet<Held> | undefined {
    return this.#busy.get(name)?.holders
  }

  /** The highest token that was given for one of them. */
  tokenOf(names: readonly string[]): number {
    return names.reduce((highest, name) => Math.max(highest, this.#tokenOf(name)), 0)
  }

  /** Higher than all before, or equal to that of the readers that the lock joins. */
  nextToken({ kind, resources }: Holder): number {
    const joins = kind === 'read' && resources.every((name) => this.#busy.has(name))
    return this.tokenOf(resources) + (joins ? 0 : 1)
  }

  /** A token was given for them. */
  raise(names: readonly string[], token: number): void {
    for (const name of names) {
      const busy = this.#busy.get(name)
      if (busy !== undefined) busy.token = Math.max(busy.token, token)
    }
  }

  /** Tokens as high may have been given for any resource. */
  raiseAll(token: number): void {
    this.#forgottenToken = Math.max(this.#forgottenToken, token)
    for (const [name, idle] of this.#idle) if (idle <= this.#forgottenToken) this.#forget(name)
  }

  add(held: Held): void {
    for (const name of held.resources) {
      const busy = this.#busy.get(name) ?? { holders: new Set(), token: this.#tokenOf(name) }
      this.#forget(name)
      this.#busy.set(name, busy)
      busy.holders.add(held)
    }
  }

  remove(held: Held): void {
    for (const name of held.resources) {
      const busy = this.#busy.get(name)
      if (busy?.holders.delete(held) !== true || busy.holders.size > 0) continue
      this.#busy.delete(name)
      this.#idle.set(name, busy.token)
      this.#idleBytes += idleBytes + textBytes(name)
    }
  }

  /** Forgets the tokens of what is longest free, until so many bytes are given back or none is left. */
  makeRoom(bytes: number): void {
    const enough = this.#idleBytes - bytes
    for (const [name, token] of this.#idle) {
      if (this.#idleBytes <= enough) return
      this.#forgottenToken = Math.max(this.#forgottenToken, token)
      this.#forget(name)
    }
  }

  #tokenOf(name: string): number {
    return Math.max(this.#busy.get(name)?.token ?? this.#idle.get(name) ?? 0, this.#forgottenToken)
  }

  #forget(name: string): void {
    if (this.#idle.delete(name)) this.#idleBytes -= idleBytes + textBytes(name)
  }
}
