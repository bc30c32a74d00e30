/** The receiving half: that taking a message grants it back, and that no unclean end looks like a clean one. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Decoder } from '../../lib/codec/codec.ts'
import type { Failure } from '../../lib/errors/failure.ts'
import type { SourceOwner } from '../../lib/stream/port.ts'
import { Source } from '../../lib/stream/source.ts'
import { giveAway } from '../support/calls/hostile-values.ts'

const text: Decoder<string> = { decode: (payload) => Buffer.from(payload).toString() }
const done = { done: true, value: undefined }
const cut = new Error('cut')

interface Bench {
  source: Source<string>
  /** Bytes of each message that was taken. */
  taken: number[]
  stops: (Failure | undefined)[]
  undecodable: Error[]
}

function bench(decoder: Decoder<string> = text): Bench {
  const [taken, stops, undecodable]: [Bench['taken'], Bench['stops'], Bench['undecodable']] = [[], [], []]
  const owner: SourceOwner = {
    onReaderStopped: (failure) => stops.push(failure),
    onUndecodable: (error) => undecodable.push(error as Error)
  }
  const source = new Source(decoder, owner, 'ran')
  source.bind({ messagesTaken: (_, bytes) => taken.push(bytes) })
  return { source, taken, stops, undecodable }
}

function arrive(source: Source<string>, ...messages: string[]): void {
  for (const message of messages) source.onMessage(Buffer.from(message), false)
}

const failures: readonly ((source: Source<string>) => void)[] = [
  (source) => source.onRemoteError(cut),
  (source) => source.onAbort({ reason: cut })
]

describe('the source', () => {
  it('grants a message back when it is taken, not when it arrives', async () => {
    const { source, taken } = bench()
    arrive(source, 'a', 'bcd')
    assert.deepEqual(taken, [])
    assert.deepEqual(await source.next(), { done: false, value: 'a' })
    assert.deepEqual(taken, [1])
    await source.next()
    assert.deepEqual(taken, [1, 3])
  })

  it('grants a message back as it arrives when a consumer waits for it', async () => {
    const { source, taken } = bench()
    const first = source.next()
    const second = source.next()
    arrive(source, 'a', 'b', 'c')
    assert.deepEqual(taken, [1, 1])
    assert.deepEqual([(await first).value, (await second).value, (await source.next()).value], ['a', 'b', 'c'])
  })

  it('grants all of a message back when its decoder gives the memory of it away', async () => {
    const { source, taken } = bench({
      decode(payload) {
        giveAway(payload)
        return 'gone'
      }
    })
    const early = source.next()
    source.onMessage(Uint8Array.of(1, 2, 3), false)
    source.onMessage(Uint8Array.of(4, 5), false)
    assert.deepEqual([(await early).value, (await source.next()).value, taken], ['gone', 'gone', [3, 2]])
  })

  it('decodes a message when it is taken, not before', async () => {
    let decoded = 0
    const { source } = bench({ decode: (payload) => `${++decoded}${payload}` })
    arrive(source, 'a', 'b')
    assert.equal(decoded, 0)
    await source.next()
    assert.equal(decoded, 1)
  })

  it('ends behind a message that came with the end, whether it is waited for or not', async () => {
    const { source } = bench()
    const waiting = [source.next(), source.next()]
    source.onMessage(Buffer.from('a'), true)
    assert.deepEqual(await Promise.all(waiting), [{ done: false, value: 'a' }, done])
    const { source: unread } = bench()
    unread.onMessage(Buffer.from('a'), true)
    assert.deepEqual([await unread.next(), await unread.next()], [{ done: false, value: 'a' }, done])
  })

  it('gives everything that arrived before the end, then ends for good', async () => {
    const { source, stops } = bench()
    arrive(source, 'a', 'b')
    source.onEnd()
    const values: string[] = []
    for await (const value of source) values.push(value)
    assert.deepEqual([values, stops], [['a', 'b'], []])
    assert.deepEqual(await source.next(), done)
  })

  it('ends every consumer that waits', async () => {
    const { source } = bench()
    const waiting = [source.next(), source.next()]
    source.onEnd()
    assert.deepEqual(await Promise.all(waiting), [done, done])
  })

  it('throws the error of the remote handler behind the messages that came before it, once', async () => {
    const { source } = bench()
    arrive(source, 'a', 'b')
    source.onRemoteError(new Error('handler'))
    assert.equal((await source.next()).value, 'a')
    assert.equal((await source.next()).value, 'b')
    await assert.rejects(source.next(), /handler/)
    assert.deepEqual(await source.next(), done)
  })

  it('throws the error at the first of those who wait, and ends the others', async () => {
    for (const fail of failures) {
      const { source } = bench()
      const waiting = [source.next(), source.next()]
      fail(source)
      await assert.rejects(waiting[0] as Promise<unknown>, cut)
      assert.deepEqual(await waiting[1], done)
      assert.deepEqual(await source.next(), done)
    }
  })

  it('drops what waits at an abort, and throws its reason', async () => {
    const { source, taken } = bench()
    arrive(source, 'a', 'b')
    source.onAbort({ reason: cut })
    arrive(source, 'c')
    await assert.rejects(source.next(), cut)
    assert.deepEqual([await source.next(), taken], [done, []])
  })

  it('throws the reason of an abort that came behind the end, when messages before the end were dropped', async () => {
    const { source } = bench()
    arrive(source, 'a', 'b')
    source.onEnd()
    assert.equal((await source.next()).value, 'a')
    source.onAbort({ reason: cut })
    await assert.rejects(source.next(), cut)
    assert.deepEqual(await source.next(), done)
  })

  it('stays at its clean end when an abort comes after all was taken', async () => {
    const { source } = bench()
    arrive(source, 'a')
    source.onEnd()
    await source.next()
    source.onAbort({ reason: cut })
    assert.deepEqual(await source.next(), done)
  })

  it('keeps the error of the handler when an abort comes behind it', async () => {
    const { source } = bench()
    arrive(source, 'a')
    source.onRemoteError(new Error('handler'))
    source.onAbort({ reason: cut })
    await assert.rejects(source.next(), /handler/)
  })

  it('throws a reason that is undefined or null', async () => {
    for (const reason of [undefined, null]) {
      const { source } = bench()
      source.onAbort({ reason })
      let thrown: unknown = 'nothing'
      await source.next().catch((error) => {
        thrown = error
      })
      assert.equal(thrown, reason)
    }
  })

  it('tells the stream once when the consumer breaks, and drops what waits', async () => {
    const { source, stops, taken } = bench()
    arrive(source, 'a', 'b', 'c')
    for await (const value of source) {
      assert.equal(value, 'a')
      break
    }
    await source.return()
    arrive(source, 'd')
    source.onAbort({ reason: cut })
    assert.deepEqual([stops, taken, await source.next()], [[undefined], [1], done])
  })

  it('tells the stream nothing when the consumer returns after the end', async () => {
    const { source, stops } = bench()
    arrive(source, 'a')
    source.onEnd()
    assert.deepEqual(await source.return(), done)
    assert.deepEqual([await source.next(), stops], [done, []])
  })

  it('drops an error that nobody asked for when the consumer returns', async () => {
    const { source } = bench()
    source.onAbort({ reason: cut })
    await source.return()
    assert.deepEqual(await source.next(), done)
  })

  it('ends everyone who waits when the consumer returns', async () => {
    const { source } = bench()
    const waiting = source.next()
    await source.return()
    assert.deepEqual(await waiting, done)
  })

  for (const waits of [false, true]) {
    it(`throws a CodecError for a message that cannot be decoded, and stops the stream (waited for: ${waits})`, async () => {
      const cause = new Error('bad bytes')
      const { source, undecodable, taken } = bench({
        decode(payload) {
          if (payload[0] === 0x78) throw cause
          return String(payload[0])
        }
      })
      const early = waits ? source.next() : undefined
      arrive(source, 'x', 'a')
      await assert.rejects(early ?? source.next(), { name: 'CodecError', delivery: 'ran', cause })
      assert.equal(undecodable.length, 1)
      assert.equal(undecodable[0]?.name, 'CodecError')
      assert.deepEqual([taken, await source.next()], [[], done])
    })
  }

  it('throws that error without a delivery where none was named: at a handler', async () => {
    const decode = () => {
      throw new Error('bad bytes')
    }
    const source = new Source({ decode }, { onReaderStopped: () => undefined, onUndecodable: () => undefined })
    arrive(source, 'x')
    await assert.rejects(source.next(), { name: 'CodecError', delivery: undefined })
  })

  it('takes views only while a consumer waits and its decoder keeps nothing', () => {
    const inPlace: Decoder<string> = { ...text, readsInPlace: true }
    for (const [decoder, expected] of [
      [inPlace, true],
      [text, false],
      [{ ...text, readsInPlace: false }, false]
    ] as const) {
      const { source } = bench(decoder)
      assert.equal(source.readsInPlace, false)
      source.next()
      assert.equal(source.readsInPlace, expected)
      arrive(source, 'a')
      assert.equal(source.readsInPlace, false)
    }
  })
})

describe('the batches of a source', () => {
  const batch = (...value: string[]) => ({ done: false, value })

  it('have all that is there, which is granted back at once when it is taken', async () => {
    const { source, taken } = bench()
    const batches = source.batches()
    arrive(source, 'a', 'bcd')
    assert.deepEqual(taken, [])
    assert.deepEqual([await batches.next(), taken], [batch('a', 'bcd'), [4]])
    arrive(source, 'e')
    assert.deepEqual(await batches.next(), batch('e'))
  })

  it('have all that arrives in one turn when a consumer waits for it, and one that waits behind gets what comes later', async () => {
    const { source, taken } = bench()
    const batches = source.batches()
    const waiting = [batches.next(), source.next()]
    arrive(source, 'a', 'b', 'c')
    assert.deepEqual(taken, [1, 1, 1])
    assert.deepEqual(await waiting[0], batch('a', 'b', 'c'))
    arrive(source, 'd')
    assert.equal((await waiting[1])?.value, 'd')
  })

  it('end behind the last message, and for good', async () => {
    for (const waits of [false, true]) {
      const { source, stops } = bench()
      const batches = source.batches()
      const early = waits ? batches.next() : undefined
      arrive(source, 'a')
      source.onMessage(Buffer.from('b'), true)
      assert.deepEqual(await (early ?? batches.next()), batch('a', 'b'))
      assert.deepEqual([await batches.next(), await source.next(), stops], [done, done, []])
    }
  })

  it('throw the error behind the messages that came before it, once', async () => {
    for (const fail of failures) {
      const { source } = bench()
      const batches = source.batches()
      const early = batches.next()
      arrive(source, 'a', 'b')
      fail(source)
      assert.deepEqual(await early, batch('a', 'b'))
      await assert.rejects(batches.next(), cut)
      assert.deepEqual(await batches.next(), done)
    }
  })

  it('drop what waits at an abort, and throw its reason', async () => {
    const { source, taken } = bench()
    arrive(source, 'a', 'b')
    source.onAbort({ reason: cut })
    await assert.rejects(source.batches().next(), cut)
    assert.deepEqual(taken, [])
  })

  for (const waits of [false, true]) {
    it(`throw the error of a message that cannot be decoded behind those before it (waited for: ${waits})`, async () => {
      const bad = new Error('bad bytes')
      const decode = (payload: Uint8Array) => {
        if (payload[0] === 0x78) throw bad
        return Buffer.from(payload).toString()
      }
      const { source, undecodable, taken } = bench({ decode })
      const batches = source.batches()
      const early = waits ? batches.next() : undefined
      arrive(source, 'a', 'x', 'b')
      assert.deepEqual(await (early ?? batches.next()), batch('a'))
      await assert.rejects(batches.next(), { name: 'CodecError', delivery: 'ran', cause: bad })
      assert.deepEqual([await batches.next(), undecodable.length, taken], [done, 1, [1]])
      const first = bench({ decode })
      const none = waits ? first.source.batches().next() : undefined
      arrive(first.source, 'x', 'a')
      await assert.rejects(none ?? first.source.batches().next(), { name: 'CodecError', cause: bad })
    })
  }

  it('leave the error of what cannot be decoded to who waits behind them, before the end', async () => {
    const { source, undecodable } = bench({
      decode(payload) {
        if (payload[0] === 0x78) throw cut
        return Buffer.from(payload).toString()
      }
    })
    const batches = source.batches()
    const [first, second, third] = [batches.next(), batches.next(), source.next()]
    arrive(source, 'a', 'x', 'b')
    assert.deepEqual(await first, batch('a'))
    await assert.rejects(second, { name: 'CodecError', cause: cut })
    assert.deepEqual([await third, await batches.next(), undecodable.length], [done, done, 1])
  })

  it('stop the stream when their consumer breaks, or throws a reason in, and drop what waits', async () => {
    const { source, stops } = bench()
    arrive(source, 'a')
    for await (const values of source.batches()) {
      assert.deepEqual(values, ['a'])
      arrive(source, 'b')
      break
    }
    assert.deepEqual([stops, await source.next()], [[undefined], done])
    const other = bench()
    await assert.rejects(Promise.resolve(other.source.batches().throw?.(cut)), cut)
    assert.deepEqual(other.stops, [{ reason: cut }])
  })

  it('take views while their consumer waits, of all messages of the turn', () => {
    const { source } = bench({ ...text, readsInPlace: true })
    source.batches().next()
    arrive(source, 'a')
    assert.equal(source.readsInPlace, true)
  })
})
