/**
 * What lies between the servers of a test grid: conns in memory, and the faults of each direction.
 *
 * Faults outlive conns: a conn that is dialed later has those of its direction. Knows managers by the conns that they take.
 */

import { type Conn, type ConnDialer, DialError, DisconnectedError, type MemoryConn, memoryPair } from '../../index.ts'

/** The faults of one direction. */
interface Lane {
  isHeld: boolean
  isParted: boolean
  isStalled: boolean
  delayMs: (() => number) | undefined
}

/** A conn: its ends are those of the servers `dialer` and `listener`. */
interface Pair {
  readonly dialer: number
  readonly listener: number
  /** False where nobody was there: a fault has kept the dialer from hearing of it. */
  readonly isTaken: boolean
  readonly conns: readonly [MemoryConn, MemoryConn]
}

type Accept = (conn: Conn) => void

export class TestNetwork {
  readonly #hosts: readonly string[]
  /** Who takes conns; undefined for a server that is dead. */
  readonly #accepting: (Accept | undefined)[]
  readonly #lanes = new Map<string, Lane>()
  #pairs: Pair[] = []

  constructor(hosts: readonly string[]) {
    this.#hosts = hosts
    this.#accepting = hosts.map(() => undefined)
  }

  /** The dialer of a server. */
  dialerOf(from: number): ConnDialer {
    return async (host) => {
      const to = this.#hosts.indexOf(host)
      if (to < 0) throw new DialError(`cannot connect to ${host}: there is no such server in the test grid`)
      return this.#dial(from, to)
    }
  }

  /** From now on conns arrive at the server. */
  accept(index: number, accept: Accept): void {
    this.#accepting[index] = accept
  }

  /** Nobody answers there. Its conns end by themselves: behind the goodbye, where it said one. */
  leave(index: number): void {
    this.#accepting[index] = undefined
  }

  /** Its process is gone: its conns are lost, and nobody answers there. */
  kill(index: number): void {
    this.leave(index)
    for (const { dialer, listener, conns } of this.#live()) {
      if (dialer === index) conns[0].abort(lost())
      if (listener === index) conns[1].abort(lost())
    }
  }

  /** Whether a conn is there between two servers. */
  hasConn(a: number, b: number): boolean {
    return this.#between(a, b).length > 0
  }

  /** Both ends lose their conns. */
  cut(a: number, b: number): void {
    for (const { conns } of this.#between(a, b)) for (const conn of conns) conn.abort(lost())
  }

  /** From now on a direction has these faults as well. */
  impair(from: number, to: number, faults: Partial<Lane>): void {
    Object.assign(this.#lane(from, to), faults)
    for (const pair of this.#between(from, to)) this.#apply(pair)
  }

  /** A conn may pass between two servers. */
  isOpen(a: number, b: number): boolean {
    return [this.#lane(a, b), this.#lane(b, a)].every((lane) => !lane.isHeld && !lane.isParted && !lane.isStalled)
  }

  heal(): void {
    this.#lanes.clear()
    for (const pair of this.#live()) {
      this.#apply(pair)
      // What waited for a server that was not there is refused at last.
      if (!pair.isTaken) pair.conns[1].abort(lost())
    }
  }

  #dial(from: number, to: number): Conn {
    const accept = this.#accepting[to]
    if (accept === undefined && this.isOpen(from, to)) {
      throw new DialError(`cannot connect to ${this.#hosts[to]}: it is not running (refused by the test grid)`)
    }
    // Sockets yield, too. As over a real network, only `https` protects the bytes: others have a checksum.
    const conns = memoryPair({ yields: true, secure: this.#hosts[to]?.startsWith('https:') ?? false })
    const pair = { dialer: from, listener: to, isTaken: accept !== undefined, conns }
    this.#apply(pair)
    this.#pairs = [...this.#live(), pair]
    accept?.(conns[1])
    return conns[0]
  }

  #apply({ dialer, listener, conns }: Pair): void {
    this.#impair(conns[0], this.#lane(dialer, listener))
    this.#impair(conns[1], this.#lane(listener, dialer))
  }

  #impair({ link }: MemoryConn, { isHeld, isParted, isStalled, delayMs }: Lane): void {
    link.delay(delayMs)
    link.release()
    if (isStalled) link.stall()
    if (isHeld || isParted) link.hold()
  }

  #lane(from: number, to: number): Lane {
    const key = `${from}>${to}`
    const known = this.#lanes.get(key)
    if (known !== undefined) return known
    const lane = { isHeld: false, isParted: false, isStalled: false, delayMs: undefined }
    this.#lanes.set(key, lane)
    return lane
  }

  /** Those that are not over: what a held direction has to tell counts. */
  #live(): Pair[] {
    return this.#pairs.filter(({ conns }) => conns.some(({ link }) => !link.ended || link.inFlight > 0))
  }

  /** Those on which neither end has said goodbye. */
  #between(a: number, b: number): Pair[] {
    const isBetween = ({ dialer, listener }: Pair) =>
      (dialer === a && listener === b) || (dialer === b && listener === a)
    return this.#pairs.filter((pair) => isBetween(pair) && pair.conns.every(({ link }) => !link.ended))
  }
}

function lost(): Error {
  return new DisconnectedError('lost', 'connection lost')
}
