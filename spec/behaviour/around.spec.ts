/**
 * The behaviour of calls is that of calls without interceptors: with generators at the caller, through which each message of a
 * stream goes, and with interceptors at the handler that return `next()`. Behind generators `batches()` gives arrays of one, so
 * its theme is left out.
 */

import type { Interceptor } from '../../lib/index.ts'
import { behaviourSuite } from './suite.ts'

const passing: Interceptor = { single: (_call, next) => next(), streaming: (_call, next) => next() }
const reading: Interceptor = {
  async single(_call, next) {
    return await next()
  },
  async *streaming(_call, next) {
    yield* next()
  }
}

const interceptors = { caller: [reading, reading], handler: [passing, passing] }
behaviourSuite('memory', { interceptors }, ' with interceptors', ['many messages at once'])
