/** A server of one name whose process is killed, closed and started again. */

import type { Child } from './child.ts'
import type { ServerWords } from './server.ts'

export class MortalServer<C extends Child<ServerWords, unknown>> {
  readonly name: string
  starts = 0
  readonly #spawn: (start: number) => C
  readonly #onWrong: (text: string) => void
  #child: C | undefined

  /**
   * @param spawn starts its process number `start`, from 1 on
   * @param onWrong hears of a process that ends by itself
   */
  constructor(name: string, spawn: (start: number) => C, onWrong: (text: string) => void) {
    this.name = name
    this.#spawn = spawn
    this.#onWrong = onWrong
  }

  /** Its process. */
  get child(): C {
    if (this.#child === undefined) throw new Error(`${this.name} does not run`)
    return this.#child
  }

  /** Resolves when it listens. */
  async start(): Promise<C> {
    const child = this.#spawn(++this.starts)
    this.#child = child
    child.gone.then(() => {
      if (this.#child === child) this.#onWrong(`${this.name} ended by itself with ${child.end}: ${child.stderr}`)
    })
    await child.ask('listening')
    return child
  }

  async kill(): Promise<void> {
    await this.#leave()?.kill()
  }

  /** Closes it gracefully; it has to exit by itself. */
  async close(): Promise<void> {
    const child = this.#leave()
    await child?.ask('close')
    await child?.exited()
  }

  #leave(): C | undefined {
    const child = this.#child
    this.#child = undefined
    return child
  }
}
