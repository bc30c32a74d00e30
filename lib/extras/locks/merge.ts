/** Several iterables as one, in the order in which their values come. Of each one is pulled, and the next once that is taken. */

/** @param onError hears of one that fails, which ends it and none of the others */
export async function* merge<T>(
  sources: readonly AsyncIterable<T>[],
  onError: (error: unknown) => void
): AsyncGenerator<T, void> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]())
  const there: { readonly value: T; readonly from: AsyncIterator<T> }[] = []
  let open = iterators.length
  let wake = () => {}
  const pull = async (from: AsyncIterator<T>) => {
    try {
      const { done, value } = await from.next()
      if (done === true) open--
      else there.push({ value, from })
    } catch (error) {
      open--
      onError(error)
    }
    wake()
  }
  try {
    for (const iterator of iterators) void pull(iterator)
    while (open > 0) {
      const first = there.shift()
      if (first === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        continue
      }
      yield first.value
      void pull(first.from)
    }
  } finally {
    await Promise.all(iterators.map((iterator) => iterator.return?.()))
  }
}
