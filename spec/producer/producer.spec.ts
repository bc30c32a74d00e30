/**
 * What is handed over to be sent is read as the language reads it: each odd producer is read by a `for await` of this very
 * Node and by a sink, and both must see the same values, the same end and the same closing.
 */

import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, it } from 'node:test'
import type { Producer } from '../../lib/producer/producer.ts'
import { Sink } from '../../lib/stream/sink.ts'
import { SendWindow } from '../../lib/stream/window.ts'
import { until } from '../support/until.ts'

/** What a reader has seen. */
interface Reading {
  readonly values: unknown[]
  /** `end`, or what failed. */
  how: unknown
  /** How often it was closed. */
  closes: number
}

/** Makes a producer that notes in `reading` when it is closed. */
type Make = (reading: Reading) => unknown

const [sync, async] = [Symbol.iterator, Symbol.asyncIterator] as const
const bad = new Error('bad')
const promise = Promise.resolve(1)

/** An iterator over `results`, as they are. */
function over(reading: Reading, results: unknown[], closing: unknown = {}) {
  return {
    next: () => results.shift(),
    return: () => {
      reading.closes++
      return closing
    }
  }
}

const value = (given: unknown) => ({ done: false, value: given })
const end = { done: true, value: undefined }
const throwing = (name: string) => ({
  get [name]() {
    throw bad
  }
})
/** A stream of 1 and 2, and then of what `end` does. */
function webStream(end: (controller: ReadableStreamDefaultController<unknown>) => void): ReadableStream<unknown> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(1)
      controller.enqueue(2)
      end(controller)
    }
  })
}
function thenable(settle: (resolve: (value: unknown) => void, reject: (error: unknown) => void) => void) {
  // biome-ignore lint/suspicious/noThenProperty: it is what is tried
  return { then: settle }
}

const odd: Record<string, Make> = {
  'a string': () => 'añ😀',
  'a String object': () => new String('ab'),
  'a typed array': () => Uint8Array.of(1, 2),
  'an array with a getter': (reading) =>
    Object.defineProperty([1, 2, 3], 1, {
      get() {
        reading.closes++
        return 2
      }
    }),
  'an array of four billion holes': () => new Array(2 ** 32 - 1),
  'a function that is an iterable': (reading) =>
    Object.assign(() => undefined, { [sync]: () => over(reading, [value(1), end]) }),
  'an iterator that is a function': (reading) => ({
    [sync]: () => Object.assign(() => undefined, over(reading, [value(1), end]))
  }),
  'results that are functions': (reading) => ({
    [async]: () => over(reading, [Object.assign(() => undefined, value(1)), Object.assign(() => undefined, end)])
  }),
  'a number': () => 7,
  'an object that is no iterable': () => ({}),
  'an array-like object': () => ({ length: 1, 0: 'a' }),
  undefined: () => undefined,
  null: () => null,
  'a promise of an iterable': () => Promise.resolve([1]),
  'an iterable by its prototype': (reading) => Object.create({ [sync]: () => over(reading, [value(1), end]) }),
  'asyncIterator null beside an iterator': (reading) => ({
    [async]: null,
    [sync]: () => over(reading, [value(1), end])
  }),
  'asyncIterator undefined beside an iterator': (reading) => ({
    [async]: undefined,
    [sync]: () => over(reading, [value(1), end])
  }),
  'both, of which the async one counts': (reading) => ({
    [async]: () => over(reading, [value('async'), end]),
    [sync]: () => over(reading, [value('sync'), end])
  }),
  'asyncIterator that is no function': () => ({ [async]: 7, [sync]: () => [] }),
  'asyncIterator whose getter throws': () => ({
    get [async]() {
      throw bad
    }
  }),
  'asyncIterator that throws': () => ({
    [async]: () => {
      throw bad
    }
  }),
  'an iterator that is no object': () => ({ [sync]: () => 7 }),
  'an iterator that is null': () => ({ [async]: () => null }),
  'a promise in place of an async iterator': (reading) => ({
    [async]: () => Promise.resolve(over(reading, [value(1), end]))
  }),
  'no next at all': () => ({ [sync]: () => ({}) }),
  'a next whose getter throws': () => ({ [async]: () => throwing('next') }),
  'a next that is replaced': (reading) => ({
    [sync]: () => {
      let pulls = 0
      const iterator = {
        next: () => {
          iterator.next = () => assert.fail('it was read again')
          return pulls++ < 3 ? value(pulls) : end
        },
        return: () => reading.closes++
      }
      return iterator
    }
  }),
  'results that are no objects': (reading) => ({ [sync]: () => over(reading, [value(1), 7]) }),
  'an async result that is none': (reading) => ({ [async]: () => over(reading, [value(1), Promise.resolve()]) }),
  'a result that is missing': (reading) => ({ [async]: () => over(reading, [value(1)]) }),
  'a done that is only truthy': (reading) => ({ [sync]: () => over(reading, [value(1), { done: 'yes', value: 2 }]) }),
  'a done that is missing': (reading) => ({ [async]: () => over(reading, [{ value: 1 }, { value: 2 }, end]) }),
  'a done whose getter throws': (reading) => ({ [sync]: () => over(reading, [value(1), throwing('done')]) }),
  'a value whose getter throws': (reading) => ({ [sync]: () => over(reading, [value(1), throwing('value')]) }),
  'a last value whose getter throws': (reading) => ({
    [async]: () => over(reading, [value(1), { done: true, ...Object.create(throwing('value')) }])
  }),
  'a last value whose getter throws, of a plain iterator': (reading) => ({
    [sync]: () => over(reading, [value(1), Object.assign(Object.create(throwing('value')), { done: true })])
  }),
  'a next that throws': (reading) => ({
    [sync]: () => ({
      ...over(reading, []),
      next: () => {
        throw bad
      }
    })
  }),
  'a next that rejects': (reading) => ({ [async]: () => over(reading, [value(1), Promise.reject(bad)]) }),
  'promises as values': (reading) => ({ [sync]: () => over(reading, [value(Promise.resolve(1)), value(2), end]) }),
  'thenables as values': (reading) => ({
    [sync]: () => over(reading, [value(thenable((resolve) => resolve(1))), value(2), end])
  }),
  'functions that are thenables': (reading) => ({
    [sync]: () =>
      over(reading, [
        value(
          Object.assign(
            () => undefined,
            thenable((resolve) => resolve(1))
          )
        ),
        value(2),
        end
      ])
  }),
  'thenables as results': (reading) => ({
    [async]: () =>
      over(reading, [thenable((resolve) => resolve(value(1))), thenable((resolve) => resolve(value(2))), end])
  }),
  'thenables that settle again and again': (reading) => ({
    [async]: () =>
      over(reading, [
        thenable((resolve, reject) => {
          resolve(value(1))
          resolve(value('once too often'))
          reject(bad)
          throw bad
        }),
        value(2),
        end
      ])
  }),
  'a promise whose then was replaced': (reading) => ({
    [async]: () =>
      over(reading, [
        Object.assign(
          Promise.resolve(value(1)),
          thenable(() => assert.fail('it was called'))
        ),
        value(2),
        end
      ])
  }),
  'a result whose then throws when it is read': (reading) => ({ [async]: () => over(reading, [throwing('then')]) }),
  'a thenable that throws': (reading) => ({
    [async]: () =>
      over(reading, [
        thenable(() => {
          throw bad
        })
      ])
  }),
  'promises as values of an async iterator': (reading) => ({ [async]: () => over(reading, [value(promise), end]) }),
  'a promise as a last value': (reading) => ({
    [sync]: () => over(reading, [value(1), { done: true, value: Promise.resolve(2) }])
  }),
  'a rejected promise as a last value': (reading) => ({
    [sync]: () => over(reading, [value(1), { done: true, value: Promise.reject(bad) }])
  }),
  'a rejected promise as a last value of an async iterator': (reading) => {
    const rejected = Promise.reject(bad)
    rejected.catch(() => undefined)
    return { [async]: () => over(reading, [value(1), { done: true, value: rejected }]) }
  },
  'values that are undefined and null': (reading) => ({
    [sync]: () => over(reading, [value(undefined), value(null), end])
  }),
  'a stream of Node': () => Readable.from([1, 2]),
  'a stream of Node that fails': () =>
    Readable.from(
      (function* () {
        yield 1
        throw bad
      })()
    ),
  'a web stream': () => webStream((controller) => controller.close()),
  'a web stream that fails': () => webStream((controller) => setImmediate(() => controller.error(bad))),
  'a web stream that another reader holds': () => {
    const stream = webStream(() => undefined)
    stream.getReader()
    return stream
  },
  'a web stream with an iterator of its own': (reading) =>
    Object.assign(
      webStream(() => undefined),
      { [async]: () => over(reading, [value(7), end]) }
    ),
  'a proxy whose traps throw': () =>
    new Proxy(
      {},
      {
        get() {
          throw bad
        }
      }
    )
}

/** Producers of one value, and then of others: how they are closed by a reader that takes one. */
const closings: Record<string, Make> = {
  'no return': () => ({ [sync]: () => ({ next: () => value(1) }) }),
  'a return that is null': () => ({ [async]: () => ({ next: () => value(1), return: null }) }),
  'a return that is no function': () => ({ [sync]: () => ({ next: () => value(1), return: 7 }) }),
  'a return whose getter throws': () => ({ [sync]: () => Object.assign(throwing('return'), { next: () => value(1) }) }),
  'a return that throws': () => ({
    [async]: () => ({
      next: () => value(1),
      return: () => {
        throw bad
      }
    })
  }),
  'a return that rejects': (reading) => ({ [async]: () => over(reading, [value(1)], Promise.reject(bad)) }),
  'a return that gives no object': (reading) => ({ [sync]: () => over(reading, [value(1)], 7) }),
  'a return that gives a promise of no object': (reading) => ({
    [async]: () => over(reading, [value(1)], Promise.resolve())
  }),
  'a return that gives a promise of an object': (reading) => ({
    [async]: () => over(reading, [value(1)], Promise.resolve(end))
  }),
  'a return of a plain iterator that gives a rejected value': (reading) => ({
    [sync]: () => over(reading, [value(1)], value(Promise.reject(bad)))
  }),
  'a return that gives a thenable': (reading) => ({
    [async]: () =>
      over(
        reading,
        [value(1)],
        thenable((resolve) => resolve(end))
      )
  }),
  'a stream of Node': (reading) =>
    new Readable({
      objectMode: true,
      read() {
        this.push(1)
      },
      destroy(error, done) {
        reading.closes++
        done(error)
      }
    }),
  'a web stream': (reading) =>
    new ReadableStream({
      start(controller) {
        controller.enqueue(1)
        controller.enqueue(2)
      },
      cancel() {
        reading.closes++
      }
    }),
  'a web stream that cannot be cancelled': () =>
    new ReadableStream({ start: (controller) => controller.enqueue(1), cancel: () => Promise.reject(bad) }),
  'a generator': (reading) =>
    (function* () {
      try {
        yield 1
        yield 2
      } finally {
        reading.closes++
      }
    })(),
  'a generator whose finally throws': (reading) =>
    (async function* () {
      try {
        yield 1
        yield 2
      } finally {
        reading.closes++
        // biome-ignore lint/correctness/noUnsafeFinally: it is what is tried
        throw bad
      }
    })()
}

async function byForAwait(make: Make, limit: number): Promise<Reading> {
  const reading: Reading = { values: [], how: 'end', closes: 0 }
  try {
    for await (const value of make(reading) as AsyncIterable<unknown>) {
      reading.values.push(value)
      if (reading.values.length === limit) break
    }
  } catch (error) {
    reading.how = error
    // By the language, nobody closes an iterator that failed by itself. The V8 of Node 24 does so where it is a plain one.
    if (reading.values.length < limit) reading.closes = 0
  }
  return reading
}

async function bySink(make: Make, limit: number): Promise<Reading> {
  const reading: Reading = { values: [], how: undefined, closes: 0 }
  const window = new SendWindow(limit, 1_000_000)
  let settled = false
  const port = { canTake: true, sendMessage: () => undefined, sendEnd: () => undefined }
  const sink = new Sink<unknown>(port, window, {
    encode(value) {
      reading.values.push(value)
      return new Uint8Array(1)
    },
    onFailed(error) {
      reading.how = error
    },
    onSettled(failure) {
      settled = true
      reading.how ??= failure === undefined ? 'end' : failure.reason
    }
  })
  sink.attach(make(reading) as Producer<unknown>)
  await until(() => settled || reading.values.length === limit, 'it is read')
  sink.stop()
  await until(() => settled, 'it is closed')
  return reading
}

/** Texts of the language's own errors are nobody's business. */
function comparable({ values, how, closes }: Reading) {
  return { values, how: how === bad || how === 'end' ? how : (how as Error).constructor, closes }
}

describe('a producer is read as by a for await:', () => {
  for (const [what, make] of Object.entries(odd)) {
    it(what, async () => {
      assert.deepEqual(comparable(await bySink(make, 5)), comparable(await byForAwait(make, 5)))
    })
  }

  // The rule is of ES2025; a `for await` of Node 20 does not close it.
  it('a rejected promise as a value of a plain iterator, which is closed', async () => {
    for (const rejected of [() => Promise.reject(bad), () => throwing('then')]) {
      const reading = await bySink(
        (reading) => ({ [sync]: () => over(reading, [value(1), value(rejected()), end]) }),
        5
      )
      assert.deepEqual(reading, { values: [1], how: bad, closes: 1 })
    }
  })

  it('a promise that rejects is refused, and nobody else hears of it', async () => {
    const { how } = await bySink(() => Promise.reject(bad), 5)
    assert.ok(how instanceof TypeError)
  })
})

describe('a producer that is left is closed as by a break:', () => {
  for (const [what, make] of Object.entries(closings)) {
    it(what, async () => {
      assert.deepEqual(comparable(await bySink(make, 1)), comparable(await byForAwait(make, 1)))
    })
  }
})
