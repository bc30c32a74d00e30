/** What a handler knows of its call, and that what it does not ask for is not made. */

import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { getEventListeners } from 'node:events'
import { describe, it, mock } from 'node:test'
import { encodeMsgpack } from '../../lib/msgpack/msgpack.ts'
import { CallContext } from '../../lib/responder/context.ts'

const names = { host: 'https://a', role: 'host', instance: '00', session: '00' } as const
const remote = Object.freeze({ ...names, identity: {}, address: '10.0.0.7:1' })
const entry = { kind: 0, inCapacity: 0, outCapacity: 1, subroute: 'disk1', id: 'lock' }

/** Of the session of a call that has one. */
let session = new AbortController()

function contextOf(deadlineMs = 0, metadata?: Uint8Array): CallContext {
  session = new AbortController()
  return new CallContext({ remote, draining: session.signal }, entry, { deadlineMs }, metadata)
}

describe('the context of a call', () => {
  it('names the remote, the handler and the subroute', () => {
    const context = contextOf()
    assert.deepEqual([context.remote, context.handler, context.subroute], [remote, 'lock', 'disk1'])
  })

  it('has the deadline in ms since the epoch, and none where there is none', () => {
    assert.equal(contextOf().deadline, undefined)
    const before = Date.now()
    const deadline = contextOf(performance.now() + 5000).deadline ?? 0
    // Both clocks are read, one after the other, and this one has whole ms.
    assert.ok(deadline >= before + 4998 && deadline <= Date.now() + 5002, `${deadline - before} ms`)
  })

  it('has one signal, which aborts with the reason', () => {
    const context = contextOf()
    const { signal } = context
    let heard: unknown
    signal.addEventListener('abort', () => {
      heard = signal.reason
    })
    assert.equal(signal.aborted, false)
    const reason = new Error('cancelled')
    context.abort({ reason })
    assert.deepEqual([signal.aborted, heard, context.signal === signal], [true, reason, true])
  })

  it('has a signal that is aborted already when it is asked for after the abort', () => {
    const context = contextOf()
    const reason = new Error('cancelled')
    context.abort({ reason })
    assert.deepEqual([context.signal.aborted, context.signal.reason], [true, reason])
  })

  it('has one draining signal, which aborts when the session drains, and not by the end of the call', () => {
    const context = contextOf()
    const { draining } = context
    context.abort({ reason: new Error('cancelled') })
    assert.equal(draining.aborted, false)
    const reason = new Error('it drains')
    session.abort(reason)
    assert.deepEqual([draining.aborted, draining.reason, context.draining === draining], [true, reason, true])
    assert.equal(context.signal.aborted, true)
  })

  it('has a draining signal that is aborted already when it is asked for later', () => {
    const context = contextOf()
    session.abort(new Error('it drains'))
    assert.deepEqual([context.draining.aborted, context.draining.reason.message], [true, 'it drains'])
    context.end()
    assert.equal(context.draining.aborted, true)
  })

  it('leaves nothing at its session once its handler has ended, whenever its draining signal is asked for', () => {
    const listeners = () => getEventListeners(session.signal, 'abort').length
    const asked = contextOf()
    assert.equal(asked.draining.aborted, false)
    assert.equal(listeners(), 1)
    asked.end()
    assert.equal(listeners(), 0)
    const late = contextOf()
    late.end()
    const { draining } = late
    assert.equal(listeners(), 0)
    session.abort()
    assert.equal(draining.aborted, false)
  })

  it('calls the listeners of its draining signal in the async context that asked for it first', () => {
    const storage = new AsyncLocalStorage<string>()
    const context = contextOf()
    let seen: string | undefined
    storage.run('the call', () => {
      context.draining.addEventListener('abort', () => {
        seen = storage.getStore()
      })
    })
    storage.run('the session', () => session.abort())
    assert.equal(seen, 'the call')
  })

  it('makes no AbortController for a handler that does not ask for its signals', () => {
    const context = contextOf()
    const made = mock.method(globalThis, 'AbortController', function fail(): never {
      throw new Error('an AbortController was made')
    } as never)
    try {
      context.abort({ reason: new Error('cancelled') })
      context.end()
      assert.equal(made.mock.callCount(), 0)
    } finally {
      made.mock.restore()
    }
  })

  it('has empty metadata, which cannot be changed, where none was sent', () => {
    const { metadata } = contextOf()
    assert.deepEqual(metadata, {})
    assert.ok(Object.isFrozen(metadata))
  })

  it('has the metadata that was sent, decoded once', () => {
    const sent = { trace: '7f', sampled: true, hops: 3, blob: Uint8Array.of(1), none: null }
    const context = contextOf(0, encodeMsgpack(sent))
    assert.deepEqual({ ...context.metadata, blob: [...(context.metadata.blob as Uint8Array)] }, { ...sent, blob: [1] })
    assert.equal(context.metadata, context.metadata)
  })

  it('throws a CodecError for metadata that is no map of plain values, only when it is asked for', () => {
    const bad = [
      Uint8Array.of(0xc1),
      new Uint8Array(),
      ...[7, 'text', null, [1], { a: [1] }, { a: { b: 1 } }, { a: new Date(0) }].map(encodeMsgpack)
    ]
    for (const metadata of bad) {
      const context = contextOf(0, metadata)
      assert.throws(() => context.metadata, { name: 'CodecError' })
    }
  })
})
