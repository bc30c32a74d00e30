/** The options: what is laid over the defaults, and what is refused by name. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  batchBytes,
  defaultKeepAlive,
  defaultLimits,
  defaultReconnect,
  fragmentBytes,
  maxConnMessageBytes,
  numbersReader
} from '../../lib/errors/options.ts'

describe('numbersReader', () => {
  it('gives the defaults where nothing is given', () => {
    assert.deepEqual(numbersReader('limits', defaultLimits)(undefined), defaultLimits)
    assert.deepEqual(numbersReader('limits', defaultLimits)({}), defaultLimits)
    assert.deepEqual(numbersReader('keepAlive', defaultKeepAlive)({ intervalMs: undefined }), defaultKeepAlive)
  })

  it('lays what is given over them, and changes neither', () => {
    const given = Object.freeze({ maxHandlers: 7 })
    assert.deepEqual(numbersReader('limits', defaultLimits)(given), { ...defaultLimits, maxHandlers: 7 })
    assert.equal(defaultLimits.maxHandlers, 4096)
  })

  it('cannot be changed afterwards', () => {
    assert.ok(Object.isFrozen(numbersReader('reconnect', defaultReconnect)({ firstDelayMs: 1 })))
    for (const defaults of [defaultLimits, defaultKeepAlive, defaultReconnect]) assert.ok(Object.isFrozen(defaults))
  })

  it('refuses an option that does not exist, and names those that do', () => {
    const given = { intervalMS: 5 } as object
    const message = 'keepAlive has no option "intervalMS" (did you mean "intervalMs"?); it has intervalMs'
    assert.throws(() => numbersReader('keepAlive', defaultKeepAlive)(given), { name: 'InvalidOptionError', message })
    for (const name of ['toString', '__proto__', 'constructor']) {
      const inherited = Object.fromEntries([[name, 1]])
      assert.throws(() => numbersReader('limits', defaultLimits)(inherited), { name: 'InvalidOptionError' })
    }
  })

  it('refuses what is not a whole number from 1 to 2^31-1, by its name', () => {
    const message = /^keepAlive\.intervalMs must be a whole number from 1 to 2\^31-1; it is /
    const bad = [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '5', null, 5n, true, {}]
    for (const intervalMs of bad as number[]) {
      assert.throws(() => numbersReader('keepAlive', defaultKeepAlive)({ intervalMs }), {
        name: 'InvalidOptionError',
        message
      })
    }
    assert.equal(numbersReader('keepAlive', defaultKeepAlive)({ intervalMs: 2 ** 31 - 1 }).intervalMs, 2 ** 31 - 1)
  })
})

describe('the defaults', () => {
  it('fit each other: a largest message in fragments, a frame behind a full batch', () => {
    assert.ok(defaultLimits.maxFragments * fragmentBytes >= defaultLimits.maxMessageBytes)
    assert.ok(maxConnMessageBytes(defaultLimits) >= batchBytes + fragmentBytes + defaultLimits.maxMetadataBytes + 1024)
    assert.ok(maxConnMessageBytes(defaultLimits) >= defaultLimits.maxHandshakeBytes)
    assert.ok(defaultLimits.streamWindowBytes >= 2 * batchBytes)
  })

  it('never allow a message that a length cannot say, whatever the limit of metadata', () => {
    assert.equal(maxConnMessageBytes({ maxMetadataBytes: 2 ** 31 - 1 }), 2 ** 31 - 1)
  })
})
