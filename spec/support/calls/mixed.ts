/**
 * Calls of every kind, and their handlers, for runs that last: each answer follows from the question, and is checked.
 *
 * A call may fail with what a fault excuses, such as a lost conn; anything else is a wrong answer. What makes the faults
 * and what counts the outcomes is elsewhere.
 */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  bytes,
  type CallOptions,
  type Connection,
  DisconnectedError,
  type Manager,
  RejectedError,
  RemoteError,
  single,
  streaming
} from '../../../lib/index.ts'
import { oneOf, wholeBelow } from '../random.ts'

interface Chunk {
  readonly index: number
  readonly body: Uint8Array
}

const small = single<{ n: number; text: string }, { n: number; text: string; by: string }>('small')
const large = single<Uint8Array, Uint8Array>('large', { request: bytes(), response: bytes() })
const hold = single<void, void>('hold')
const fail = single<{ code: string; text: string; n: number }, void>('fail')
const count = streaming<{ from: number; count: number; fails: boolean }, never, number>('count', {
  inCapacity: 0,
  outCapacity: 16
})
const endless = streaming<number, never, number>('endless', { inCapacity: 0, outCapacity: 4 })
const sum = streaming<void, number, { sum: number; count: number }>('sum', { inCapacity: 8 })
const echo = streaming<number, Chunk, Chunk>('echo', { inCapacity: 4, outCapacity: 4 })

/** Registers all handlers; `peersName` is what answers are signed with. */
export function serveMixedCalls(manager: Manager): void {
  manager.handle(small, ({ n, text }) => ({ n: 2 * n + 1, text: [...text].reverse().join(''), by: manager.local }))
  manager.handle(large, (request) => signed(request))
  manager.handle(hold, async (_, { signal }) => {
    if (!signal.aborted) await once(signal, 'abort')
  })
  manager.handle(fail, ({ code, text, n }) => {
    throw Object.assign(new RangeError(text), { code, details: { n } })
  })
  manager.handle(count, async function* ({ from, count: length, fails }) {
    for (let n = 0; n < length; n++) {
      if (n % 7 === 6) await null
      yield from + n
    }
    if (fails) throw Object.assign(new Error('after all values'), { code: 'E_COUNT' })
  })
  manager.handle(endless, function* (from) {
    for (let n = from; ; n++) yield n
  })
  manager.handle(sum, async function* (_, requests) {
    const total = { sum: 0, count: 0 }
    for await (const value of requests) {
      total.sum += value
      total.count++
    }
    yield total
  })
  manager.handle(echo, async function* (tag, requests) {
    for await (const { index, body } of requests) yield { index: index + tag, body }
  })
}

/** Makes one call on `peer`; resolves when it went as it must. */
type MixedCall = (peer: Connection, random: () => number, options: CallOptions) => Promise<void>

export const mixedCalls: Readonly<Record<string, MixedCall>> = {
  async small(peer, random, options) {
    const request = { n: wholeBelow(random, 1e6), text: `${random()}` }
    const answer = await peer.request(small, request, options)
    assert.deepEqual(answer, { n: 2 * request.n + 1, text: [...request.text].reverse().join(''), by: peer.host })
  },

  async large(peer, random, options) {
    const request = randomBytes(random, 64 + wholeBelow(random, oneOf(random, [200_000, 1_500_000])))
    const answer = await peer.request(large, request, options)
    assert.ok(Buffer.compare(answer, signed(request)) === 0, `${request.length} bytes came back changed`)
  },

  async cancel(peer, random, options) {
    const controller = new AbortController()
    const reason = new Error('no longer wanted')
    const timer = setTimeout(() => controller.abort(reason), wholeBelow(random, 30))
    try {
      await fails(peer.request(hold, undefined, { ...options, signal: controller.signal }), (error) => error === reason)
    } finally {
      clearTimeout(timer)
    }
  },

  async deadline(peer, random) {
    const timeout = 5 + wholeBelow(random, 150)
    await fails(peer.request(hold, undefined, { timeout }), (error) => codeOf(error) === 'ERR_DEADLINE')
  },

  async fail(peer, random, options) {
    const n = wholeBelow(random, 1e6)
    await fails(peer.request(fail, { code: 'E_WANTED', text: `number ${n}`, n }, options), (error) => {
      if (!(error instanceof RemoteError)) return false
      assert.deepEqual(
        [error.code, error.message, error.remoteName, error.details, error.delivery],
        ['E_WANTED', `number ${n}`, 'RangeError', { n }, 'ran']
      )
      return true
    })
  },

  async responses(peer, random, options) {
    const from = wholeBelow(random, 1e6)
    const length = wholeBelow(random, 200)
    const throwsAtEnd = random() < 0.2
    const stream = peer.newStream(count, { from, count: length, fails: throwsAtEnd }, options)
    let next = from
    const all = async () => {
      for await (const value of stream.responses) assert.equal(value, next++)
      assert.equal(next, from + length, 'the stream ended early')
    }
    if (!throwsAtEnd) return all()
    await fails(all(), (error) => codeOf(error) === 'E_COUNT')
    assert.equal(next, from + length, 'the stream failed early')
  },

  async broken(peer, random, options) {
    const from = wholeBelow(random, 1e6)
    const stop = from + wholeBelow(random, 40)
    let next = from
    const stream = peer.newStream(endless, from, options)
    for await (const value of stream.responses) {
      assert.equal(value, next++)
      if (value >= stop) break
    }
    assert.ok(next > stop, 'an endless stream ended')
  },

  async requests(peer, random, options) {
    const values = Array.from({ length: wholeBelow(random, 60) }, () => wholeBelow(random, 1000))
    const stream = peer.newStream(sum, undefined, options)
    const sent = stream.sink(values)
    const answers: unknown[] = []
    try {
      for await (const answer of stream.responses) answers.push(answer)
    } finally {
      await sent.catch(() => undefined)
    }
    assert.deepEqual(answers, [{ sum: values.reduce((total, value) => total + value, 0), count: values.length }])
  },

  async echo(peer, random, options) {
    const maxBytes = oneOf(random, [100, 10_000, 150_000])
    const bodies = Array.from({ length: wholeBelow(random, 12) }, () =>
      randomBytes(random, wholeBelow(random, maxBytes))
    )
    const tag = wholeBelow(random, 1000)
    const stream = peer.newStream(echo, tag, options)
    const sending = (async () => {
      for (const [index, body] of bodies.entries()) await stream.send({ index, body })
      stream.requests.end()
    })()
    let received = 0
    try {
      for await (const { index, body } of stream.responses) {
        assert.equal(index, received + tag)
        assert.ok(Buffer.compare(body, bodies[received++] as Uint8Array) === 0, 'a chunk came back changed')
      }
    } finally {
      await sending.catch(() => undefined)
    }
    assert.equal(received, bodies.length, 'the stream ended early')
  }
}

/** The code of an error that a fault excuses; undefined for one that nothing excuses. */
export function excusedCode(error: unknown): string | undefined {
  if (error instanceof DisconnectedError) return `ERR_DISCONNECTED ${error.reason}`
  if (error instanceof RejectedError && error.reason === 'goingAway') return 'ERR_REJECTED goingAway'
  return codeOf(error) === 'ERR_DEADLINE' ? 'ERR_DEADLINE' : undefined
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

/** The call must fail, with what `isWanted`; another error is thrown on. */
async function fails(call: Promise<unknown>, isWanted: (error: unknown) => boolean): Promise<void> {
  try {
    await call
  } catch (error) {
    if (isWanted(error)) return
    throw error
  }
  assert.fail('it did not fail')
}

/** Bytes that no other place of this or another message has. */
function randomBytes(random: () => number, length: number): Buffer {
  const block = Buffer.from(Float64Array.from({ length: 8 }, random).buffer)
  const filled = Buffer.alloc(length, block)
  for (let at = 0; at + 4 <= length; at += 1024) filled.writeUInt32LE(at, at)
  return filled
}

function signed(message: Uint8Array): Buffer {
  const answer = Buffer.from(message)
  createHash('sha1').update(message).digest().copy(answer)
  return answer
}
