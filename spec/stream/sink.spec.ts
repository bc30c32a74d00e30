/** The sending half: how often the producer is pulled, against what, and how it is unwound. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { many } from '../../lib/producer/many.ts'
import type { Producer } from '../../lib/producer/producer.ts'
import { Sink, type SinkPort } from '../../lib/stream/sink.ts'
import { SendWindow } from '../../lib/stream/window.ts'
import { settled, until } from '../support/until.ts'
import { bench, Counted, encode, kinds } from './sink-bench.ts'

describe('the sink', () => {
  for (const kind of kinds) {
    it(`pulls a producer (${kind}) once for each message of credit, and not once more`, async () => {
      const { sink, window, port } = bench(3)
      const producer = new Counted()
      sink.attach(producer[kind]())
      assert.equal(await settled(() => producer.pulls), 3)
      window.add(2, 0)
      sink.pump()
      assert.equal(await settled(() => producer.pulls), 5)
      assert.deepEqual(port.sent, ['1', '2', '3', '4', '5'])
    })

    it(`pulls a producer (${kind}) only while the slot is empty, whatever the credit`, async () => {
      const { sink, port } = bench(100, { autoEmpty: false })
      const producer = new Counted()
      sink.attach(producer[kind]())
      assert.equal(await settled(() => producer.pulls), 1)
      for (let taken = 2; taken < 5; taken++) {
        port.slot = undefined
        sink.pump()
        assert.equal(await settled(() => producer.pulls), taken)
      }
    })

    it(`does not pull a producer (${kind}) without credit, nor after bytes ran out`, async () => {
      const dry = bench(0)
      const untouched = new Counted()
      dry.sink.attach(untouched[kind]())
      const { sink, window } = bench(100, { bytes: 2 })
      const producer = new Counted()
      sink.attach(producer[kind]())
      assert.equal(await settled(() => untouched.pulls + producer.pulls), 2)
      window.add(0, 1)
      sink.pump()
      assert.equal(await settled(() => producer.pulls), 3)
      assert.equal(untouched.pulls, 0)
    })

    it(`ends once when a producer (${kind}) has ended, behind all its messages`, async () => {
      const made = bench(100)
      const producer = new Counted(4)
      made.sink.attach(producer[kind]())
      await until(() => made.port.ends === 1, 'the end')
      made.sink.pump()
      made.sink.stop()
      assert.deepEqual(made.port.sent, ['1', '2', '3', '4'])
      assert.deepEqual([made.port.ends, made.settles, producer.finallyRan, made.port.failures], [1, 1, 1, []])
    })

    it(`runs the finally of a producer (${kind}) that is stopped, and sends nothing of it any more`, async () => {
      const made = bench(2)
      const producer = new Counted()
      made.sink.attach(producer[kind]())
      await until(() => made.port.sent.length === 2, 'two messages')
      made.sink.stop()
      made.sink.stop()
      await until(() => made.settles === 1, 'the producer is unwound')
      made.window.add(10, 10)
      made.sink.pump()
      assert.equal(await settled(() => producer.pulls), 2)
      assert.deepEqual([producer.finallyRan, made.settles, made.port.ends, made.port.failures], [1, 1, 0, []])
    })
  }

  it('hands on what a producer throws, once, behind the messages before it', async () => {
    const broken = new Error('no more')
    const producers: Producer<string>[] = [
      (function* () {
        yield 'a'
        throw broken
      })(),
      (async function* () {
        yield 'a'
        throw broken
      })(),
      (function* () {
        yield 'a'
        yield Promise.reject(broken)
      })()
    ]
    for (const producer of producers) {
      const made = bench(10)
      made.sink.attach(producer)
      await until(() => made.port.failures.length === 1, 'the failure')
      assert.deepEqual([made.port.sent, made.port.failures, made.port.ends, made.settles], [['a'], [broken], 0, 1])
    }
  })

  it('hands on what a producer throws when it is asked for its iterator', () => {
    const broken = new TypeError('locked')
    const locked = {
      [Symbol.asyncIterator](): AsyncIterator<string> {
        throw broken
      }
    }
    const made = bench(1)
    made.sink.attach(locked)
    assert.deepEqual([made.port.failures, made.settles], [[broken], 1])
    const stopped = bench(1)
    stopped.sink.stop()
    stopped.sink.attach(locked)
    assert.deepEqual([stopped.port.failures, stopped.settles], [[], 1])
  })

  it('unwinds a producer that stops it while it is asked, once it has answered', async () => {
    for (const fails of [false, true]) {
      const made = bench(10)
      let unwound = 0
      function* stopping() {
        try {
          yield 'a'
          made.sink.stop()
          if (fails) throw new Error('and fails')
          yield 'b'
        } finally {
          unwound++
        }
      }
      made.sink.attach(stopping())
      assert.deepEqual([made.port.sent, unwound, made.settles, made.port.failures], [['a'], 1, 1, []])
      async function* stoppingLater() {
        yield* stopping()
      }
      const later = bench(10)
      Object.assign(made, later)
      later.owner.onSettled = () => {
        made.settles++
      }
      later.sink.attach(stoppingLater())
      await until(() => made.settles === 1, 'it is unwound')
      assert.deepEqual([made.port.sent, unwound, made.port.failures], [['a'], 2, []])
    }
  })

  it('unwinds a producer whose value cannot be encoded, and hands on why', async () => {
    const unfit = new TypeError('unfit')
    for (const kind of kinds) {
      const made = bench(10, {
        encode: (value) => {
          if (value === '3') throw unfit
          return encode(value)
        }
      })
      const producer = new Counted()
      made.sink.attach(producer[kind]())
      await until(() => made.settles === 1, 'the producer is unwound')
      assert.deepEqual([made.port.sent, made.port.failures], [['1', '2'], [unfit]])
      assert.deepEqual([producer.pulls, producer.finallyRan, made.port.ends], [3, 1, 0])
    }
  })

  it('unwinds a producer that is attached after the stop, without pulling it', async () => {
    const made = bench(10)
    made.sink.stop()
    assert.equal(made.settles, 0)
    let returned = 0
    made.sink.attach({
      [Symbol.asyncIterator]: () => ({
        next: () => assert.fail('it was pulled'),
        return: async () => {
          returned++
          return { done: true, value: undefined }
        }
      })
    })
    await until(() => made.settles === 1, 'the producer is unwound')
    assert.equal(returned, 1)
  })

  it('settles though the producer throws or rejects while it is unwound, or has no return at all', async () => {
    const returns: (undefined | (() => Promise<IteratorResult<string>>))[] = [
      undefined,
      () => Promise.reject(new Error('late')),
      () => {
        throw new Error('at once')
      }
    ]
    for (const unwind of returns) {
      const made = bench(0)
      made.sink.attach({ [Symbol.asyncIterator]: () => ({ next: () => assert.fail('pulled'), return: unwind }) })
      made.sink.stop()
      await until(() => made.settles === 1, 'it settled')
      assert.deepEqual(made.port.failures, [])
    }
  })

  it('drops the value of a pull that settles after the stop', async () => {
    const made = bench(5)
    let settle = (_result: IteratorResult<string>) => {}
    made.sink.attach({
      [Symbol.asyncIterator]: () => ({
        next: () =>
          new Promise<IteratorResult<string>>((resolve) => {
            settle = resolve
          })
      })
    })
    made.sink.stop()
    settle({ done: false, value: 'late' })
    await settled(() => made.port.sent.length)
    assert.deepEqual([made.port.sent, made.port.ends, made.settles], [[], 0, 1])
  })

  it('counts a value as taken only when the slot is empty again', async () => {
    const { sink, port, owner } = bench(10, { autoEmpty: false })
    const taken: number[] = []
    owner.onTaken = (count) => taken.push(count)
    sink.attach(['a', 'b'])
    assert.deepEqual([sink.taken, taken, port.sent], [0, [], ['a']])
    port.slot = undefined
    sink.pump()
    assert.deepEqual([sink.taken, taken, port.sent], [1, [1], ['a', 'b']])
    port.slot = undefined
    sink.pump()
    assert.deepEqual([sink.taken, taken, port.ends], [2, [1, 2], 1])
  })

  it('does not pull again from within the sending of a message', () => {
    const producer = new Counted()
    const window = new SendWindow(5, 1000)
    let depth = 0
    const port: SinkPort = {
      canTake: true,
      sendMessage() {
        assert.equal(++depth, 1)
        sink.pump()
        depth--
      },
      sendEnd: () => assert.fail('ended')
    }
    const sink = new Sink<string>(port, window, { encode, onFailed: (error) => assert.fail(String(error)) })
    sink.attach(producer.sync())
    assert.equal(producer.pulls, 5)
  })
})

describe('many values in the place of one', () => {
  it('go among the others in order, none of them too', async () => {
    const made = bench(100)
    made.sink.attach(['a', many(['b', 'c']), many([]), many(new Set(['d'])), Promise.resolve(many(['e'])), 'f'])
    await until(() => made.port.ends === 1, 'the end')
    assert.deepEqual([made.port.sent, made.settles], [['a', 'b', 'c', 'd', 'e', 'f'], 1])
  })

  it('count as one value, which is taken when the last of them is', () => {
    const { sink, port, owner } = bench(10, { autoEmpty: false })
    const taken: number[] = []
    owner.onTaken = (count) => taken.push(count)
    sink.attach(['a', many(['b', 'c']), 'd'])
    for (const expected of [['a'], ['a', 'b'], ['a', 'b', 'c'], ['a', 'b', 'c', 'd']]) {
      assert.deepEqual(
        [port.sent, taken.length],
        [expected, Math.max(0, expected.length - 1 - Number(expected.length > 2))]
      )
      port.slot = undefined
      sink.pump()
    }
    assert.deepEqual([taken, port.ends], [[1, 2, 3], 1])
  })

  it('are taken with the last of an array, and of another iterable with credit to look for more', () => {
    for (const [values, taken] of [
      [['a', 'b'], 1],
      [new Set(['a', 'b']), 0],
      [Object.assign(['a', 'b', 'none'], { [Symbol.iterator]: () => ['a', 'b'].values() }), 0]
    ] as const) {
      const { sink, port, window } = bench(2)
      sink.attach([many(values), 'c'])
      assert.deepEqual([port.sent, sink.taken], [['a', 'b'], taken])
      window.add(1, 0)
      sink.pump()
      assert.deepEqual([port.sent, sink.taken], [['a', 'b', 'c'], 2])
    }
  })

  it('have what their array has when its last one is sent', () => {
    const { sink, port, window } = bench(2)
    const values = ['a', 'b', 'c', 'd']
    sink.attach([many(values), many(['e', 'f'])])
    values.push('more')
    values.splice(2, 2)
    window.add(10, 0)
    sink.pump()
    assert.deepEqual([port.sent, sink.taken, port.ends], [['a', 'b', 'more', 'e', 'f'], 2, 1])
  })

  it('end no process by a return() that gives a rejected promise where it should give a result', async () => {
    const { sink } = bench(1)
    const values = { next: () => ({ done: false, value: 'a' }), return: () => Promise.reject(new Error('late')) }
    sink.attach([many({ [Symbol.iterator]: () => values as unknown as Iterator<string> })])
    sink.stop()
    await settled(() => 0)
  })

  it('fail as a value when they throw or reject, and both they and the producer are unwound', async () => {
    const broken = new Error('no more')
    function* failing(how: () => string | Promise<string>): Generator<string | Promise<string>> {
      yield 'a'
      yield how()
    }
    const throws = () => {
      throw broken
    }
    for (const how of [throws, () => Promise.reject(broken)]) {
      const made = bench(10)
      let unwound = 0
      async function* producer() {
        try {
          yield many(failing(how) as Iterable<string>)
          yield 'never'
        } finally {
          unwound++
        }
      }
      made.sink.attach(producer())
      await until(() => made.settles === 1, 'it is unwound')
      assert.deepEqual([made.port.sent, made.port.failures, unwound], [['a'], [broken], 1])
    }
  })

  it('are unwound before the producer when they are stopped, also by themselves, and whether they fail then or not', () => {
    for (const fails of [undefined, true, false]) {
      const made = bench(1)
      const unwound: string[] = []
      function* values() {
        try {
          yield 'a'
          made.sink.stop()
          if (fails === true) throw new Error('late')
          yield 'b'
        } finally {
          unwound.push('values')
        }
      }
      function* producer() {
        try {
          yield many(values())
        } finally {
          unwound.push('producer')
        }
      }
      made.sink.attach(producer())
      if (fails === undefined) made.sink.stop()
      made.window.add(1, 0)
      made.sink.pump()
      assert.deepEqual([made.port.sent, made.port.failures, made.settles], [['a'], [], 1])
      assert.deepEqual(unwound, ['values', 'producer'])
    }
  })

  it('tell of a failure while they are unwound, as a producer does', () => {
    const late = new Error('late')
    const made = bench(1)
    const told: unknown[] = []
    made.owner.onSettled = (failure) => told.push(failure?.reason)
    const failing = {
      [Symbol.iterator]: () => ({
        next: () => ({ done: false, value: 'a' }),
        return() {
          throw late
        }
      })
    }
    made.sink.attach([many(failing)])
    made.sink.stop()
    assert.deepEqual(told, [late])
  })

  it('hold no other many, and are an iterable', () => {
    const made = bench(10)
    made.sink.attach([many(['a', many(['b']) as unknown as string])])
    assert.match(String(made.port.failures[0]), /TypeError: a many\(\) holds another one/)
    for (const wrong of [undefined, null, 7, {}, new Counted().async()]) {
      assert.throws(() => many(wrong as unknown as Iterable<string>), { code: 'ERR_INVALID_OPTION' })
    }
  })

  it('end no process by a promise among them that rejects before they are read', async () => {
    const values = many([Promise.reject(new Error('early')) as unknown as string])
    await settled(() => 0)
    const made = bench(10)
    made.sink.attach([values])
    await until(() => made.port.failures.length === 1, 'it fails when it is read')
  })
})
