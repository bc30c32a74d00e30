/**
 * In which order the parts of a session end, for each way in which it can end.
 *
 * The parts note the steps as they are taken: the go-away, the keep-alive, `onEnd`, a call of either side, the deadlines,
 * the outbox and the conn.
 */

import assert from 'node:assert/strict'
import { afterEach, describe, it, mock } from 'node:test'
import type { Conn } from '../../lib/conn/conn.ts'
import { rawSingle as single } from '../../lib/handler/definition.ts'
import { Responder } from '../../lib/responder/responder.ts'
import { SessionControl } from '../../lib/session/control.ts'
import type { SessionEnd } from '../../lib/session/end.ts'
import { KeepAlive } from '../../lib/session/keepalive.ts'
import { DeadlineQueue } from '../../lib/stream/deadlines.ts'
import { Flag, FrameType } from '../../lib/wire/frame.ts'
import { addHandler, open, ping } from '../support/raw/make.ts'
import { type RawPeer, type RawPeerOptions, rawPeer } from '../support/raw/peer.ts'
import { settled, until } from '../support/until.ts'

let peer: RawPeer
const steps: string[] = []

const bye: SessionEnd = { reason: 'shutdown', text: 'bye' }
/** Nothing that waits may hold up the go-away. */
const said = ['control stopped', 'go-away']
const bothFail = ['handler: onAbort', 'handler: onClosed', 'caller: onAbort', 'caller: onClosed']

/** The conn as a user may write one: it does not give its source back when it is over. */
function ownConn(conn: Conn): Conn {
  async function* pull(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const message of source) yield message
  }
  return {
    source: conn.source,
    sink: (source) => conn.sink(pull(source)),
    secure: true,
    remoteAddress: 'own',
    close: (reason) => conn.close(reason),
    abort: (error) => conn.abort(error)
  }
}

/** Notes `step` each time that the method is called. */
function note<T extends object>(part: T, method: keyof T & string, step: string): void {
  const original = part[method] as (...args: unknown[]) => unknown
  const noted = function (this: unknown, ...args: unknown[]): unknown {
    steps.push(step)
    return original.apply(this, args)
  }
  mock.method(part, method as never, noted as never)
}

/** A session whose one handler is `fn`, and whose parts note what they do. */
async function start(options: RawPeerOptions = {}, fn: () => unknown = () => new Promise(() => {})): Promise<void> {
  peer = rawPeer({ ...options, onEnd: () => onEnd(options) })
  note(SessionControl.prototype, 'sendGoAway', 'go-away')
  note(SessionControl.prototype, 'stop', 'control stopped')
  note(KeepAlive.prototype, 'stop', 'keep-alive stopped')
  note(Responder.prototype, 'onEnd', 'handler: onEnd')
  note(Responder.prototype, 'onAbort', 'handler: onAbort')
  note(Responder.prototype, 'onClosed', 'handler: onClosed')
  note(DeadlineQueue.prototype, 'clear', 'deadlines cleared')
  note(peer.wire.outbox, 'close', 'outbox closed')
  note(peer.wire.outbox, 'abort', 'outbox aborted')
  note(peer.wire.conn, 'close', 'conn closed')
  note(peer.wire.conn, 'abort', 'conn aborted')
  addHandler(peer.handlers, single('handler'), fn)
  await peer.start()
  steps.length = 0
}

function onEnd(options: RawPeerOptions): void {
  steps.push('onEnd')
  options.onEnd?.()
}

/** One call of each side is under way, the peer's at a handler that never returns. */
async function callBothWays(): Promise<void> {
  peer.send(open(1, 0))
  const stream = peer.session.newStream({ handler: 0, metadata: undefined, timeoutMs: 0 })
  const noting = (step: string) => () => {
    steps.push(`caller: ${step}`)
  }
  const [onMessage, onEnd, onRemoteError, onAbort] = ['onMessage', 'onEnd', 'onRemoteError', 'onAbort'].map(noting)
  Object.assign(stream, {
    receiver: { readsInPlace: true, onMessage, onEnd, onRemoteError, onAbort },
    owner: { onClosed: noting('onClosed'), onDeadline() {} }
  })
  stream.sendMessage(new Uint8Array(1), Flag.end)
  await until(() => peer.session.stats().inboundStreams === 1, 'the handler runs')
  await peer.frame(FrameType.open)
  steps.length = 0
}

function drain(graceMs: number): void {
  peer.session.close(bye, graceMs).then(() => steps.push('drained'))
}

/** All that happens, once the session has ended with `reason`, and the go-aways that the peer was sent. */
async function assertOrder(reason: SessionEnd['reason'], goAways: number, expected: readonly string[]): Promise<void> {
  await until(() => peer.end !== undefined, 'the session has ended')
  await settled(() => steps.length)
  assert.deepEqual(steps, expected)
  assert.deepEqual([peer.end?.reason, peer.of(FrameType.goAway).length], [reason, goAways])
}

afterEach(async () => {
  mock.restoreAll()
  await peer.stop()
})

describe('a session that ends on a conn that lives says go-away, stops, tells, fails its calls, and closes the conn behind', () => {
  const order = [
    ...said,
    'keep-alive stopped',
    'onEnd',
    ...bothFail,
    'deadlines cleared',
    'outbox closed',
    'conn closed'
  ]

  it('when this side ends it', async () => {
    await start()
    await callBothWays()
    peer.session.abort(bye)
    await assertOrder('shutdown', 1, order)
  })

  it('when the peer broke the protocol', async () => {
    await start()
    await callBothWays()
    peer.sendBytes(Buffer.of(0x0f, 1))
    await assertOrder('protocol', 1, order)
  })

  it('when an error that nobody expected is thrown amid the frames of the peer', async () => {
    await start()
    await callBothWays()
    mock.method(SessionControl.prototype, 'handleFrame', () => {
      throw new TypeError('not expected')
    })
    peer.send(ping(1))
    await assertOrder('internal', 1, order)
  })

  it('when the grace of its drain has passed, and says go-away a second time', async () => {
    await start()
    await callBothWays()
    drain(1)
    await assertOrder('shutdown', 2, ['go-away', ...order.toSpliced(-1, 0, 'drained')])
  })

  it('when it is drained and nothing is open, at once', async () => {
    await start()
    drain(60_000)
    const atOnce = ['go-away', ...said, 'keep-alive stopped', 'onEnd', 'deadlines cleared', 'outbox closed']
    assert.deepEqual(steps, atOnce)
    await assertOrder('shutdown', 2, [...atOnce, 'drained', 'conn closed'])
  })

  it('when it is ended or drained from within its own onEnd, once', async () => {
    await start({
      onEnd() {
        peer.session.abort(bye)
        peer.session.close(bye, 60_000)
      }
    })
    await callBothWays()
    peer.session.abort(bye)
    await assertOrder('shutdown', 1, order)
  })
})

describe('a session whose conn is dead offers it nothing, stops, tells, fails its calls, and ends the conn once', () => {
  const over = ['control stopped', 'keep-alive stopped', 'onEnd', ...bothFail, 'deadlines cleared']
  const ways = [
    ['that the peer closed', () => peer.close(), ['outbox closed', 'conn aborted']],
    ['that is lost', () => peer.cut(), ['conn aborted', 'outbox aborted']]
  ] as const
  for (const [title, act, ends] of ways) {
    it(`of ours ${title}: the conn has given the outbox back`, async () => {
      await start()
      await callBothWays()
      act()
      await assertOrder('lost', 0, ['outbox aborted', ...over, 'conn aborted'])
    })

    it(`of the user's own ${title}: the outbox is ended as well`, async () => {
      await start({ over: ownConn })
      await callBothWays()
      act()
      await assertOrder('lost', 0, [...over, ...ends])
    })
  }
})

describe('a session that a handler of it ends', () => {
  it('ends as by itself, and tells the handler nothing behind the end of its call', async () => {
    await start({}, () => peer.session.abort(bye))
    peer.send(open(1, 0))
    const failed = ['handler: onAbort', 'handler: onClosed']
    const order = [
      ...said,
      'keep-alive stopped',
      'onEnd',
      ...failed,
      'deadlines cleared',
      'outbox closed',
      'conn closed'
    ]
    await assertOrder('shutdown', 1, order)
  })

  it('by what it is told of the go-away, is drained at once, whatever still runs', async () => {
    await start({ onDraining: () => peer.session.abort(bye) })
    await callBothWays()
    drain(60_000)
    await until(() => steps.includes('drained'), 'the drain has resolved')
    assert.equal(peer.session.stats().runningHandlers, 1)
  })
})

describe('the end of a call', () => {
  it('is the last thing that a handler is told which answers at once', async () => {
    await start({}, () => new Uint8Array(1))
    peer.send(open(1, 0))
    await peer.frame(FrameType.data)
    assert.deepEqual(steps, ['handler: onClosed'])
  })
})
