/** Producers that the model watches: when the library pulls them, and that each of them is over in the end. */

import type { Half } from './half.ts'

type Producer = Generator<Uint8Array, void> | AsyncGenerator<Uint8Array, void>
type Step = IteratorResult<Uint8Array, void>

export interface Watch {
  /** Whose messages it makes. */
  readonly half: Half
  /** The library asks it for its iterator. */
  readonly onEntered?: () => void
  /** It has ended, thrown, or was unwound; called once. */
  readonly onLeft: () => void
}

/** `producer`, watched from now on. */
export function tracked<P extends Producer>(producer: P, { half, onEntered, onLeft }: Watch): P {
  const next: () => Step | Promise<Step> = producer.next.bind(producer)
  const unwind = producer.return.bind(producer) as (value?: undefined) => Step | Promise<Step>
  let hasLeft = false
  const leave = () => {
    if (!hasLeft) onLeft()
    hasLeft = true
  }
  const onStep = (step: Step) => {
    if (step.done === true) leave()
    return step
  }
  const onFailed = (error: unknown) => {
    leave()
    throw error
  }
  const watched = (take: () => Step | Promise<Step>) => {
    try {
      const step = take()
      return step instanceof Promise ? step.then(onStep, onFailed) : onStep(step)
    } catch (error) {
      return onFailed(error)
    }
  }
  const enter = () => {
    onEntered?.()
    return producer
  }
  return Object.assign(producer, {
    next() {
      half.onPulled()
      return watched(next)
    },
    return: () => watched(unwind),
    [Symbol.asyncIterator in producer ? Symbol.asyncIterator : Symbol.iterator]: enter
  })
}
