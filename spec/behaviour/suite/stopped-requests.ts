/**
 * Requests that nobody takes any more: each attempt to send one is refused, at once, and whoever waits is told.
 */

import assert from 'node:assert/strict'
import { ClosedError, type GridStream, streaming } from '../../../lib/index.ts'
import { Gate, Outcome } from '../../support/gate.ts'
import { until } from '../../support/until.ts'
import type { Fact } from '../suite.ts'

const both = streaming<void, number, string>('both', { inCapacity: 1, outCapacity: 2 })

type Talk = GridStream<number, string>

/** Each way in which a handler can stop taking requests and go on answering. */
const stops: Record<string, (requests: AsyncIterableIterator<number>) => unknown> = {
  'return()': (requests) => requests.return?.(),
  async break(requests) {
    for await (const _ of requests) break
  },
  'return() at once, with a pull that waits': (requests) => {
    requests.next()
    return requests.return?.()
  }
}

/** Each way in which requests end at their caller. */
const ends: Record<string, (stream: Talk) => unknown> = {
  'requests.end()': (stream) => stream.requests.end(),
  'requests.return()': (stream) => stream.requests.return(),
  'requests.throw()': (stream) => stream.requests.throw(new Error('enough')),
  'cancel()': (stream) => stream.cancel(),
  'return() of the responses': (stream) => stream.responses.return?.()
}

function assertRefused(stream: Talk): Promise<void> {
  assert.throws(() => stream.requests.push(1), ClosedError)
  return assert.rejects(stream.send(1), ClosedError)
}

export function stoppedFacts(fact: Fact): void {
  for (const [how, stop] of Object.entries(stops)) {
    fact(
      `a handler that stops its requests by ${how} and goes on answering refuses the first of them`,
      async (link) => {
        const gate = new Gate()
        link.responder.handle(both, async function* (_, requests) {
          await stop(requests)
          yield 'stopped'
          await gate.opened
          yield 'the rest'
        })
        await link.known()
        const [sent, pushed, piped] = [link.peer.newStream(both), link.peer.newStream(both), link.peer.newStream(both)]
        const streams = [sent, pushed, piped]
        // A handler that breaks out of its requests needs one for that.
        if (how === 'break') await Promise.all(streams.map((stream) => stream.send(0)))
        for (const stream of streams) assert.equal((await stream.responses.next()).value, 'stopped')
        await assert.rejects(sent.send(1), ClosedError)
        assert.throws(() => pushed.requests.push(1), ClosedError)
        let unwound = 0
        const source = { next: () => assert.fail('it is pulled'), return: () => ({ done: true, value: unwound++ }) }
        const done = piped.sink({ [Symbol.iterator]: () => source as unknown as Iterator<number> })
        if (how === 'break') await assert.rejects(done, ClosedError)
        else await done.then(() => assert.equal(unwound, 1))
        gate.open()
        for (const stream of streams) {
          await assertRefused(stream)
          assert.equal((await stream.responses.next()).value, 'the rest')
          assert.equal((await stream.responses.next()).done, true)
          assert.deepEqual(await stream.closed, { how: 'ended' })
          await assertRefused(stream)
        }
      }
    )
  }

  fact(
    'requests that wait when the handler stops taking them are refused then, while it goes on answering',
    async (link) => {
      const gates = [new Gate(), new Gate()] as const
      link.responder.handle(both, async function* (_, requests) {
        await gates[0].opened
        await requests.return?.()
        yield 'stopped'
        await gates[1].opened
      })
      await link.known()
      const stream = link.peer.newStream(both)
      const sends = Array.from({ length: 5 }, (_, at) => new Outcome(stream.send(at)))
      await sends[0]?.done
      assert.equal(sends[0]?.failed, false)
      // Without a signal an it-pushable waits for nothing.
      const { signal } = new AbortController()
      const empty = stream.requests.onEmpty({ signal })
      gates[0].open()
      for (const { done } of sends) await done
      assert.deepEqual(
        sends.slice(2).map(({ error }) => error instanceof ClosedError),
        [true, true, true]
      )
      assert.equal((await stream.responses.next()).value, 'stopped')
      gates[1].open()
      assert.equal((await stream.responses.next()).done, true)
      await empty
    }
  )

  for (const [how, end] of Object.entries(ends)) {
    fact(`requests that the caller has ended by ${how} take no more, and nobody waits for them`, async (link) => {
      link.responder.handle(both, async function* (_, requests) {
        yield 'open'
        for await (const value of requests) yield `${value}`
      })
      await link.known()
      const stream = link.peer.newStream(both)
      assert.equal((await stream.responses.next()).value, 'open')
      end(stream)
      await assertRefused(stream)
      await assert.rejects(stream.sink([1]))
      stream.cancel()
      await stream.closed
      await assertRefused(stream)
      await stream.requests.onEmpty({ signal: new AbortController().signal })
    })
  }

  fact('a stream that was lost, or never opened, takes no requests', async (link) => {
    link.responder.handle(both, async function* () {
      yield 'open'
      await new Promise(() => undefined)
    })
    await link.known()
    const stream = link.peer.newStream(both)
    assert.equal((await stream.responses.next()).value, 'open')
    const waiting = Array.from({ length: 3 }, (_, at) => new Outcome(stream.send(at)))
    const unknown = link.peer.newStream(streaming<void, number, string>('nobody has it'))
    await assertRefused(unknown)
    link.cut()
    await stream.closed
    for (const { done } of waiting) await done
    assert.equal(waiting.at(-1)?.failed, true)
    await assertRefused(stream)
    await until(() => link.back.stats().session?.runningHandlers !== 1, 'the handler is forgotten')
    await link.abandon()
  })
}
