/**
 * Payloads whose memory is gone, when they are handed over or later, while they wait: their own call fails with a codec error,
 * and nothing else notices.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { bytes, CancelledError, CodecError, StreamResetError, single, streaming } from '../../../lib/index.ts'
import { giveAway, goingMemory, gone, resizable } from '../../support/calls/hostile-values.ts'
import { Gate, Outcome } from '../../support/gate.ts'
import type { Link } from '../../support/grid/links.ts'
import { until } from '../../support/until.ts'
import type { Fact } from '../suite.ts'

const raw = { payload: bytes(), request: bytes(), response: bytes() }
const talk = streaming<Uint8Array, Uint8Array, Uint8Array>('talk', raw)
const feed = streaming<Uint8Array, never, Uint8Array>('feed', { payload: bytes(), response: bytes(), inCapacity: 0 })
const value = single<unknown, unknown>('value')

/** More than one conn takes at once, and more than the window of a stream. */
const largeBytes = 1_000_000

function isLost(delivery: string) {
  return (error: unknown) => error instanceof CodecError && error.delivery === delivery
}

const atHandler = { name: 'RemoteError', code: 'ERR_CODEC', delivery: 'ran' }

function assertOneSession({ peer, back }: Link): void {
  assert.deepEqual([peer.stats().reconnects, back.stats().reconnects], [0, 0])
}

/** Others go on, on the same conn. */
async function assertUnmoved(link: Link): Promise<void> {
  assert.deepEqual([...(await link.peer.request('echo', Uint8Array.of(1, 2)))], [1, 2])
  assertOneSession(link)
}

const usualSizes = [1, 500, 5000, 64 * 1024, 100_000, 64 * 1024]

/** Each message has its own number in every byte. The producer has one buffer for all, and spoils it once it is asked again. */
function* spoiled(count: number): Generator<Uint8Array> {
  const memory = new Uint8Array(Math.max(...usualSizes))
  for (let i = 0; i < count; i++) {
    yield memory.subarray(0, usualSizes[i % usualSizes.length]).fill(i)
    memory.fill(0xee)
  }
}

function assertWhole(message: Uint8Array, i: number): void {
  assert.equal(message.length, usualSizes[i % usualSizes.length])
  assert.equal(Buffer.compare(message, new Uint8Array(message.length).fill(i)), 0, `message ${i}`)
}

export function payloadFacts(fact: Fact): void {
  fact(
    'messages have no bytes of others, however late they are read, and whatever is reset beside them',
    async (link) => {
      const { peer, responder } = link
      const count = 60
      const read = async (messages: AsyncIterable<Uint8Array>) => {
        let i = 0
        for await (const message of messages) assertWhole(message, i++)
        return i
      }
      const taken: Outcome<number>[] = []
      responder.handle(talk, async function* (_, requests) {
        const outcome = new Outcome(read(requests))
        taken.push(outcome)
        yield* spoiled(count)
        await outcome.done
      })
      await link.known()
      for (let round = 1; round <= 2; round++) {
        const streams = Array.from({ length: 4 }, () => peer.newStream(talk, Uint8Array.of()))
        const sent = streams.map((stream) => new Outcome(stream.sink(spoiled(count))))
        await until(() => taken.length === round * streams.length, 'all handlers run')
        const [reset, ...others] = streams
        for (let i = 0; i < 7; i++) assertWhole((await reset?.responses.next())?.value as Uint8Array, i)
        reset?.cancel()
        assert.deepEqual(await Promise.all(others.map((stream) => read(stream.responses))), [count, count, count])
        for (const { done } of [...sent, ...taken]) await done
      }
      const whole = taken.filter(({ failed }) => !failed).map(({ value }) => value)
      assert.deepEqual(whole, Array(6).fill(count))
      for (const { failed, error } of taken) assert.ok(!failed || error instanceof CancelledError, `${error}`)
      assertOneSession(link)
    }
  )

  for (const [how, make] of Object.entries(goingMemory)) {
    fact(`bytes whose memory was ${how} are refused where they are handed over`, async (link) => {
      const { peer, responder } = link
      const lost = () => gone(how)
      responder.handle('echo', (payload) => payload)
      responder.handle('returns', lost)
      responder.handle('promises', async () => lost())
      responder.handle(talk, (_, requests) => requests)
      responder.handle(feed, async function* () {
        yield Uint8Array.of(1)
        yield lost()
      })
      await link.known()
      await assert.rejects(peer.request('echo', lost()), isLost('notSent'))
      await assert.rejects(async () => await peer.newStream(talk, lost()).responses.next(), isLost('notSent'))
      for (const id of ['returns', 'promises']) await assert.rejects(peer.request(id), atHandler)
      const responses = peer.newStream(feed, Uint8Array.of()).responses
      assert.deepEqual((await responses.next()).value, Uint8Array.of(1))
      await assert.rejects(async () => await responses.next(), atHandler)
      const ways = [
        (stream: ReturnType<typeof open>) => stream.send(lost()),
        (stream: ReturnType<typeof open>) => stream.sink([Uint8Array.of(1), lost()]),
        (stream: ReturnType<typeof open>) => stream.requests.push(lost())
      ]
      const open = () => peer.newStream(talk, Uint8Array.of())
      for (const way of ways) {
        const stream = open()
        const sent = new Outcome(Promise.resolve(way(stream)))
        const { how, error } = await stream.closed
        assert.ok(how === 'failed' && isLost('maybeRan')(error), `${error}`)
        await sent.done
        if (sent.failed) assert.equal(sent.error, error)
        await assertUnmoved(link)
      }
    })

    fact(`bytes whose memory is ${how} while they wait fail their own call`, async (link) => {
      const { peer, responder } = link
      const gate = new Gate()
      responder.handle('echo', (payload) => payload)
      responder.handle('returns', () => {
        const { bytes, go } = make(largeBytes)
        queueMicrotask(go)
        return bytes
      })
      const reasons: unknown[] = []
      responder.handle(talk, async function* (_, requests, { signal }) {
        signal.addEventListener('abort', () => reasons.push(signal.reason))
        yield Uint8Array.of(1)
        await gate.opened
        yield* requests
      })
      let unwound = 0
      responder.handle(feed, async function* () {
        try {
          yield Uint8Array.of(1)
          const { bytes, go } = make(largeBytes)
          queueMicrotask(go)
          yield bytes
          yield Uint8Array.of(2)
        } finally {
          unwound++
        }
      })
      await link.known()

      const { bytes, go } = make(largeBytes)
      const [lost, other] = [peer.request('echo', bytes), peer.request('echo', Uint8Array.of(1))]
      go()
      await assert.rejects(lost, isLost('notSent'))
      assert.deepEqual(await other, Uint8Array.of(1))
      await assert.rejects(peer.request('returns'), atHandler)

      const responses = peer.newStream(feed, Uint8Array.of()).responses
      assert.deepEqual((await responses.next()).value, Uint8Array.of(1))
      await assert.rejects(async () => await responses.next(), atHandler)
      await until(() => unwound === 1, 'the generator is unwound')

      // One waits for credit amid its fragments, and another one behind it.
      for (const goes of ['first', 'second']) {
        const stream = peer.newStream(talk, Uint8Array.of())
        assert.deepEqual((await stream.responses.next()).value, Uint8Array.of(1))
        const [first, second] = [make(largeBytes), make(16)]
        const sent = [new Outcome(stream.send(first.bytes)), new Outcome(stream.send(second.bytes))]
        await assertUnmoved(link)
        const gone = goes === 'first' ? first : second
        gone.go()
        gate.open()
        const got: number[] = []
        const read = async () => {
          for await (const { length } of stream) got.push(length)
        }
        await assert.rejects(read(), isLost('maybeRan'))
        for (const { done } of sent) await done
        assert.deepEqual(
          sent.map(({ failed }) => failed),
          [goes === 'first', true]
        )
        await assertUnmoved(link)
        // The handler is told: a request that is half sent cannot be taken back, one that was not encoded is a failed source.
        assert.ok(reasons.pop() instanceof (goes === 'first' ? StreamResetError : CancelledError))
      }
    })
  }

  fact('bytes whose memory goes while their call waits for the connection fail that call', async (link) => {
    const { peer, responder } = link
    responder.handle('echo', (payload) => payload)
    responder.handle(talk, (_, requests) => requests)
    await link.known()
    const lost = once(peer, 'state')
    link.cut()
    await lost
    assert.notEqual(peer.state, 'connected')
    const given = [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)] as const
    const options = { waitForReady: true }
    const request = new Outcome(peer.request('echo', given[0], options))
    const stream = peer.newStream(talk, given[1], options)
    const pushed = peer.newStream(talk, Uint8Array.of(), options)
    pushed.requests.push(given[2])
    for (const each of given) giveAway(each)
    await request.done
    assert.ok(isLost('notSent')(request.error), `${request.error}`)
    await assert.rejects(async () => await stream.responses.next(), isLost('notSent'))
    await assert.rejects(async () => await pushed.responses.next(), isLost('maybeRan'))
    assert.deepEqual([...(await peer.request('echo', Uint8Array.of(1, 2), options))], [1, 2])
  })

  fact(
    'a view that shrinks or grows with its buffer while its call waits for the connection is never cut',
    async (link) => {
      const { peer, responder } = link
      responder.handle('echo', (payload) => payload)
      responder.handle(talk, async function* (payload) {
        yield payload
      })
      await link.known()
      const lost = once(peer, 'state')
      link.cut()
      await lost
      const options = { waitForReady: true }
      const given = (size: number) => {
        const buffer = resizable(100, 200)
        const view = new Uint8Array(buffer).fill(7)
        const request = new Outcome(peer.request('echo', view, options))
        const response = new Outcome(peer.newStream(talk, view, options).responses.next())
        buffer.resize(size)
        return [request, response] as const
      }
      const [shrunk, emptied, grown] = [given(50), given(0), given(200)]
      for (const { done } of [...shrunk, ...emptied, ...grown]) await done
      for (const { error } of [...shrunk, ...emptied]) assert.ok(isLost('notSent')(error), `${error}`)
      const whole = new Uint8Array(100).fill(7)
      assert.deepEqual(grown[0].value, whole)
      assert.deepEqual(grown[1].value?.value, whole)
      assert.deepEqual([...(await peer.request('echo', Uint8Array.of(1, 2), options))], [1, 2])
    }
  )

  fact('bytes within a value, metadata and the details of an error must have their memory, too', async (link) => {
    const { peer, responder } = link
    const lost = () => gone('transferred')
    responder.handle('echo', (payload) => payload)
    responder.handle(value, (how) => {
      if (how === 'throws') throw Object.assign(new Error('the text'), { code: 'ERR_ODD', details: { bytes: lost() } })
      return { bytes: [lost()] }
    })
    await link.known()
    await assert.rejects(peer.request(value, { deep: [lost()] }), isLost('notSent'))
    await assert.rejects(peer.request(value, 1, { metadata: { trace: lost() } }), isLost('notSent'))
    await assert.rejects(peer.request(value, 1), atHandler)
    const thrown = { code: 'ERR_ODD', message: 'the text', details: undefined }
    await assert.rejects(peer.request(value, 'throws'), thrown)
    await assertUnmoved(link)
  })
}
