/**
 * The errors by which this library itself cancels a call: one for each call, so that the call can tell in it whether it was
 * sent.
 *
 * The reason of a user's signal may be that of many calls, and is left as it is.
 */

import { CancelledError, type Delivery, GridError } from './errors.ts'

/** What was told of each. */
const cancellations = new WeakMap<object, Delivery | undefined>()

/** Of the deliveries of several tries, or of several peers, the first of these is told. */
const worst: readonly (Delivery | undefined)[] = ['maybeRan', 'ran', 'notSent', undefined]

/** Of a call that may have run, until that is known better. */
export function createCancellation(message: string, delivery: Delivery = 'maybeRan'): CancelledError {
  const error = new CancelledError(message, { delivery })
  cancellations.set(error, undefined)
  return error
}

/** The call that is cancelled by `reason` knows its delivery, or that of one of its tries. */
export function tellDelivery(reason: unknown, delivery: Delivery | undefined): void {
  if (typeof reason !== 'object' || reason === null || !cancellations.has(reason)) return
  if (!isWorse(delivery, cancellations.get(reason))) return
  cancellations.set(reason, delivery)
  setDelivery(reason, delivery)
}

export function isWorse(delivery: Delivery | undefined, than: Delivery | undefined): boolean {
  return worst.indexOf(delivery) < worst.indexOf(than)
}

/** The error of the last of several tries, one of which may have run: that it was not sent itself says nothing of the others. */
export function tellMaybeRan(error: unknown): void {
  if (GridError.is(error) && error.delivery === 'notSent') setDelivery(error, 'maybeRan')
}

function setDelivery(error: object, value: Delivery | undefined): void {
  Reflect.defineProperty(error, 'delivery', { value, configurable: true, enumerable: true, writable: true })
}
