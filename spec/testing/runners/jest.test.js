/** The test kit under jest, with real timers and with its fake ones, which replace `process.nextTick` and microtasks as well. */

import { afterEach, expect, it, jest } from '@jest/globals'
import { fakeTimers, realTimers } from './facts.js'

afterEach(() => {
  jest.useRealTimers()
})

it('works with real timers', realTimers)

it('works with fake timers', async () => {
  jest.useFakeTimers()
  const tookMs = await fakeTimers((ms) => jest.advanceTimersByTimeAsync(ms))
  console.log(`30 s took ${Math.round(tookMs)} ms of a processor`)
})

it('says that they are not on', async () => {
  await expect(fakeTimers(async () => {})).rejects.toThrow(
    /moved performance.now\(\) by \d+ ms: are the fake timers on/
  )
})
