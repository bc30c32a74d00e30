/** What a controller gets by `@Ctx()`: the call, as handlers of a grid know it, in the form of the other transports of NestJS. */

import { BaseRpcContext } from '@nestjs/microservices'
import type { HandlerContext } from '../../index.ts'

export class GridContext extends BaseRpcContext<[call: HandlerContext, closing: AbortSignal]> {
  /** Of this call only, as are the signals that it follows. */
  #draining: AbortController | undefined

  /**
   * Who calls, until when, with which metadata; its `signal` aborts when the answer is no longer wanted: the caller has
   * unsubscribed, its deadline has passed, or it is gone.
   */
  get call(): HandlerContext {
    return this.args[0]
  }

  /** Aborts when the app or one of both grids begins to close: an observable without an end completes now. */
  get draining(): AbortSignal {
    this.#draining ??= this.#follow([this.args[0].draining, this.args[1]])
    return this.#draining.signal
  }

  /** Node keeps what `AbortSignal.any` makes for as long as it has a listener, also when the call is long over. */
  #follow(signals: readonly AbortSignal[]): AbortController {
    const following = new AbortController()
    for (const signal of signals) {
      if (signal.aborted) following.abort(signal.reason)
      else signal.addEventListener('abort', () => following.abort(signal.reason), { once: true })
    }
    return following
  }

  /** The pattern; of an object its text, with its keys in order. */
  getPattern(): string {
    return this.call.handler
  }

  /** The texts that were sent beside the payload, as `setOnDispatchHook` of a client sets them. */
  getMetadata(): Record<string, string> {
    const texts = Object.entries(this.call.metadata).filter((entry): entry is [string, string] => {
      return typeof entry[1] === 'string'
    })
    return Object.fromEntries(texts)
  }
}
