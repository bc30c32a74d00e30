/** Single requests of this side against a peer that answers frame by frame: what each answer means to the caller. */

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { afterEach, describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { CallOptions } from '../../lib/call/options.ts'
import { sendRequest } from '../../lib/call/request.ts'
import { rawBytes } from '../../lib/codec/codec.ts'
import { encodeRemoteError } from '../../lib/codec/remote-error.ts'
import { GridError } from '../../lib/errors/errors.ts'
import type { RemoteHandler } from '../../lib/handler/table.ts'
import { CloseCode, Flag, FrameType, ResetCode } from '../../lib/wire/frame.ts'
import { goAway } from '../support/raw/make.ts'
import { type RawPeer, rawPeer } from '../support/raw/peer.ts'
import { until } from '../support/until.ts'

const payload = Buffer.from('payload')
let peer: RawPeer

async function start(): Promise<RawPeer> {
  peer = rawPeer({ role: 'dialer' })
  return peer.start()
}

async function call(options: CallOptions = {}, timeoutMs = 0): Promise<Uint8Array> {
  const handler = peer.session.remoteHandlers.find('', 'raw.single') as RemoteHandler
  return sendRequest(peer.session, handler, payload, rawBytes, timeoutMs, options)
}

/** The error of a call, as what a program looks at. */
async function failure(promise: Promise<unknown>): Promise<[string, unknown, string]> {
  try {
    await promise
  } catch (error) {
    assert.ok(error instanceof GridError, `${error} is a GridError`)
    return [error.constructor.name, error.delivery, error.message]
  }
  throw new assert.AssertionError({ message: 'the call did not fail' })
}

function noCallLeft(): void {
  assert.equal(peer.session.stats().outboundStreams, 0)
}

afterEach(() => peer.stop())

describe('a single request', () => {
  it('is one open frame with the end, and one data frame with the end answers it', async () => {
    await start()
    const answer = call()
    const open = await peer.frame(FrameType.open)
    assert.deepEqual([open.flags, open.streamId, open.handler, open.timeoutMs], [Flag.end, 1, 0, 0])
    peer.send({ type: FrameType.data, flags: Flag.end, streamId: 1, payload })
    assert.deepEqual(await answer, new Uint8Array(payload))
    noCallLeft()
  })

  it('holds its answer no longer than its caller does, also the last one of the process', async () => {
    await start()
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const ask = async () => {
      const answer = call()
      await peer.frame(FrameType.open)
      peer.send({ type: FrameType.data, flags: Flag.end, streamId: 1, payload })
      return new WeakRef(await answer)
    }
    const answer = await ask()
    const isFree = () => {
      collect()
      return answer.deref() === undefined
    }
    await until(isFree, 'nothing holds the answer')
  })

  it('forwards the time that is left, never more', async () => {
    await start()
    const answer = call({}, 5000)
    const { timeoutMs } = await peer.frame(FrameType.open)
    assert.ok(timeoutMs > 4000 && timeoutMs <= 5000, `${timeoutMs} ms`)
    peer.send({ type: FrameType.data, flags: Flag.end, streamId: 1, payload })
    await answer
  })

  it('fails with the error of the handler', async () => {
    await start()
    const failed = failure(call())
    await peer.frame(FrameType.open)
    const error = encodeRemoteError(Object.assign(new Error('no such key'), { code: 'ENOKEY' }))
    peer.send({ type: FrameType.data, flags: Flag.end | Flag.error, streamId: 1, payload: error })
    assert.deepEqual(await failed, ['RemoteError', 'ran', 'no such key'])
    noCallLeft()
  })

  const resets: [string, number, string, string][] = [
    ['a cancel', ResetCode.cancelled, 'CancelledError', 'maybeRan'],
    ['a deadline', ResetCode.deadline, 'DeadlineError', 'maybeRan'],
    ['an unknown handler', ResetCode.unknownHandler, 'RejectedError', 'notSent'],
    ['too many streams', ResetCode.tooManyStreams, 'RejectedError', 'notSent'],
    ['going away', ResetCode.goingAway, 'RejectedError', 'notSent'],
    ['a shutdown', ResetCode.shutdown, 'DisconnectedError', 'maybeRan'],
    ['a message too large', ResetCode.messageTooLarge, 'MessageTooLargeError', 'notSent'],
    ['a broken window', ResetCode.flowControl, 'FlowControlError', 'maybeRan'],
    ['a broken rule', ResetCode.streamProtocol, 'StreamResetError', 'maybeRan'],
    ['a code of a later version', 4711, 'StreamResetError', 'maybeRan']
  ]
  for (const [title, code, name, delivery] of resets) {
    it(`fails with ${name}, ${delivery}, when it is reset for ${title}`, async () => {
      await start()
      const failed = failure(call())
      await peer.frame(FrameType.open)
      peer.send({ type: FrameType.reset, flags: 0, streamId: 1, code, text: 'the text' })
      const [actualName, actualDelivery, message] = await failed
      assert.deepEqual([actualName, actualDelivery], [name, delivery])
      assert.match(message, /the text/)
      noCallLeft()
    })
  }

  it('is reset, and fails, when the answer does not end its half', async () => {
    await start()
    const failed = failure(call())
    await peer.frame(FrameType.open)
    peer.send({ type: FrameType.data, flags: 0, streamId: 1, payload })
    assert.equal((await failed)[0], 'ProtocolError')
    assert.equal((await peer.frame(FrameType.reset)).code, ResetCode.streamProtocol)
    noCallLeft()
  })

  it('fails when the half ends without an answer', async () => {
    await start()
    const failed = failure(call())
    await peer.frame(FrameType.open)
    peer.send({ type: FrameType.data, flags: Flag.end | Flag.bare, streamId: 1, payload })
    assert.equal((await failed)[0], 'ProtocolError')
    noCallLeft()
  })

  it('is notSent when the remote went away before it saw the open, and maybeRan when it had', async () => {
    await start()
    const seen = failure(call())
    const unseen = failure(call())
    await until(() => peer.of(FrameType.open).length === 2, 'both are open')
    peer.send(goAway(1, 'bye', CloseCode.shutdown))
    assert.deepEqual((await unseen).slice(0, 2), ['DisconnectedError', 'notSent'])
    peer.cut()
    const [name, delivery, message] = await seen
    assert.deepEqual([name, delivery], ['DisconnectedError', 'maybeRan'])
    assert.match(message, /bye/)
  })
})

describe('a cancelled request', () => {
  it('sends no frame when its signal is aborted already', async () => {
    await start()
    await assert.rejects(call({ signal: AbortSignal.abort(new Error('early')) }), /early/)
    const later = call()
    const open = await peer.frame(FrameType.open)
    assert.equal(open.streamId, 1, 'the first open is that of the next call')
    peer.send({ type: FrameType.data, flags: Flag.end, streamId: 1, payload })
    await later
  })

  it('sends one reset and rejects with the reason of the signal', async () => {
    await start()
    const controller = new AbortController()
    const cancelled = call({ signal: controller.signal })
    await peer.frame(FrameType.open)
    const reason = new Error('not wanted')
    controller.abort(reason)
    await assert.rejects(cancelled, (error) => error === reason)
    const reset = await peer.frame(FrameType.reset)
    assert.deepEqual([reset.code, reset.text], [ResetCode.cancelled, 'not wanted'])
    noCallLeft()
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
  })

  it('ignores the answer that was on its way', async () => {
    await start()
    const controller = new AbortController()
    const cancelled = call({ signal: controller.signal })
    await peer.frame(FrameType.open)
    controller.abort()
    await assert.rejects(cancelled, { name: 'AbortError' })
    peer.send({ type: FrameType.data, flags: Flag.end, streamId: 1, payload })
    await until(() => peer.session.stats().ignoredFrames === 1, 'the answer is ignored')
    assert.equal(peer.end, undefined)
  })

  it('keeps no listener of one signal for 10,000 calls', async () => {
    await start()
    const { signal } = new AbortController()
    const calls = Array.from({ length: 10_000 }, () => call({ signal }))
    await until(() => peer.of(FrameType.open).length === calls.length, 'all are open')
    for (let id = 1; id < 20_000; id += 2) {
      peer.send({ type: FrameType.data, flags: Flag.end, streamId: id, payload })
    }
    await Promise.all(calls)
    assert.equal(getEventListeners(signal, 'abort').length, 0)
    noCallLeft()
  })

  it('fails at its deadline with the time that the caller gave it, and tells the handler', async () => {
    await start()
    // 80 of 100 ms went by while the call waited for the connection.
    const [name, delivery, text] = await failure(call({ timeout: 100 }, 20))
    const expected = `no answer from ${peer.session.remote.host} within 100 ms`
    assert.deepEqual([name, delivery, text], ['DeadlineError', 'maybeRan', expected])
    assert.equal((await peer.frame(FrameType.reset)).code, ResetCode.deadline)
    noCallLeft()
  })
})

describe('a handler table', () => {
  it('that names a handler twice closes the conn', async () => {
    await start()
    const entry = { kind: 0, inCapacity: 0, outCapacity: 1, subroute: '', id: 'raw.single' }
    peer.send({ type: FrameType.handlers, flags: 0, entries: [entry] })
    assert.match((await peer.frame(FrameType.goAway)).text, /advertised before/)
  })

  it('may grow while the conn lives', async () => {
    await start()
    assert.equal(peer.session.remoteHandlers.find('', 'later'), undefined)
    const entry = { kind: 0, inCapacity: 0, outCapacity: 1, subroute: '', id: 'later' }
    peer.send({ type: FrameType.handlers, flags: 0, entries: [entry] })
    await until(() => peer.session.remoteHandlers.find('', 'later') !== undefined, 'the handler is known')
    assert.equal(peer.session.remoteHandlers.find('', 'later')?.index, 2)
  })
})
