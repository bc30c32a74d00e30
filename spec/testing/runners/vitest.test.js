/** The test kit under vitest, with real timers and with its fake ones. */

import { afterEach, expect, it, vi } from 'vitest'
import { fakeTimers, realTimers } from './facts.js'

afterEach(() => {
  vi.useRealTimers()
})

it('works with real timers', realTimers)

it('works with fake timers', async () => {
  vi.useFakeTimers()
  const tookMs = await fakeTimers((ms) => vi.advanceTimersByTimeAsync(ms))
  console.log(`30 s took ${Math.round(tookMs)} ms of a processor`)
})

it('says that they are not on', async () => {
  await expect(fakeTimers((ms) => vi.advanceTimersByTimeAsync(ms))).rejects.toThrow(/useFakeTimers/)
})
