/**
 * Listening to a signal, and waiting no longer than it allows: what comes of the work, which subscribers are told and in which
 * order, and that no listener is left on the signal.
 */

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, it } from 'node:test'
import { createSharedController, listenToAbort, unlessAborted } from '../../lib/base/abort.ts'
import { ForeignSignal } from '../support/calls/foreign-signal.ts'
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
    assert.equal(listeners(signal), 1)
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

describe('the subscribers of one signal', () => {
  it('are told the reason in the order in which they came, once', () => {
    const controller = new AbortController()
    const told: unknown[] = []
    for (const name of ['a', 'b', 'c']) listenToAbort(controller.signal, (reason) => told.push(name, reason))
    assert.equal(listeners(controller.signal), 1)
    controller.abort(7)
    assert.deepEqual(told, ['a', 7, 'b', 7, 'c', 7])
    assert.equal(listeners(controller.signal), 0)
  })

  it('are not told once they have left: the first, the last, one that leaves twice, one that leaves while others are told', () => {
    const controller = new AbortController()
    const told: string[] = []
    const leave = ['a', 'b', 'c', 'd', 'e'].map((name) => {
      return listenToAbort(controller.signal, () => {
        told.push(name)
        if (name === 'c') leave[3]?.()
      })
    })
    leave[0]?.()
    leave[0]?.()
    leave[4]?.()
    controller.abort()
    assert.deepEqual(told, ['b', 'c'])
  })

  it('leave nothing when the last has gone, and begin anew', () => {
    const { signal } = new AbortController()
    for (let round = 0; round < 2; round++) {
      const leave = [1, 2, 3].map(() => listenToAbort(signal, () => assert.fail()))
      for (const each of leave) each()
      assert.equal(listeners(signal), 0)
    }
  })

  it('are all told when one of them throws, and the signal is left to tell of that', () => {
    const foreign = new ForeignSignal(() => 7)
    const told: unknown[] = []
    listenToAbort(foreign.signal, () => {
      throw new Error('of the first')
    })
    listenToAbort(foreign.signal, (reason) => told.push(reason))
    assert.throws(() => foreign.abort(), /of the first/)
    assert.deepEqual([told, foreign.listeners], [[7], 0])
  })

  it('that come while others are told are told at once', () => {
    const controller = new AbortController()
    const told: string[] = []
    let leave = () => {}
    listenToAbort(controller.signal, () => {
      told.push('first')
      leave = listenToAbort(controller.signal, () => told.push('late'))
    })
    controller.abort()
    assert.deepEqual(told, ['first', 'late'])
    leave()
    assert.equal(listeners(controller.signal), 0)
  })

  it('are not the eleventh listener, of whom Node warns', async () => {
    const { signal } = new AbortController()
    const warnings: Error[] = []
    const onWarning = (warning: Error) => warnings.push(warning)
    process.on('warning', onWarning)
    for (let count = 0; count < 10; count++) signal.addEventListener('abort', () => {})
    listenToAbort(signal, () => assert.fail())()
    await new Promise(setImmediate)
    process.off('warning', onWarning)
    assert.deepEqual(warnings, [])
  })
})

describe('a signal that is given to users', () => {
  it('has one `onabort`, which is read back, replaced and taken away like that of any signal', () => {
    const controller = createSharedController()
    const { signal } = controller
    const told: string[] = []
    assert.equal(signal.onabort, null)
    signal.onabort = () => told.push('replaced')
    const last = function (this: AbortSignal, event: Event) {
      told.push(`${event.type} of ${this === signal}`)
    }
    signal.onabort = last
    assert.equal(signal.onabort, last)
    const taken = createSharedController()
    taken.signal.onabort = () => told.push('taken away')
    taken.signal.onabort = null
    assert.equal(taken.signal.onabort, null)
    taken.abort()
    controller.abort()
    assert.deepEqual(told, ['abort of true'])
  })

  it('loses what was added with another signal, once that aborts', () => {
    const controller = createSharedController()
    const other = new AbortController()
    let told = 0
    controller.signal.addEventListener('abort', () => told++, { signal: other.signal })
    other.abort()
    assert.equal(listeners(controller.signal), 0)
    controller.abort()
    assert.equal(told, 0)
  })

  it('adds what `onabort` is given by its own method, where what it throws is dropped', () => {
    // Bun has an `onabort` that does not call that method.
    const { signal } = createSharedController()
    const { addEventListener } = signal
    let added = 0
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      added++
      addEventListener.apply(signal, args)
    }
    assert.ok(
      Object.hasOwn(Object.getPrototypeOf(signal), 'onabort') && Object.getPrototypeOf(signal) !== AbortSignal.prototype
    )
    signal.onabort = () => undefined
    assert.equal(added, 1)
  })
})
