/** A trace by itself: which calls that are published are in it, and what is left out of it. */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { type CallMessage, channels } from '../../lib/hooks/channels.ts'
import type { TraceOptions } from '../../lib/introspection/introspection.ts'
import { traceCalls } from '../../lib/introspection/trace.ts'

const local = 'http://here'
const outcome = { durationMs: 10, code: 'OK', delivery: undefined, attempts: 1 }
const none = { messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0 }
const names = {
  metadata: {},
  local,
  host: 'http://there',
  instance: 'i',
  kind: 'single',
  handler: 'echo',
  subroute: ''
}

function publish(changed: Partial<Record<keyof CallMessage | 'code' | 'durationMs', unknown>> = {}): void {
  const { code = outcome.code, durationMs = outcome.durationMs, side = 'handler', ...others } = changed
  const channel = side === 'caller' ? channels.call : channels.handle
  const ended = { ...none, ...outcome, code, durationMs }
  channel.asyncEnd.publish({ side, ...names, outcome: ended, ...others } as unknown as CallMessage)
}

/** The handlers of the calls that are in a trace, of those that `publishAll` publishes. */
async function traced(options: TraceOptions, publishAll: () => void) {
  const controller = new AbortController()
  const records = traceCalls(local, options, [controller.signal])
  assert.ok(!channels.handle.asyncEnd.hasSubscribers, 'nobody listens before it is read')
  const first = records.next()
  publishAll()
  controller.abort()
  const { value } = await first
  const all = value === undefined ? [] : [value]
  for await (const record of records) all.push(record)
  assert.ok(
    !channels.handle.asyncEnd.hasSubscribers && !channels.call.asyncEnd.hasSubscribers,
    'nobody listens any more'
  )
  return all
}

describe('a trace', () => {
  const filters: readonly (readonly [
    TraceOptions,
    fits: Parameters<typeof publish>[0],
    not: Parameters<typeof publish>[0]
  ])[] = [
    [{}, {}, { local: 'http://another' }],
    [{}, {}, { subroute: '$grid' }],
    [{}, { side: 'caller' }, { outcome: undefined }],
    [{ side: 'caller' }, { side: 'caller' }, {}],
    [{ side: 'handler' }, {}, { side: 'caller' }],
    [{ host: 'http://there' }, {}, { host: 'http://else' }],
    [{ handler: 'echo' }, {}, { handler: 'other' }],
    [{ subroute: '' }, {}, { subroute: 'disk1' }],
    [{ failed: true }, { code: 'E_NO' }, {}],
    [{ failed: false }, {}, { local: 'http://another' }],
    [{ slowerThanMs: 10 }, {}, { durationMs: 9.9 }]
  ]
  for (const [options, fits, not] of filters) {
    it(`with ${JSON.stringify(options)} has ${JSON.stringify(fits)} and not ${JSON.stringify(not)}`, async () => {
      const records = await traced(options, () => {
        publish(not)
        publish(fits)
        publish(not)
      })
      assert.equal(records.length, 1)
    })
  }

  it('has that share of the calls that is asked for', async (test: TestContext) => {
    const shares = [0.2, 0.25, 0.3, 0.9, 0.1]
    test.mock.method(Math, 'random', () => shares.shift())
    const records = await traced({ sample: 0.25 }, () => {
      for (let n = 0; n < 5; n++) publish({ handler: `h${n}` })
    })
    assert.deepEqual(
      records.map(({ handler }) => handler),
      ['h0', 'h4']
    )
  })

  it('says of each record how many were left out before it, of the oldest', async () => {
    const records = await traced({}, () => {
      for (let n = 0; n < 300; n++) publish({ handler: `h${n}` })
    })
    assert.equal(records.length, 256)
    assert.deepEqual([records[0]?.handler, records[0]?.skipped], ['h44', 44])
    assert.ok(records.slice(1).every(({ skipped }) => skipped === 0))
  })

  it('has the trace id of a traceparent, and nothing that only looks like one', async () => {
    const id = '0af7651916cd43dd8448eb211c80319c'
    const rest = '-b7ad6b7169203331-01'
    const values = [
      `00-${id}${rest}`,
      `01-${id}${rest}-more`,
      `00-${'0'.repeat(32)}${rest}`,
      `00-${id}`,
      `x00-${id}${rest}`
    ]
    const records = await traced({}, () => {
      for (const traceparent of [...values, Buffer.from(values[0] ?? ''), 7, undefined])
        publish({ metadata: { traceparent } })
    })
    assert.deepEqual(
      records.map(({ traceId }) => traceId),
      [id, id, ...new Array(6).fill(undefined)]
    )
  })

  it('hurts no call whose metadata a subscriber has made into nonsense', async () => {
    const throws = Object.defineProperty({}, 'traceparent', {
      get() {
        throw new Error('a hostile getter')
      }
    })
    const records = await traced({}, () => {
      for (const metadata of [undefined, null, throws]) publish({ metadata })
    })
    assert.deepEqual(
      records.map(({ handler, traceId }) => [handler, traceId]),
      new Array(3).fill(['echo', undefined])
    )
  })

  it('leaves out a call of whose outcome a subscriber has made nonsense, and the process goes on', async (test) => {
    const uncaught: unknown[] = []
    const hear = (error: unknown) => uncaught.push(error)
    process.on('uncaughtException', hear)
    test.after(() => process.off('uncaughtException', hear))
    const throws = {
      get code() {
        throw new Error('a hostile getter')
      }
    }
    const records = await traced({ failed: true }, () => {
      for (const outcome of [null, throws]) publish({ outcome })
      publish({ code: 'E_NO' })
    })
    await new Promise(setImmediate)
    assert.deepEqual([records.length, uncaught], [1, []])
  })

  it('has names and numbers, and nothing that the call has brought', async () => {
    const secret = { metadata: { token: 'a secret' }, error: new Error('a secret') }
    const [record] = await traced({}, () => publish(secret as never))
    const { startedAt = 0, ...others } = record ?? {}
    const { local: _, metadata: __, ...kept } = names
    const { delivery, ...ended } = outcome
    assert.deepEqual(others, { side: 'handler', ...kept, ...ended, ...none, skipped: 0 })
    assert.ok(Math.abs(startedAt - Date.now()) < 60_000)
    assert.equal(delivery, undefined)
  })
})
