/**
 * Requests that nobody takes any more: each attempt to send one is refused, at once, and whoever waits is told.
 */

import assert from 'node:assert/strict'
import { ClosedError, GridError, type GridStream, streaming } from '../../../lib/index.ts'
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

/** Each way in which requests end at their caller, with the stream or without. */
const ends: Record<string, (stream: Talk) => unknown> = {
  'requests.end()': (stream) => stream.requests.end(),
  'requests.return()': (stream) => stream.requests.return(),
  'requests.throw(error)': (stream) => stream.requests.throw(new Error('enough')),
  'requests.end(error)': (stream) => stream.requests.end(new Error('enough')),
  'cancel()': (stream) => stream.cancel(),
  'return() of the responses': (stream) => stream.responses.return?.()
}

const byHandler = 'the handler takes no more requests'
const byCaller = 'the requests of the stream have ended'

function assertRefused(stream: Talk, text: string): Promise<void> {
  const isRefusal = (error: unknown) => error instanceof ClosedError && !('cause' in error) && error.message === text
  assert.throws(() => stream.requests.push(1), isRefusal)
  return assert.rejects(stream.send(1), isRefusal)
}

/** The stream has failed: whoever sends is told why. */
async function assertFailed(stream: Talk): Promise<void> {
  const { how, error: reason } = await stream.closed
  assert.notEqual(how, 'ended')
  const delivery = reason instanceof GridError ? reason.delivery : undefined
  assert.throws(() => stream.requests.push(1), { name: 'ClosedError', cause: reason, delivery })
  const isReason = (error: unknown) => error === reason
  await assert.rejects(stream.send(1), isReason)
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
          await assertRefused(stream, byHandler)
          assert.equal((await stream.responses.next()).value, 'the rest')
          assert.equal((await stream.responses.next()).done, true)
          assert.deepEqual(await stream.closed, { how: 'ended' })
          await assertRefused(stream, byHandler)
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
      const early = new Outcome(stream.send(1))
      const isOpen = how === 'requests.end()' || how === 'requests.return()'
      if (isOpen) await assertRefused(stream, byCaller)
      else await assertFailed(stream)
      await assert.rejects(stream.sink([1]))
      stream.cancel()
      await assertFailed(stream)
      await early.done
      assert.ok(isOpen ? early.error instanceof ClosedError : early.error === (await stream.closed).error)
      await stream.requests.onEmpty({ signal: new AbortController().signal })
    })
  }

  fact(
    'a stream that has failed tells the same reason to each send, sink and pull, whenever that is made',
    async (link) => {
      const broken = streaming<void, number, string>('broken', { inCapacity: 1, outCapacity: 2 })
      link.responder.handle(both, () => new Promise<never>(() => undefined))
      link.responder.handle(broken, () => {
        throw Object.assign(new Error('no such account'), { code: 'NO_ACCOUNT' })
      })
      await link.known()
      const failed: Record<string, () => Talk | Promise<Talk>> = {
        'an unknown handler': () => link.peer.newStream(streaming<void, number, string>('nobody has it')),
        'a deadline': () => link.peer.newStream(both, undefined, { timeout: 20 }),
        'a handler that throws': () => link.peer.newStream(broken),
        'a cancel': () => {
          const stream = link.peer.newStream(both)
          stream.cancel('enough')
          return stream
        },
        'no connection': async () => {
          link.blockInbound('caller')
          link.cut()
          await until(() => link.peer.state !== 'connected', 'the caller has lost the conn')
          return link.peer.newStream(both)
        }
      }
      for (const [how, open] of Object.entries(failed)) {
        const stream = await open()
        // The first of them wait when it fails, the others come later.
        const sends: Outcome<void>[] = []
        for (let at = 0; at < 3; at++) {
          const sent = new Outcome(stream.send(1))
          sends.push(sent)
          await Promise.race([sent.done, stream.closed])
        }
        const { error: reason } = await stream.closed
        await assertFailed(stream)
        for (const sent of sends) await sent.done
        const told = sends.filter((sent) => sent.failed).map((sent) => sent.error)
        assert.ok(told.length > 0, how)
        for (const error of told) assert.equal(error, reason, how)
        await assert.rejects(
          async () => await stream.responses.next(),
          (error) => error === reason
        )
        const unused = await open()
        const { error: itsReason } = await unused.closed
        await assert.rejects(unused.sink([1]), (error) => error === itsReason)
      }
      await link.abandon()
    }
  )

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
    await assertFailed(unknown)
    link.cut()
    await stream.closed
    for (const { done } of waiting) await done
    assert.equal(waiting.at(-1)?.failed, true)
    await assertFailed(stream)
    await until(() => link.back.stats().session?.runningHandlers !== 1, 'the handler is forgotten')
    await link.abandon()
  })
}
