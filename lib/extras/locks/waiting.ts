/**
 * Who waits for a lock, as far as a server knows: those that it has refused and that ask again. Nobody holds anything here while
 * he waits, so waits in line make no deadlock.
 *
 * The line is one of tickets (Lamport, "A new solution of Dijkstra's concurrent programming problem", 1974): who was refused gets
 * one of each server, takes the highest, and tells it to all. So all servers have the same order, which no clock has a part in.
 */

import type { LockArgs, LockKind } from './definitions.ts'
import { lockBytes } from './size.ts'

/** Who does not ask again within this time does not wait any longer: clients ask every quarter of a second, or once a request has failed. */
const patienceMs = 3000

export interface Waiter extends LockArgs {
  readonly key: string
  readonly kind: LockKind
  readonly sinceMs: number
  readonly ticket: number
  readonly askedMs: number
  readonly bytes: number
}

export class Waiting {
  /** Who asked last is last. */
  readonly #byKey = new Map<string, Waiter>()
  readonly #byResource = new Map<string, Map<string, Waiter>>()
  #highestTicket = 0
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  get highestTicket(): number {
    return this.#highestTicket
  }

  /** Who asks was refused, and waits. Returns the place in the line that it has here. */
  add(kind: LockKind, args: LockArgs, nowMs: number): number | undefined {
    const { waiting } = args
    if (waiting === undefined) return undefined
    const key = toKey(args)
    const ticket = waiting.ticket ?? this.#byKey.get(key)?.ticket ?? this.#highestTicket + 1
    this.#highestTicket = Math.max(this.#highestTicket, ticket)
    this.#remove(key)
    const sinceMs = nowMs - waiting.waitedMs
    this.#add({ ...args, key, kind, sinceMs, ticket, askedMs: nowMs, bytes: lockBytes(args) })
    return ticket
  }

  /** What it takes that this wait is noted; 0 if it is not. */
  bytesOf(args: LockArgs): number {
    return this.#byKey.get(toKey(args))?.bytes ?? 0
  }

  /** It has got what it waited for, or has given up. */
  leave(args: LockArgs): void {
    if (args.waiting !== undefined) this.#remove(toKey(args))
  }

  /** Who is before it in the line, for one of the same resources and not to read beside it. */
  firstBefore(kind: LockKind, args: LockArgs): Waiter | undefined {
    const [key, ticket] = [toKey(args), args.waiting?.ticket ?? Number.POSITIVE_INFINITY]
    for (const name of args.resources) {
      for (const waiter of this.#byResource.get(name)?.values() ?? []) {
        if (waiter.key === key || (kind === 'read' && waiter.kind === 'read')) continue
        if (waiter.ticket < ticket || (waiter.ticket === ticket && waiter.key < key)) return waiter
      }
    }
    return undefined
  }

  expire(nowMs: number): void {
    for (const { key, askedMs } of this.#byKey.values()) {
      if (askedMs + patienceMs > nowMs) return
      this.#remove(key)
    }
  }

  /** By resource, the longest waits first. */
  lines(): { resource: string; waiters: Waiter[] }[] {
    const lines = [...this.#byResource].map(([resource, waiters]) => {
      return { resource, waiters: [...waiters.values()].sort((a, b) => a.sinceMs - b.sinceMs) }
    })
    return lines.sort((a, b) => (a.waiters[0]?.sinceMs ?? 0) - (b.waiters[0]?.sinceMs ?? 0))
  }

  #add(waiter: Waiter): void {
    this.#byKey.set(waiter.key, waiter)
    this.#bytes += waiter.bytes
    for (const name of waiter.resources) {
      const line = this.#byResource.get(name)
      if (line === undefined) this.#byResource.set(name, new Map([[waiter.key, waiter]]))
      else line.set(waiter.key, waiter)
    }
  }

  #remove(key: string): void {
    const waiter = this.#byKey.get(key)
    if (waiter === undefined) return
    this.#byKey.delete(key)
    this.#bytes -= waiter.bytes
    for (const name of waiter.resources) {
      const line = this.#byResource.get(name)
      line?.delete(key)
      if (line?.size === 0) this.#byResource.delete(name)
    }
  }
}

/** An owner cannot speak for another one. */
function toKey({ owner, waiting }: LockArgs): string {
  return `${waiting?.id}\n${owner}`
}
