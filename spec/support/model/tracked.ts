/** Producers that the model watches: when the library pulls them, and that each of them is over in the end. */

import type { Half } from './half.ts'

export interface Watch {
  /** Whose messages it makes. */
  readonly half: Half
  /** The library asks it for its iterator. */
  readonly onEntered?: () => void
  /** It has ended, thrown, or was unwound; called once. */
  readonly onLeft: () => void
}

/** `producer`, watched from now on. */
export function trackedAsync<T>(producer: AsyncGenerator<T, void>, watch: Watch): AsyncIterableIterator<T, void> {
  const leave = once(watch.onLeft)
  const watched: AsyncIterableIterator<T, void> = {
    async next() {
      watch.half.onPulled()
      try {
        const result = await producer.next()
        if (result.done === true) leave()
        return result
      } catch (error) {
        leave()
        throw error
      }
    },
    async return() {
      const result = await producer.return()
      leave()
      return result
    },
    [Symbol.asyncIterator]() {
      watch.onEntered?.()
      return watched
    }
  }
  return watched
}

/** The same for a plain one. */
export function trackedPlain<T>(producer: Generator<T, void>, watch: Watch): IterableIterator<T, void> {
  const leave = once(watch.onLeft)
  const watched: IterableIterator<T, void> = {
    next() {
      watch.half.onPulled()
      try {
        const result = producer.next()
        if (result.done === true) leave()
        return result
      } catch (error) {
        leave()
        throw error
      }
    },
    return() {
      const result = producer.return()
      leave()
      return result
    },
    [Symbol.iterator]() {
      watch.onEntered?.()
      return watched
    }
  }
  return watched
}

function once(fn: () => void): () => void {
  let isDue = true
  return () => {
    if (isDue) fn()
    isDue = false
  }
}
