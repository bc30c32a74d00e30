/** What a user may hand over to be sent, as an iterator: any iterable, async or plain. */

/** What a producer may be: anything that `for await` takes. */
export type Producer<T> = AsyncIterable<T> | Iterable<T | PromiseLike<T>>

export type Result<T> = IteratorResult<T | PromiseLike<T>>

export type Iterators<T> = { next(): Result<T> | Promise<Result<T>>; return?(): unknown }

/** Ends a producer that nobody will pull, so that what stands behind it ends too. */
export function unwind<T>(producer: Producer<T>): void {
  const ignore = () => undefined
  try {
    const returned = iteratorOf(producer).return?.()
    if (isPromise(returned)) returned.then(ignore, ignore)
  } catch {
    // As in a `for await` that was left: its stream has failed already, and tells why.
  }
}

export function isPromise<T>(value: unknown): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<T>).then === 'function'
}

export function iteratorOf<T>(producer: Producer<T>): Iterators<T> {
  if (Symbol.asyncIterator in producer) return producer[Symbol.asyncIterator]()
  return producer[Symbol.iterator]()
}
