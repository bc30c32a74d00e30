/** Producers of values to send: any iterable, async or plain. */

/** Anything that `for await` accepts. */
export type Producer<T> = AsyncIterable<T> | Iterable<T | PromiseLike<T>>

export type Result<T> = IteratorResult<T | PromiseLike<T>>

export type Iterators<T> = { next(): Result<T> | Promise<Result<T>>; return?(): unknown }

/** Ends a producer that will not be pulled, so that its own source ends too. */
export function unwind<T>(producer: Producer<T>): void {
  const ignore = () => undefined
  try {
    const returned = getIterator(producer).return?.()
    if (isPromise(returned)) returned.then(ignore, ignore)
  } catch {
    // Ignored: the stream has failed already, with an error of its own.
  }
}

export function isPromise<T>(value: unknown): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<T>).then === 'function'
}

export function getIterator<T>(producer: Producer<T>): Iterators<T> {
  if (Symbol.asyncIterator in producer) return producer[Symbol.asyncIterator]()
  return producer[Symbol.iterator]()
}
