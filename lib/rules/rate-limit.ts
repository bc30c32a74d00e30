/**
 * An interceptor that lets only so many calls a second pass: a token bucket for each peer, or for whatever key.
 *
 * It uses what every interceptor has.
 */

import { shield } from '../base/promise.ts'
import { aFunction, aWholeNumber, type Kind, optionsReader, required } from '../errors/check.ts'
import { RejectedError } from '../errors/errors.ts'
import type { HandlerCall } from '../hooks/call-info.ts'
import type { HandlerInterceptor } from '../hooks/interceptor.ts'
import { rateText } from './refusal-text.ts'

export interface RateLimitOptions {
  /** Calls that pass, of each key. */
  readonly perSecond: number
  /** Calls that pass at once. Default `perSecond`, and at least 1. */
  readonly burst?: number
  /** The key of a call. Default its `host`: each peer has a bucket of its own. */
  readonly by?: (call: HandlerCall) => string
  /** Keys that are remembered. Of more, the one that was not used for longest is forgotten. Default 10 000. */
  readonly maxKeys?: number
}

const aRate: Kind = {
  must: 'must be a number above 0',
  is: (value) => typeof value === 'number' && value > 0 && value < Number.POSITIVE_INFINITY
}

const readRateLimit = optionsReader<RateLimitOptions>('rateLimit()', {
  perSecond: required(aRate),
  burst: { must: 'must be a number of at least 1', is: (value) => aRate.is(value) && (value as number) >= 1 },
  by: aFunction,
  maxKeys: aWholeNumber(1, 2 ** 24)
})

interface Bucket {
  tokens: number
  /** Of `performance.now()`. */
  atMs: number
}

/**
 * For handlers: refuses calls that come faster, as a `RejectedError` with the reason `rateLimited`. Its
 * `details.retryAfterMs` says when one may pass.
 *
 * @throws {InvalidOptionError} when an option is wrong
 */
export function rateLimit(options: RateLimitOptions): HandlerInterceptor {
  const { perSecond, burst = Math.max(1, perSecond), by, maxKeys = 10_000 } = readRateLimit(options)
  const buckets = new Map<string, Bucket>()
  const take = (call: HandlerCall): void => {
    const given: unknown = by === undefined ? call.host : by(call)
    shield(given)
    const key = String(given)
    const nowMs = performance.now()
    const bucket = buckets.get(key) ?? { tokens: burst, atMs: nowMs }
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) * perSecond) / 1000)
    bucket.atMs = nowMs
    // The latest is last.
    buckets.delete(key)
    if (buckets.size >= maxKeys) buckets.delete(buckets.keys().next().value ?? '')
    buckets.set(key, bucket)
    if (bucket.tokens < 1) throw createRefusal(perSecond, ((1 - bucket.tokens) / perSecond) * 1000)
    bucket.tokens--
  }
  return {
    single(call, next) {
      take(call)
      return next()
    },
    streaming(call, next) {
      take(call)
      return next()
    }
  }
}

function createRefusal(perSecond: number, waitMs: number): RejectedError {
  const details = { retryAfterMs: Math.ceil(waitMs) }
  return new RejectedError('rateLimited', rateText(perSecond), { details })
}
