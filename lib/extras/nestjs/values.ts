/**
 * An observable as what a grid reads: against credit, while the observable gives when it likes.
 *
 * What it gives ahead of its caller waits here, up to a bound.
 */

import { concatMap, from, type Observable, type Subscription, takeWhile } from 'rxjs'
import { GridError, type Many, many } from '../../index.ts'

/** No value, which not all codecs have a form for, arrives as null. */
export function orNull(value: unknown): unknown {
  return value === undefined ? null : value
}

export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}

export class Values {
  readonly #maxAhead: number
  #subscription: Subscription | undefined
  #waiting: unknown[] = []
  #end: { readonly error?: unknown } | undefined
  #wake = () => {}

  constructor(source: Observable<unknown>, maxAhead: number) {
    this.#maxAhead = maxAhead
    // An interceptor of NestJS makes an observable of an async generator.
    const each = source.pipe(
      concatMap((value) => (isAsyncIterable(value) ? from(value) : [value])),
      // One that gives all while it is subscribed to cannot be unsubscribed yet.
      takeWhile(() => this.#end === undefined)
    )
    this.#subscription = each.subscribe({
      next: (value) => this.#add(value),
      error: (error) => this.#finish({ error }),
      complete: () => this.#finish({})
    })
    if (this.#end !== undefined) this.#subscription.unsubscribe()
  }

  /** @throws what it failed with */
  async *read(): AsyncGenerator<unknown | Many<unknown>> {
    try {
      for (;;) {
        const values = this.#waiting.splice(0)
        if (values.length > 0) yield values.length === 1 ? values[0] : many(values)
        else if (this.#end === undefined) await this.#woken()
        else if ('error' in this.#end) throw this.#end.error
        else return
      }
    } finally {
      this.#finish({})
    }
  }

  /** Unsubscribes; what waits is not read any more. */
  fail(error: unknown): void {
    if (this.#end === undefined) this.#waiting = []
    this.#finish({ error })
  }

  #add(value: unknown): void {
    if (this.#end !== undefined) return
    this.#waiting.push(orNull(value))
    if (this.#waiting.length > this.#maxAhead) {
      const text = `the observable gave ${this.#maxAhead} values that its caller has not taken (maxAhead): an async generator in its place would wait`
      this.fail(new GridError('ERR_MAX_AHEAD', text))
    }
    this.#wake()
  }

  #finish(end: { readonly error?: unknown }): void {
    this.#end ??= end
    this.#subscription?.unsubscribe()
    this.#wake()
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}
