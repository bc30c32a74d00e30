/** When the next try is: once, at the earliest moment that was asked for, and later while the process is busy. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Retry } from '../../lib/connection/retry.ts'
import { virtualTime } from '../../lib/extras/testing/index.ts'
import { randomFrom, seed } from '../support/random.ts'

/** The moments of all tries within a minute, in ms. */
async function triesOf(begin: (retry: Retry) => void, isBusy: (ms: number) => boolean = () => false) {
  using clock = virtualTime(randomFrom(seed))
  const tries: number[] = []
  const now = () => clock.nowMs - clock.startMs
  const retry = new Retry(
    () => tries.push(now()),
    () => isBusy(now())
  )
  begin(retry)
  await clock.run(60_000)
  return tries
}

describe('the next try', () => {
  it('is the earliest that was asked for, and the only one', async () => {
    const tries = await triesOf((retry) => {
      retry.in(10_000)
      retry.in(3000)
      retry.in(5000)
    })
    assert.deepEqual(tries, [3000])
  })

  it('is in 100 to 500 ms when it is to be soon, and not later than it would have been', async () => {
    const [soon = 0, ...others] = await triesOf((retry) => {
      retry.in(10_000)
      retry.soon()
    })
    assert.ok(soon >= 100 && soon <= 500, `${soon} ms`)
    assert.deepEqual(others, [])
    const asBefore = await triesOf((retry) => {
      retry.in(50)
      retry.soon()
    })
    assert.deepEqual(asBefore, [50])
  })

  it('is not while handshakes are under way, but then; and after some seconds, though they are', async () => {
    const [after = 0] = await triesOf(
      (retry) => retry.soon(),
      (ms) => ms < 1000
    )
    assert.ok(after >= 1000 && after <= 1300, `${after} ms`)
    const [anyway = 0, ...others] = await triesOf(
      (retry) => retry.soon(),
      () => true
    )
    assert.ok(anyway >= 1100 && anyway <= 6000, `${anyway} ms`)
    assert.deepEqual(others, [])
  })

  it('is none once it was stopped, also while it waits on', async () => {
    assert.deepEqual(
      await triesOf((retry) => {
        retry.soon()
        retry.stop()
      }),
      []
    )
    let isStopped = false
    const tries = await triesOf(
      (retry) => {
        retry.soon()
        setTimeout(() => {
          retry.stop()
          isStopped = true
        }, 700)
      },
      () => !isStopped
    )
    assert.deepEqual(tries, [])
  })
})
