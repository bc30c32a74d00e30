/** The handshake cut short: by its signal at each step, and by an `Auth` that fails. */

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, it } from 'node:test'
import { defaultLimits } from '../../lib/errors/options.ts'
import type { Auth } from '../../lib/peer/auth.ts'
import { Deadline, type DialInit, dialPeer } from '../../lib/peer/dial.ts'
import { errorOf, exchange, fieldsOf, generic, secret, unproven, Wire } from '../support/raw/handshake.ts'

describe('an auth that fails', () => {
  const secretText = new Error('vault is sealed')
  const failing = {
    'throws in prove': {
      ...secret,
      prove: () => {
        throw secretText
      }
    },
    'rejects in prove': { ...secret, prove: () => Promise.reject(secretText) },
    'throws in verify': {
      ...secret,
      verify: () => {
        throw secretText
      }
    },
    'rejects in verify': { ...secret, verify: () => Promise.reject(secretText) }
  }
  for (const [name, auth] of Object.entries(failing)) {
    it(`and ${name} ends the handshake; its text stays on its side`, async () => {
      const atListener = await exchange({ listen: { auth } })
      assert.equal(errorOf(atListener.listened).name, 'HandshakeError')
      assert.match(errorOf(atListener.listened).message, /vault is sealed$/)
      assert.equal(errorOf(atListener.listened).cause, secretText)
      assert.equal(errorOf(atListener.dialed).message, unproven)
      assert.deepEqual(fieldsOf(atListener.wire.toDialer.sent.at(-1)), generic)

      const atDialer = await exchange({ dial: { auth } })
      assert.equal(errorOf(atDialer.dialed).name, 'HandshakeError')
      assert.match(errorOf(atDialer.dialed).message, /vault is sealed$/)
    })
  }

  it('and gives a proof of the wrong type or size ends the handshake', async () => {
    for (const proof of ['text', undefined, new Uint8Array(4097)]) {
      const prove = () => proof as Uint8Array
      const { dialed } = await exchange({ dial: { auth: { ...secret, prove } } })
      assert.match(errorOf(dialed).message, /auth.prove must return a Uint8Array of at most 4096 bytes$/)
    }
  })
})

describe('the signal', () => {
  const never = () => new Promise<never>(() => {})
  const reason = new Error('the deadline has passed')

  /** Runs one end whose `stuck` step aborts the signal and then never settles. */
  async function expectAbort(side: 'dial' | 'listen', stuckAt: number | 'prove' | 'verify') {
    const controller = new AbortController()
    const stuck = () => {
      controller.abort(reason)
      return never()
    }
    const wire = new Wire()
    const end = side === 'dial' ? wire.dialerEnd : wire.listenerEnd
    let reads = 0
    const read = () => (reads++ === stuckAt ? stuck() : end.read())
    const written: Uint8Array[] = []
    const write = (bytes: Uint8Array) => {
      assert.ok(!controller.signal.aborted, 'wrote after the signal')
      written.push(bytes)
      end.write(bytes)
    }
    const auth: Auth = { ...secret, ...(typeof stuckAt === 'string' ? { [stuckAt]: stuck } : {}) }
    const init = { signal: controller.signal, wire: { ...end, read, write }, auth }
    const ended = side === 'dial' ? wire.dial(init) : wire.listen(init)
    const other = side === 'dial' ? wire.listen() : wire.dial()
    await assert.rejects(ended, reason)
    // A listener that has accepted before the dialer gave up learns of it from the conn.
    await Promise.allSettled([other])
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
  }

  for (const side of ['dial', 'listen'] as const) {
    for (const stuckAt of [0, 1, 'prove', 'verify'] as const) {
      const where = typeof stuckAt === 'number' ? `waiting for message ${stuckAt + 1}` : `in auth.${stuckAt}`
      it(`ends ${side} at once with its reason while ${where}`, () => expectAbort(side, stuckAt))
    }
  }

  it('that aborted before the start lets nothing be sent', async () => {
    const signal = AbortSignal.abort(reason)
    const { wire, dialed, listened } = await exchange({ dial: { signal }, listen: { signal } })
    assert.deepEqual([errorOf(dialed), errorOf(listened)], [reason, reason])
    assert.deepEqual([...wire.toListener.sent, ...wire.toDialer.sent], [])
  })
})

describe('the deadline of a handshake', () => {
  it('leaves nothing behind once that is done: no timer, and no listener of a signal that outlives it', () => {
    const { signal } = new AbortController()
    const timers = () => process.getActiveResourcesInfo().filter((type) => type === 'Timeout').length
    const before = timers()
    const deadline = new Deadline(performance.now() + 60_000, 'late', signal)
    assert.deepEqual([timers() - before, getEventListeners(signal, 'abort').length], [1, 1])
    deadline.clear()
    assert.deepEqual([timers() - before, getEventListeners(signal, 'abort').length], [0, 0])
  })

  it('is cleared once the dial is done', async () => {
    const { signal } = new AbortController()
    const timers = () => process.getActiveResourcesInfo().filter((type) => type === 'Timeout').length
    const before = timers()
    const none = new Error('no conn')
    const session = { limits: { ...defaultLimits, handshakeTimeoutMs: 60_000 } }
    const init = { session, connect: () => Promise.reject(none) } as unknown as DialInit
    const dial = dialPeer(init, 'http://b', signal)
    assert.deepEqual([timers() - before, getEventListeners(signal, 'abort').length], [1, 1])
    await assert.rejects(dial, none)
    assert.deepEqual([timers() - before, getEventListeners(signal, 'abort').length], [0, 0])
  })
})
