/** Waiting no longer than a signal allows: what comes of the work, and that no listener is left on the signal. */

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, it } from 'node:test'
import { listenToAbort, unlessAborted } from '../../lib/base/abort.ts'
import { settled } from '../support/until.ts'

const reason = new Error('no longer')

function listeners(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length
}

/** Work that the spec ends. */
function work() {
  let done = (_value: string) => {}
  let fail = (_error: Error) => {}
  const promise = new Promise<string>((resolve, reject) => {
    done = resolve
    fail = reject
  })
  return { promise, done, fail }
}

describe('unlessAborted', () => {
  it('gives what the work gives, or throws what it throws, and leaves no listener', async () => {
    const { signal } = new AbortController()
    const [good, bad] = [work(), work()]
    const results = [unlessAborted(good.promise, signal), unlessAborted(bad.promise, signal)]
    assert.equal(listeners(signal), 2)
    good.done('value')
    bad.fail(new Error('failed'))
    const [first, second] = await Promise.allSettled(results)
    assert.deepEqual(first, { status: 'fulfilled', value: 'value' })
    assert.match(String((second as PromiseRejectedResult).reason), /failed/)
    assert.equal(listeners(signal), 0)
  })

  it('rejects with the reason as soon as the signal aborts, and leaves no listener though the work goes on', async () => {
    const controller = new AbortController()
    const result = unlessAborted(work().promise, controller.signal)
    controller.abort(reason)
    assert.equal(listeners(controller.signal), 0)
    await assert.rejects(result, reason)
  })

  for (const when of ['before', 'during'] as const) {
    it(`discards what the work gives after an abort ${when} it, and ignores what it throws`, async () => {
      const controller = new AbortController()
      const [good, bad] = [work(), work()]
      const discarded: string[] = []
      const discard = (value: string) => discarded.push(value)
      if (when === 'before') controller.abort(reason)
      const results = [good, bad].map(({ promise }) => unlessAborted(promise, controller.signal, discard))
      controller.abort(reason)
      for (const result of results) await assert.rejects(result, reason)
      assert.deepEqual(discarded, [])
      good.done('late')
      bad.fail(new Error('late'))
      await settled(() => discarded.length)
      assert.deepEqual([discarded, listeners(controller.signal)], [['late'], 0])
    })
  }
})

describe('listenToAbort', () => {
  it('calls once, at the abort or at once when that is over, and not after it was taken off', () => {
    const controller = new AbortController()
    const { signal } = controller
    const heard: string[] = []
    listenToAbort(signal, () => heard.push('kept'))
    listenToAbort(signal, () => heard.push('left'))()
    assert.equal(listeners(signal), 1)
    controller.abort(reason)
    listenToAbort(signal, () => heard.push('late'))
    assert.deepEqual(heard, ['kept', 'late'])
  })
})
