/**
 * Errors: what a handler throws arrives as it was thrown; what cannot be sent is refused; nothing else breaks.
 */

import assert from 'node:assert/strict'
import * as z from 'zod'
import {
  bytes,
  type Codec,
  CodecError,
  field,
  GridError,
  type Infer,
  json,
  MessageTooLargeError,
  msgpack,
  none,
  RemoteError,
  type SingleHandler,
  single,
  streaming,
  tuple,
  ValidationError
} from '../../../lib/index.ts'
import type { Link } from '../../support/grid/links.ts'
import { rejection } from '../../support/grid/servers.ts'
import type { Fact } from '../suite.ts'
import { pattern } from './requests.ts'

/** An error with all that an error can tell a caller. */
class QuotaError extends Error {
  override name = 'QuotaError'
  readonly code = 'ERR_QUOTA'
  readonly details = { limit: 10, used: [10, 1], hint: 'delete something' }
}

const blobs = streaming<void, never, Uint8Array>('blobs', { inCapacity: 0, response: bytes() })

export function errorFacts(fact: Fact): void {
  fact('what a handler throws arrives with its text, code, name and details, and no payload', async (link) => {
    const { peer, responder, known } = link
    responder.handle('throws', () => {
      throw new QuotaError('the disk is full')
    })
    responder.handle('rejects', async () => {
      throw new QuotaError('the disk is full')
    })
    await known()
    for (const id of ['throws', 'rejects']) {
      let response: unknown
      const error = await peer.request(id).then(
        (value) => {
          response = value
        },
        (thrown) => thrown
      )
      assert.equal(response, undefined)
      assert.ok(error instanceof RemoteError && error instanceof GridError)
      assert.equal(error.message, 'the disk is full')
      assert.deepEqual(error.details, { limit: 10, used: [10, 1], hint: 'delete something' })
      assert.deepEqual([error.code, error.remoteName, error.delivery], ['ERR_QUOTA', 'QuotaError', 'ran'])
    }
  })

  fact('an error without a code has the code of a remote error, and no details', async ({ peer, responder, known }) => {
    responder.handle('plain', () => {
      throw new TypeError('not that')
    })
    await known()
    const expected = { code: 'ERR_REMOTE', message: 'not that', remoteName: 'TypeError', details: undefined }
    await assert.rejects(peer.request('plain'), expected)
  })

  fact('an error text of a KiB arrives whole', async ({ peer, responder, known }) => {
    const text = 'Ünïcode '.repeat(128)
    responder.handle('verbose', () => {
      throw new Error(text)
    })
    await known()
    await assert.rejects(peer.request('verbose'), { message: text })
  })

  fact('whatever a handler throws, the caller gets a remote error and the next call its answer', async (link) => {
    const { peer, responder, known } = link
    const hostile = {
      get message() {
        throw new Error('never read')
      },
      get code() {
        throw new Error('never read')
      }
    }
    const thrown = ['a text', null, undefined, 7, Symbol('sign'), { code: 'ERR_ODD', details: () => 1 }, hostile]
    for (const [index, value] of thrown.entries()) {
      responder.handle(`throws-${index}`, () => {
        throw value
      })
      responder.handle(`rejects-${index}`, () => Promise.reject(value))
    }
    responder.handle('echo', (payload) => payload)
    await known()
    for (const index of thrown.keys()) {
      await assert.rejects(peer.request(`throws-${index}`), RemoteError)
      await assert.rejects(peer.request(`rejects-${index}`), RemoteError)
      assert.deepEqual([...(await peer.request('echo', Uint8Array.of(index)))], [index])
    }
    await assert.rejects(peer.request('throws-0'), { message: 'a text' })
    await assert.rejects(peer.request('throws-5'), { code: 'ERR_ODD', details: undefined })
  })

  fact('a handler that returns what cannot be sent gives a remote error', async ({ peer, responder, known }) => {
    const cycle: Record<string, unknown> = {}
    cycle.self = cycle
    const wrong = [() => 1, cycle, new Map([[1, 2]]), 2n ** 70n]
    for (const [index, value] of wrong.entries()) responder.handle(single<void, unknown>(`wrong-${index}`), () => value)
    // What only a program without types can do.
    responder.handle('text', (() => 'not bytes') as unknown as SingleHandler<Uint8Array, Uint8Array>)
    responder.handle('echo', (payload) => payload)
    await known()
    for (const index of wrong.keys()) {
      await assert.rejects(peer.request(single<void, unknown>(`wrong-${index}`)), {
        code: 'ERR_CODEC',
        delivery: 'ran'
      })
    }
    await assert.rejects(peer.request('text'), { name: 'RemoteError', code: 'ERR_CODEC', message: /Uint8Array/ })
    assert.equal((await peer.request('echo')).length, 0)
  })

  fact('a value that cannot be encoded is named as what it is for, in each codec', async (link) => {
    const wrong = { a: { f: () => 1 } } as unknown
    const struct = tuple({ a: field.number }) as Codec<unknown>
    const cases: [codec: Codec<unknown>, value: unknown, text: string][] = [
      [msgpack(), wrong, '.a.f holds a function'],
      [json(), { a: [1n] }, '.a[0] holds a bigint'],
      [json(), undefined, ' has no form in JSON; it is undefined'],
      [struct, { a: 'b' }, '.a does not fit its field: a number was expected; it is a string'],
      [bytes() as Codec<unknown>, 'text', ' must be a Uint8Array; it is a string'],
      [none() as Codec<unknown>, 1, ' must be undefined, as the codec is none(); it is 1']
    ]
    for (const [n, [response, value]] of cases.entries()) {
      link.responder.handle(single<void, unknown>(`one-${n}`, { response }), () => value)
      link.responder.handle(streaming<void, unknown, unknown>(`each-${n}`, { response }), () => [value])
      link.responder.handle(streaming<void, unknown, unknown>(`take-${n}`), () => undefined)
    }
    link.responder.handle('raw', () => 'text' as never)
    const generator = (function* () {
      yield 1
    })()
    for (const [n, response] of [msgpack<unknown>(), json<unknown>()].entries()) {
      link.responder.handle(single<void, unknown>(`generator-${n}`, { response }), () => generator)
    }
    await link.known()
    const text = async (call: Promise<unknown>) => (await rejection(call)).message
    const refused = 'the value cannot be encoded: '
    for (const [n, [codec, value, fault]] of cases.entries()) {
      const { peer } = link
      assert.equal(await text(peer.request(single<void, unknown>(`one-${n}`))), `${refused}response${fault}`)
      const each = peer.newStream(streaming<void, unknown, unknown>(`each-${n}`))
      assert.equal(await text(each.responses.next()), `${refused}response${fault}`)
      const take = peer.newStream(streaming<void, unknown, unknown>(`take-${n}`, { request: codec }))
      assert.equal(await text(take.send(value)), `${refused}request${fault}`)
      const one = single<unknown, unknown>(`one-${n}`, { request: codec })
      assert.equal(await text(peer.request(one, value)), `${refused}payload${fault}`)
    }
    assert.equal(await text(link.peer.request('raw')), `${refused}response must be a Uint8Array; it is a string`)
    for (const n of [0, 1]) {
      const call = link.peer.request(single<void, unknown>(`generator-${n}`))
      assert.equal(await text(call), `${refused}response is a generator: use streaming()`)
    }
  })

  fact('a value that its schema refuses gives its sender a code and a path, wherever it was going', async (link) => {
    const { peer, responder, known } = link
    const even = msgpack(z.object({ list: z.array(z.number().multipleOf(2)) }))
    const both = single('both', { request: even, response: even })
    const talk = streaming('talk', { payload: even, request: even, response: even })
    responder.handle(both, ({ list }) => ({ list: list.map((n) => n / 2) }))
    const seen: unknown[] = []
    responder.handle(talk, async function* (payload, requests) {
      yield payload
      for await (const request of requests) seen.push(request)
    })
    await known()
    assert.deepEqual(await peer.request(both, { list: [4] }), { list: [2] })
    const at = (...path: (string | number)[]) => ({ code: 'ERR_VALIDATION', delivery: 'ran', details: { path } })
    const refused = {
      name: 'RemoteError',
      remoteName: 'ValidationError',
      message: 'the value is not valid at "list.1"'
    }
    await assert.rejects(peer.request(both, { list: [4, 7777] }), { ...at('list', 1), ...refused })
    // The answer is 1, which is for the caller to refuse.
    await assert.rejects(peer.request(both, { list: [2] }), { name: 'ValidationError', ...at('list', 0) })

    const early = peer.newStream(talk, { list: [2, 7777] })
    await assert.rejects(early.responses.next(), { ...at('list', 1), ...refused })
    const late = peer.newStream(talk, { list: [2] })
    assert.deepEqual((await late.responses.next()).value, { list: [2] })
    await late.send({ list: [4] })
    await late.send({ list: [4, 7777] })
    await assert.rejects(late.responses.next(), { ...at('list', 1), ...refused })
    assert.deepEqual(seen, [{ list: [4] }])
  })

  fact('a value of another codec than the tuple() of its receiver says what was expected and found', async (link) => {
    const pair = tuple({ a: field.number, b: field.string })
    const id = 'pair'
    link.responder.handle(single<Infer<typeof pair>, unknown>(id, { request: pair }), () => ({ a: 1 }))
    await link.known()
    const details = { path: [], expected: 'an array of 2 fields', found: 'an object' }
    const message = 'the value is not valid: an array of 2 fields was expected; it is an object'
    const plain = single<unknown, unknown>(id)
    await assert.rejects(link.peer.request(plain, { a: 1 }), { name: 'RemoteError', message, details })
    const struct = single<Infer<typeof pair>, Infer<typeof pair>>(id, { request: pair, response: pair })
    const answer = link.peer.request(struct, { a: 1, b: 'b' })
    await assert.rejects(answer, { name: 'ValidationError', message, details, delivery: 'ran' })
  })

  fact('an error that a codec throws again and again is not changed, and may be frozen', async (link) => {
    const { peer, responder, known } = link
    const constant = Object.freeze(new ValidationError(['a']))
    const refuses: Codec<number> = {
      encode: () => Uint8Array.of(1),
      decode() {
        throw constant
      }
    }
    const bad = single('bad', { request: msgpack<number>(), response: refuses })
    const badStream = streaming<void, never, number>('bad-stream', { response: refuses, inCapacity: 0 })
    responder.handle(bad, (n) => n)
    responder.handle(badStream, () => [1, 2])
    await known()
    const refused = { name: 'ValidationError', delivery: 'ran', details: { path: ['a'] } }
    await assert.rejects(peer.request(bad, 1), refused)
    await assert.rejects(peer.newStream(badStream).responses.next(), refused)
    assert.equal(constant.delivery, undefined)
  })

  fact(
    'a request that cannot be encoded is refused before a byte is sent',
    async ({ peer, back, responder, known }) => {
      const any = single<unknown, unknown>('any')
      responder.handle(any, (value) => value)
      await known()
      const before = back.stats().totals.messagesIn
      const refused = (error: unknown) => error instanceof CodecError && error.delivery === 'notSent'
      await assert.rejects(
        peer.request(any, () => 1),
        refused
      )
      const stream = peer.newStream(streaming<unknown, never, never>('count', { inCapacity: 0 }), () => 1)
      await assert.rejects(stream.responses.next(), refused)
      await peer.request(any, 1)
      assert.equal(back.stats().totals.messagesIn, before + 1)
    }
  )

  fact('a response that cannot be decoded is an error of this call only', async ({ peer, responder, known }) => {
    responder.handle('bytes', () => Uint8Array.of(0xc1))
    responder.handle('echo', (payload) => payload)
    await known()
    const mismatched = single<undefined, number>('bytes')
    await assert.rejects(peer.request(mismatched), { name: 'CodecError', delivery: 'ran' })
    assert.equal((await peer.request('echo')).length, 0)
  })

  fact(
    'messages over the limit are refused where they are made, as requests and as responses',
    async ({ peer, responder, known }) => {
      responder.handle('grow', (payload) => pattern(payload.length * 2))
      responder.handle(blobs, function* () {
        yield pattern(90_000)
        yield pattern(100_001)
      })
      await known()
      const tooLarge = (error: unknown) => error instanceof MessageTooLargeError && error.delivery === 'notSent'
      await assert.rejects(peer.request('grow', pattern(100_001)), tooLarge)
      await assert.rejects(peer.request('grow', pattern(60_000)), {
        name: 'RemoteError',
        code: 'ERR_MESSAGE_TOO_LARGE'
      })
      assert.equal((await peer.request('grow', pattern(50_000))).length, 100_000)
      const stream = peer.newStream(blobs)
      assert.equal((await stream.responses.next()).value?.length, 90_000)
      await assert.rejects(stream.responses.next(), { name: 'RemoteError', code: 'ERR_MESSAGE_TOO_LARGE' })
    },
    { limits: { maxMessageBytes: 100_000 } }
  )

  streamErrorFacts(fact)
}

function failing(): number[] {
  throw new QuotaError('before any')
}

/** What arrives on a stream that is expected to fail, and the failure. */
async function drain(link: Link, id: string): Promise<{ got: unknown[]; error: unknown }> {
  const got: unknown[] = []
  const stream = link.peer.newStream(streaming<void, never, unknown>(id, { inCapacity: 0 }))
  try {
    for await (const value of stream) got.push(value)
  } catch (error) {
    const end = await stream.closed
    assert.deepEqual(end, { how: 'failed', error })
    assert.deepEqual(await stream.responses.next(), { done: true, value: undefined })
    return { got, error }
  }
  throw new Error('the stream ended without an error')
}

function streamErrorFacts(fact: Fact): void {
  fact('a stream fails with what its handler throws, behind all that it yielded before', async (link) => {
    const feed = (id: string) => streaming<void, never, unknown>(id, { inCapacity: 0 })
    link.responder.handle(feed('late'), function* () {
      yield* [1, 2, 3]
      throw new QuotaError('after three')
    })
    link.responder.handle(feed('first'), function* () {
      yield* failing()
    })
    link.responder.handle(feed('rejects'), async () => {
      throw new QuotaError('no generator at all')
    })
    await link.known()
    const late = await drain(link, 'late')
    assert.deepEqual(late.got, [1, 2, 3])
    assert.ok(late.error instanceof RemoteError && late.error.code === 'ERR_QUOTA')
    assert.deepEqual(late.error.details, new QuotaError().details)
    for (const [id, message] of [
      ['first', 'before any'],
      ['rejects', 'no generator at all']
    ] as const) {
      const { got, error } = await drain(link, id)
      assert.deepEqual(got, [])
      assert.ok(error instanceof RemoteError)
      assert.equal(error.message, message)
    }
  })

  fact('a generator that yields what cannot be sent fails its stream, and its finally runs', async (link) => {
    let unwound = false
    link.responder.handle(streaming<void, never, unknown>('wrong', { inCapacity: 0 }), async function* () {
      try {
        yield 1
        yield () => 1
        yield 2
      } finally {
        unwound = true
      }
    })
    await link.known()
    const { got, error } = await drain(link, 'wrong')
    assert.deepEqual(got, [1])
    assert.ok(error instanceof RemoteError && error.code === 'ERR_CODEC')
    assert.equal(unwound, true)
  })

  fact('a response that cannot be decoded fails the stream and cancels its handler', async (link) => {
    let unwound = false
    const raw = streaming<void, never, Uint8Array>('raw', {
      inCapacity: 0,
      response: { encode: (value) => value, decode: (bytes) => bytes }
    })
    link.responder.handle(raw, async function* () {
      try {
        for (;;) yield Uint8Array.of(0xc1)
      } finally {
        unwound = true
      }
    })
    await link.known()
    const { got, error } = await drain(link, 'raw')
    assert.deepEqual(got, [])
    assert.ok(error instanceof CodecError)
    await link.settled()
    assert.equal(unwound, true)
  })

  fact('a request that cannot be decoded is thrown at the handler and fails the stream', async (link) => {
    const upload = streaming<void, number, never>('upload')
    let thrown: unknown
    link.responder.handle(upload, async (_, requests) => {
      try {
        for await (const value of requests) assert.fail(`${value} is no number`)
      } catch (error) {
        thrown = error
      }
    })
    await link.known()
    const broken = { encode: () => Uint8Array.of(0xc1), decode: () => 0 }
    const stream = link.peer.newStream(streaming<void, number, never>('upload', { request: broken }))
    stream.requests.push(1)
    await assert.rejects(stream.responses.next(), { name: 'RemoteError', code: 'ERR_CODEC' })
    await link.settled()
    assert.ok(thrown instanceof CodecError)
  })
}
