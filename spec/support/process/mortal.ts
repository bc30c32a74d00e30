/** A server of one name whose process is killed, closed and started again. */

import type { Child } from './child.ts'
import type { Words } from './obey.ts'
import type { ServerWords } from './server.ts'

type Mortal = Words & { readonly listening: ServerWords['listening']; readonly close: () => unknown }

/** `W`: the words that its processes obey. */
export class MortalServer<W extends Mortal, Report> {
  readonly name: string
  starts = 0
  readonly #spawn: (start: number) => Child<W, Report>
  readonly #onWrong: (text: string) => void
  #child: Child<W, Report> | undefined

  /**
   * @param spawn starts its process number `start`, from 1 on
   * @param onWrong hears of a process that ends by itself
   */
  constructor(name: string, spawn: (start: number) => Child<W, Report>, onWrong: (text: string) => void) {
    this.name = name
    this.#spawn = spawn
    this.#onWrong = onWrong
  }

  /** Its process. */
  get child(): Child<W, Report> {
    if (this.#child === undefined) throw new Error(`${this.name} does not run`)
    return this.#child
  }

  /** Resolves when it listens. */
  async start(): Promise<Child<W, Report>> {
    const child = this.#spawn(++this.starts)
    this.#child = child
    child.gone.then(() => {
      if (this.#child === child) this.#onWrong(`${this.name} ended by itself with ${child.end}: ${child.stderr}`)
    })
    await child.ask('listening', ...([] as unknown as Parameters<W['listening']>))
    return child
  }

  async kill(): Promise<void> {
    await this.#leave()?.kill()
  }

  /** Closes it gracefully; it has to exit by itself. Resolves with what it says of that. */
  async close() {
    const { child } = this
    this.#leave()
    const answer = await child.ask('close', ...([] as unknown as Parameters<W['close']>))
    await child.exited()
    return answer
  }

  #leave(): Child<W, Report> | undefined {
    const child = this.#child
    this.#child = undefined
    return child
  }
}
