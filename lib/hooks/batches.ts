/** Arrays of messages where nothing is known of those that follow: each has one. */

import type { Messages } from '../stream/source.ts'

export function batchesOf<T>(messages: Messages<T>): AsyncIterableIterator<T[], undefined> {
  const batches: AsyncIterableIterator<T[], undefined> = {
    next: async () => {
      const { done, value } = await messages.next()
      return done === true ? { done, value: undefined } : { done: false, value: [value as T] }
    },
    return: async () => {
      await messages.return?.()
      return { done: true, value: undefined }
    },
    throw: (reason) => messages.throw?.(reason) as Promise<never>,
    [Symbol.asyncIterator]: () => batches
  }
  return batches
}
