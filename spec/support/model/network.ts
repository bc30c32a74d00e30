/**
 * What lies between the two ends of a schedule: conns in memory, each direction of which can be held, and all be cut.
 *
 * The listening end may be away; then a dial fails.
 */

import { type Conn, DialError, type Manager, type MemoryConn, memoryPair } from '../../../lib/index.ts'

export interface Pair {
  /** The end that dialed, and the one that accepted. */
  readonly conns: readonly [MemoryConn, MemoryConn]
  /** Nothing gets through any more, and neither end is told: its process is gone. */
  isDead: boolean
}

export class ModelNetwork {
  /** Who accepts. */
  listening: Manager | undefined
  /** Every pair that was not cut, in the order of their making. */
  pairs: Pair[] = []
  dials = 0
  readonly #capacity: number

  /** @param capacity messages that each direction holds until its sender waits */
  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get newest(): Pair | undefined {
    return this.pairs.at(-1)
  }

  dial(): Conn {
    if (this.listening === undefined) throw new DialError('nobody listens')
    const conns = memoryPair({ capacity: this.#capacity })
    this.pairs.push({ conns, isDead: false })
    this.dials++
    this.listening.incomingConn(conns[1])
    return conns[0]
  }

  hold(pair: Pair, side: number): void {
    pair.conns[side === 0 ? 0 : 1].link.hold()
  }

  release(pair: Pair, side: number): void {
    if (!pair.isDead) pair.conns[side === 0 ? 0 : 1].link.release()
  }

  releaseAll(): void {
    for (const pair of this.pairs) for (const side of [0, 1]) this.release(pair, side)
  }

  /** Cuts all conns, as seen first by one side; the other one learns of it when its link is not held. */
  cut(side: number): void {
    for (const { conns, isDead } of this.pairs) {
      if (isDead) continue
      conns[side === 0 ? 0 : 1].abort(new Error('the model cut the conn'))
      for (const { link } of conns) link.release()
    }
    this.pairs = this.pairs.filter(({ isDead }) => isDead)
  }

  /** One process is gone and the other is not told: nothing gets through any more. */
  silence(): void {
    for (const pair of this.pairs) {
      pair.isDead = true
      for (const { link } of pair.conns) link.hold()
    }
  }
}
