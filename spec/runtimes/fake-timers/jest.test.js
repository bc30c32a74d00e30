/** Deadlines fire under the fake timers of jest, with its defaults, which replace `process.nextTick` too, and without. */

import { afterEach, expect, it, jest } from '@jest/globals'
import { deadlines, expected } from './deadlines.js'

afterEach(() => {
  jest.useRealTimers()
})

it('fire with its defaults', async () => {
  jest.useFakeTimers()
  expect(await deadlines((ms) => jest.advanceTimersByTimeAsync(ms))).toEqual(expected)
})

it('fire where ticks and microtasks are left alone', async () => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] })
  expect(await deadlines((ms) => jest.advanceTimersByTimeAsync(ms))).toEqual(expected)
})
