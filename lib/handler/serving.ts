/** Holds calls of peers back until this server is ready to serve them; refuses them if it does not get ready. */

import { type Logger, logThrown } from '../errors/logger.ts'

/** What becomes of a call that is held. */
interface Held {
  readonly start: () => void
  readonly refuse: () => void
}

/** For the callers; the reason may hold anything, and is logged here. */
export const notReadyText = 'this server is not ready to serve calls'

export class Serving {
  readonly #local: string
  #state: 'waiting' | 'open' | 'failed' = 'waiting'
  /** By the one that holds it. */
  readonly #held = new Map<object, Held>()

  /** @param onFailed hears why it does not get ready */
  constructor(local: string, ready: PromiseLike<unknown>, onFailed: (error: unknown) => void) {
    this.#local = local
    Promise.resolve(ready).then(
      () => this.#end('open'),
      (error) => {
        onFailed(error)
        this.#end('failed')
      }
    )
  }

  /** For calls of `host`: none for those of this server itself, which may need them to get ready. */
  of(host: string): Serving | undefined {
    return host === this.#local ? undefined : this
  }

  get isOpen(): boolean {
    return this.#state === 'open'
  }

  get hasFailed(): boolean {
    return this.#state === 'failed'
  }

  /** Calls `start` when this server is ready, or `refuse` when it will not be. */
  hold(call: object, held: Held): void {
    this.#held.set(call, held)
  }

  /** The call is over. */
  forget(call: object): void {
    this.#held.delete(call)
  }

  #end(state: 'open' | 'failed'): void {
    this.#state = state
    for (const [call, { start, refuse }] of this.#held) {
      this.#held.delete(call)
      if (state === 'open') start()
      else refuse()
    }
  }
}

/** Undefined where there is nothing to wait for. */
export function createServing(local: string, ready: PromiseLike<unknown> | undefined, logger: Logger) {
  if (ready === undefined) return undefined
  return new Serving(local, ready, (error) =>
    logThrown(logger, `${local} refuses all calls, since serveWhen rejected`, error)
  )
}
