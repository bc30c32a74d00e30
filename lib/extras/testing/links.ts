/** Which servers of a test grid are connected to each other, as both ends see it, and why others are not. */

import type { Manager } from '../../index.ts'
import type { TestNetwork } from './network.ts'

export class Links {
  readonly #grids: readonly Manager[]
  readonly #dead: ReadonlySet<number>
  readonly #network: TestNetwork

  constructor(grids: readonly Manager[], dead: ReadonlySet<number>, network: TestNetwork) {
    this.#grids = grids
    this.#dead = dead
    this.#network = network
  }

  /** The pairs of living servers that are not connected, in words. */
  missing(): string[] {
    const living = [...this.#grids.keys()].filter((index) => !this.#dead.has(index))
    const pairs = living.flatMap((a) => living.filter((b) => a < b).map((b) => [a, b] as const))
    return pairs.filter(([a, b]) => !this.#isUp(a, b)).map(([a, b]) => this.#whyNot(a, b))
  }

  /** On a conn that is there: what was cut just now, the ends see in the next turn. */
  #isUp(a: number, b: number): boolean {
    const sees = (from: number, to: number) => {
      const { state, instance } = this.#peer(from, to)
      return state === 'connected' && instance === this.#grids[to]?.instance
    }
    return this.#network.hasConn(a, b) && sees(a, b) && sees(b, a)
  }

  #whyNot(a: number, b: number): string {
    const why = this.#peer(a, b).lastError ?? this.#peer(b, a).lastError
    const fault = this.#network.isOpen(a, b) ? '' : ', a fault is between them: heal() ends it'
    const names = `${this.#grids[a]?.local} and ${this.#grids[b]?.local}`
    return `${names}${why === undefined ? '' : ` (${why.message})`}${fault}`
  }

  #peer(from: number, to: number) {
    return (this.#grids[from] as Manager).connection((this.#grids[to] as Manager).local)
  }
}
