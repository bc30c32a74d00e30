/** Deadlines fire under the fake timers of vitest, with its defaults and with all that it can replace. */

import { afterEach, expect, it, vi } from 'vitest'
import { deadlines, expected } from './deadlines.js'

afterEach(() => {
  vi.useRealTimers()
})

it('fire with its defaults', async () => {
  vi.useFakeTimers()
  expect(await deadlines((ms) => vi.advanceTimersByTimeAsync(ms))).toEqual(expected)
})

it('fire where the clock and the timers are replaced, and nothing else', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
  expect(await deadlines((ms) => vi.advanceTimersByTimeAsync(ms))).toEqual(expected)
})
