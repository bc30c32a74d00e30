/** The requests of a stream under interceptors, which look at them and send others, at either end of a real conn. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type CallerInterceptor, ClosedError, type HandlerInterceptor, many, streaming } from '../../lib/index.ts'
import { Gate, Outcome } from '../support/gate.ts'
import { type Link, openLink, useLink } from '../support/grid/links.ts'
import { until } from '../support/until.ts'

const sum = streaming<void, number, number>('sum', { inCapacity: 2, outCapacity: 2 })

interface Ended {
  count: number
}

/** Each request twice as large; says when it has ended. */
async function* doubled(requests: AsyncIterable<unknown>, ended: Ended): AsyncGenerator<number> {
  try {
    for await (const request of requests) yield (request as number) * 2
  } finally {
    ended.count++
  }
}

function doubling(ended: Ended, requestsSeen: unknown[] = []): CallerInterceptor & HandlerInterceptor {
  return {
    streaming(call: { requests: AsyncIterable<unknown> | null }, next: (changes?: object) => AsyncIterable<unknown>) {
      requestsSeen.push(call.requests)
      if (call.requests === null) return next()
      return next({ requests: doubled(call.requests, ended) })
    }
  } as CallerInterceptor & HandlerInterceptor
}

async function read<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const message of messages) all.push(message)
  return all
}

function echo(link: Link): Promise<void> {
  link.responder.handle(sum, async function* (_payload, requests) {
    for await (const n of requests) yield n
  })
  return link.known()
}

const ended: Ended = { count: 0 }
const ends = { caller: { caller: [doubling(ended)] }, handler: { handler: [doubling(ended)] } } as const

for (const [end, interceptors] of Object.entries(ends)) {
  describe(`requests that an interceptor of the ${end} changes`, () => {
    const fact = (title: string, body: (link: Link) => Promise<void>) =>
      it(title, async () => {
        ended.count = 0
        await useLink(await openLink('ws', 'dialer', { interceptors }), body)
      })

    fact('arrive changed, however they are given: pushed, sent, from a source, several at once', async (link) => {
      await echo(link)
      const pushed = link.peer.newStream(sum)
      for (const n of [1, 2, 3]) pushed.requests.push(n)
      pushed.requests.end()
      assert.deepEqual(await read(pushed), [2, 4, 6])
      const sent = link.peer.newStream(sum)
      const reading = read(sent)
      for (const n of [1, 2, 3, 4, 5]) await sent.send(n)
      await sent.send(many([6, 7]))
      sent.requests.end()
      assert.deepEqual(await reading, [2, 4, 6, 8, 10, 12, 14])
      const piped = link.peer.newStream(sum)
      const sinking = piped.sink(Array.from({ length: 50 }, (_, n) => n))
      assert.deepEqual(
        await read(piped),
        Array.from({ length: 50 }, (_, n) => 2 * n)
      )
      await sinking
      for (const stream of [pushed, sent, piped]) assert.deepEqual(await stream.closed, { how: 'ended' })
      await until(() => ended.count === 3, 'the interceptors have ended')
    })

    fact('are pulled against the credit of the handler, and no further ahead', async (link) => {
      const gate = new Gate()
      let pulled = 0
      link.responder.handle(sum, async function* (_payload, requests) {
        await gate.opened
        yield* requests
      })
      await link.known()
      const stream = link.peer.newStream(sum)
      const sinking = stream.sink(
        (function* () {
          while (pulled < 100) yield pulled++
        })()
      )
      const reading = read(stream)
      await until(() => pulled >= 2, 'the window is full')
      // The one that is in the hand of the interceptor, and one more behind it.
      assert.ok(pulled <= 4, `${pulled} were pulled`)
      gate.open()
      assert.equal((await reading).length, 100)
      await sinking
    })

    fact('let send resolve when what is sent for it is accepted, without a next one', async (link) => {
      const gate = new Gate()
      link.responder.handle(sum, async function* (_payload, requests) {
        await gate.opened
        yield* requests
      })
      await link.known()
      const stream = link.peer.newStream(sum)
      const sends = [1, 2, 3, 4, 5, 6].map((n) => new Outcome(stream.send(n)))
      await until(() => sends[1]?.settled === true, 'the window takes two')
      assert.equal(sends[5]?.settled, false)
      stream.requests.end()
      gate.open()
      assert.deepEqual(await read(stream), [2, 4, 6, 8, 10, 12])
      for (const send of sends) assert.equal(send.settled && !send.failed, true)
    })

    fact('fail the stream with what their source throws, and are left when it is cancelled', async (link) => {
      let left = false
      await echo(link)
      const failure = new Error('the disk broke')
      const broken = link.peer.newStream(sum)
      const sinking = new Outcome(
        broken.sink(
          (function* () {
            yield 1
            throw failure
          })()
        )
      )
      await assert.rejects(read(broken), failure)
      await sinking.done
      assert.equal(sinking.error, failure)
      await until(() => ended.count === 1, 'its interceptor has ended')
      const cancelled = link.peer.newStream(sum)
      cancelled
        .sink(
          (async function* () {
            try {
              for (let n = 0; ; n++) yield n
            } finally {
              left = true
            }
          })()
        )
        .catch(() => undefined)
      for await (const _ of cancelled) break
      await until(() => left && ended.count === 2, 'all have ended')
    })

    fact('end where the handler takes no more, and send says so', async (link) => {
      link.responder.handle(sum, async function* (_payload, requests) {
        for await (const n of requests) {
          yield n
          return
        }
      })
      await link.known()
      const stream = link.peer.newStream(sum)
      await stream.send(21)
      assert.deepEqual(await read(stream), [42])
      assert.deepEqual(await stream.closed, { how: 'ended' })
      await assert.rejects(async () => {
        for (;;) await stream.send(1)
      }, ClosedError)
      await until(() => ended.count === 1, 'its interceptor has ended')
    })
  })
}

describe('requests that interceptors look at', () => {
  const seen: unknown[] = []
  const looks = { caller: [doubling(ended, seen)], handler: [doubling(ended, seen)] }
  it('are null where the handler takes none', async () => {
    const feed = streaming<void, never, number>('feed', { inCapacity: 0 })
    await useLink(await openLink('ws', 'dialer', { interceptors: looks }), async (link) => {
      link.responder.handle(feed, () => [1])
      await link.known()
      seen.length = 0
      assert.deepEqual(await read(link.peer.newStream(feed)), [1])
      assert.deepEqual(seen, [null, null])
    })
  })

  it('are doubled by each of them', async () => {
    const twice = { caller: [doubling(ended), doubling(ended)], handler: [doubling(ended), doubling(ended)] }
    await useLink(await openLink('ws', 'dialer', { interceptors: twice }), async (link) => {
      await echo(link)
      const stream = link.peer.newStream(sum)
      stream.sink([1, 2, 3]).catch(() => undefined)
      assert.deepEqual(await read(stream), [16, 32, 48])
    })
  })

  const late: CallerInterceptor = {
    async *streaming(call, next) {
      const responses = next()
      for await (const request of call.requests ?? []) yield request
      yield* responses
    }
  }
  it('are not there any more once they are being sent as they are', async () => {
    await useLink(await openLink('ws', 'dialer', { interceptors: { caller: [late] } }), async (link) => {
      await echo(link)
      const stream = link.peer.newStream(sum)
      await assert.rejects(read(stream), /the requests are being sent as they are: others are given by next/)
    })
  })

  const first: CallerInterceptor = {
    async *streaming(call, next) {
      for await (const request of call.requests ?? []) {
        yield* next()
        assert.equal(request, 1)
        return
      }
    }
  }
  it('may be read in part before next(), which sends the rest', async () => {
    await useLink(await openLink('ws', 'dialer', { interceptors: { caller: [first] } }), async (link) => {
      await echo(link)
      const stream = link.peer.newStream(sum)
      stream.sink([1, 2, 3]).catch(() => undefined)
      assert.deepEqual(await read(stream), [2, 3])
    })
  })
})
