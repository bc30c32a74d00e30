/**
 * Single requests: what goes there and comes back, what the handler knows of its call, which handlers there are.
 */

import assert from 'node:assert/strict'
import { type HandlerContext, type Metadata, single, streaming, UnknownHandlerError } from '../../../lib/index.ts'
import { Gate } from '../../support/gate.ts'
import { until } from '../../support/until.ts'
import type { Fact } from '../suite.ts'

interface Point {
  x: number
  y: number
  label: string | null
}

const mirror = single<Point, Point>('mirror')
const nothing = single('nothing')
const feed = streaming<void, never, number>('feed', { inCapacity: 0 })

/** The longest that was asked for: a megabyte takes longer to make than to send. */
let longest = new Uint8Array()

/** Bytes that show their place. */
export function pattern(size: number): Uint8Array {
  if (longest.length < size) longest = new Uint8Array(size).map((_, at) => (at * 7 + (at >> 8)) & 0xff)
  return longest.slice(0, size)
}

export function requestFacts(fact: Fact): void {
  fact('bytes of every size come back whole, and belong to the caller', async ({ peer, responder, known }) => {
    responder.handle('echo', (payload) => payload)
    await known()
    for (const size of [0, 1, 512, 32 * 1024, 32 * 1024 + 1, 100_000, 1024 * 1024]) {
      const payload = pattern(size)
      const response = await peer.request('echo', payload)
      assert.equal(Buffer.compare(response, payload), 0, `${size} bytes`)
      const kept = response.buffer.byteLength
      assert.ok(kept <= Math.max(2 * size, 8192), `${size} bytes pin ${kept}`)
      response.fill(0)
      assert.equal(Buffer.compare(await peer.request('echo', payload), payload), 0, `${size} bytes again`)
    }
  })

  fact('a payload may be reused once its call has settled', async ({ peer, responder, known }) => {
    const arrived: Uint8Array[] = []
    responder.handle('keep', (payload) => {
      arrived.push(payload)
      return payload
    })
    await known()
    const payload = pattern(50_000)
    await peer.request('keep', payload)
    payload.fill(0)
    await peer.request('keep', payload)
    assert.equal(Buffer.compare(arrived[0] as Uint8Array, pattern(50_000)), 0)
  })

  fact('a raw request without a payload is empty, and a typed one without arguments is nothing', async (link) => {
    const got: unknown[] = []
    link.responder.handle('raw', (payload) => {
      got.push(payload.length)
      return payload
    })
    link.responder.handle(nothing, (value) => {
      got.push(value ?? 'nothing')
    })
    await link.known()
    assert.equal((await link.peer.request('raw')).length, 0)
    assert.equal((await link.peer.request(nothing)) ?? 'nothing', 'nothing')
    assert.deepEqual(got, [0, 'nothing'])
  })

  fact(
    'typed values arrive as they are, from handlers that return them and from handlers that promise them',
    async (link) => {
      const point = { x: 1.5, y: -(2 ** 40), label: null }
      link.responder.handle(mirror, (value) => ({ ...value, label: 'at once' }))
      link.responder.handle(single<Point, Point>('later'), async (value) => value)
      await link.known()
      assert.deepEqual(await link.peer.request(mirror, point), { ...point, label: 'at once' })
      assert.deepEqual(await link.peer.request(single<Point, Point>('later'), point), point)
    }
  )

  fact('hundreds of requests in both directions at once each get their own answer', async (link) => {
    const { caller, responder, peer, back } = link
    const double = single<number, number>('double')
    const triple = single<number, number>('triple')
    responder.handle(double, async (value) => {
      if (value % 3 === 0) await new Promise(setImmediate)
      return value * 2
    })
    caller.handle(triple, (value) => value * 3)
    await link.known()
    const numbers = Array.from({ length: 300 }, (_, at) => at)
    const [doubled, tripled] = await Promise.all([
      Promise.all(numbers.map((value) => peer.request(double, value))),
      Promise.all(numbers.map((value) => back.request(triple, value)))
    ])
    assert.deepEqual(
      doubled,
      numbers.map((value) => value * 2)
    )
    assert.deepEqual(
      tripled,
      numbers.map((value) => value * 3)
    )
  })

  fact(
    'a request is two frames: nothing else is sent for it by either end',
    async ({ peer, back, responder, known }) => {
      responder.handle('echo', (payload) => payload)
      await known()
      await peer.request('echo')
      // Pings are the only frames of an idle session; so much of them that they cannot hide one frame per request.
      const frames = () => [peer, back].map((end) => end.stats().session?.framesOut ?? 0)
      const [before, startedMs] = [frames(), performance.now()]
      for (let count = 0; count < 200; count++) await peer.request('echo', pattern(100))
      const sent = frames().map((count, end) => count - (before[end] as number))
      const pings = 20 + (performance.now() - startedMs) / 1000
      for (const count of sent) assert.ok(count >= 200 && count < 200 + pings, `${sent} frames for 200 requests`)
    }
  )

  fact('the handler knows its caller, its own name and the deadline', async ({ caller, responder, peer, known }) => {
    const contexts: HandlerContext[] = []
    responder.handle('who', (payload, context) => {
      contexts.push(context)
      return payload
    })
    await known()
    await peer.request('who')
    const before = Date.now()
    await peer.request('who', undefined, { timeout: 30_000 })
    await peer.request('who', undefined, { timeout: Number.POSITIVE_INFINITY })
    const [byDefault, given, none] = contexts as [HandlerContext, HandlerContext, HandlerContext]
    assert.equal(byDefault.remote.host, caller.local)
    assert.equal(byDefault.remote.instance, caller.instance)
    assert.notEqual(byDefault.remote.address, '')
    assert.deepEqual([byDefault.handler, byDefault.subroute], ['who', ''])
    assert.equal(byDefault.signal.aborted, false)
    assert.ok(Math.abs((byDefault.deadline as number) - before - 60_000) < 5000, 'the default is a minute')
    assert.ok(Math.abs((given.deadline as number) - before - 30_000) < 5000, 'the remaining time is forwarded')
    assert.equal(none.deadline, undefined)
  })

  fact('metadata reaches the handler, and is empty when there is none', async ({ peer, responder, known }) => {
    const seen: unknown[] = []
    responder.handle('tagged', (payload, { metadata }) => {
      seen.push({ ...metadata })
      return payload
    })
    await known()
    const metadata = { trace: 'a-1', attempt: 2, atMs: 2 ** 40, span: 2n ** 60n, urgent: true, parent: null }
    await peer.request('tagged', undefined, { metadata: { ...metadata, key: Uint8Array.of(1, 2) } })
    await peer.request('tagged')
    assert.deepEqual(seen, [{ ...metadata, key: Uint8Array.of(1, 2) }, {}])
  })

  fact(
    'metadata with a value that it cannot have rejects the call and names its key, before a byte is sent',
    async (link) => {
      const { peer, responder } = link
      const seen: unknown[] = []
      responder.handle('tagged', (payload, { metadata }) => {
        seen.push(metadata)
        return payload
      })
      const stream = streaming<void, never, never>('stream', { inCapacity: 0 })
      responder.handle(stream, (_, __, { metadata }) => {
        seen.push(metadata)
      })
      await link.known()
      const before = link.back.stats().totals.messagesIn
      const wrongKeys = [
        { b: 1 },
        [1],
        new Date(),
        2n ** 64n,
        Symbol('s'),
        () => 1,
        new Map(),
        Promise.reject(1),
        Object('x')
      ]
      const wrong = [
        ...[null, 5, 'text', [1], new Map([['a', 1]]), new Date(), () => 1, Uint8Array.of(1), Promise.resolve()].map(
          (metadata) => ({ metadata, message: /^metadata must be an object/ })
        ),
        ...wrongKeys.map((a) => ({ metadata: { fine: 1, a }, message: /^metadata\.a must be / }))
      ]
      const refuse = async () => {
        for (const { metadata, message } of wrong) {
          const options = { metadata: metadata as unknown as Metadata, waitForReady: true }
          const refused = { name: 'InvalidOptionError', code: 'ERR_INVALID_OPTION', delivery: 'notSent', message }
          await assert.rejects(peer.request('tagged', undefined, options), refused)
          await assert.rejects(peer.newStream(stream, undefined, options).responses.next(), refused)
        }
      }
      await refuse()
      const fine = { a: undefined, b: Uint8Array.of(1), c: null } as unknown as Metadata
      await peer.request('tagged', undefined, { metadata: fine })
      assert.deepEqual(seen, [{ b: Uint8Array.of(1), c: null }])
      assert.equal(link.back.stats().totals.messagesIn, before + 1)
      link.blockInbound('caller')
      link.cut()
      await until(() => peer.state !== 'connected', 'the caller has lost the conn')
      await refuse()
      await link.abandon()
    }
  )

  fact(
    'metadata beyond the limit rejects the call, and the handler is not called',
    async ({ peer, responder, known }) => {
      let calls = 0
      responder.handle('tagged', (payload) => {
        calls++
        return payload
      })
      await known()
      const metadata = { big: 'x'.repeat(9000) }
      await assert.rejects(peer.request('tagged', undefined, { metadata }), { code: 'ERR_INVALID_OPTION' })
      await peer.request('tagged')
      assert.equal(calls, 1)
    }
  )

  handlerFacts(fact)
}

function handlerFacts(fact: Fact): void {
  fact('subroutes are joined with a slash, and are names of their own', async ({ peer, responder, known }) => {
    const where = single<void, string>('where')
    responder.handle(where, (_, { subroute }) => `at ${subroute}`, { subroute: 'disk1/meta' })
    responder.handle(where, (_, { subroute }) => `at ${subroute}`, { subroute: 'disk1' })
    responder.handle(where, (_, { handler }) => `${handler} at the top`)
    await known()
    assert.equal(await peer.subroute('disk1').subroute('meta').request(where), 'at disk1/meta')
    assert.equal(await peer.subroute('disk1/meta').request(where), 'at disk1/meta')
    assert.equal(await peer.subroute('disk1').request(where), 'at disk1')
    assert.equal(await peer.request(where), 'where at the top')
    await assert.rejects(peer.subroute('disk2').request(where), UnknownHandlerError)
    await assert.rejects(peer.request('disk1/where'), UnknownHandlerError)
  })

  fact('handlers that are registered while connected can be called', async ({ peer, responder, known }) => {
    for (let number = 0; number < 40; number++) responder.handle(`late-${number}`, (payload) => payload)
    await known()
    assert.deepEqual([...(await peer.request('late-7', Uint8Array.of(7)))], [7])
  })

  fact('an absent handler is a clear error on this side: nothing is sent', async ({ peer, back, responder, known }) => {
    const received = () => back.stats().totals.messagesIn
    responder.handle('present', (payload) => payload)
    await known()
    const before = received()
    const absent = { name: 'UnknownHandlerError', delivery: 'notSent', message: /has no handler "absent"/ }
    await assert.rejects(peer.request('absent'), absent)
    await assert.rejects(peer.request(single('absent')), absent)
    await assert.rejects(peer.newStream('absent').responses.next(), absent)
    const stream = peer.newStream(streaming<void, number, number>('absent'))
    await assert.rejects(stream.responses.next(), absent)
    assert.equal((await stream.closed).how, 'failed')
    await assert.rejects(peer.request('absent'), new RegExp(responder.local))
    await peer.request('present')
    assert.equal(received(), before + 1)
  })

  fact('a handler of another kind is a clear error on this side', async ({ peer, responder, known }) => {
    responder.handle('one', (payload) => payload)
    responder.handle(feed, () => [1, 2])
    await known()
    const wrong = (text: string) => {
      return { name: 'UnknownHandlerError', delivery: 'notSent', message: `${peer.host} has a handler ${text}` }
    }
    const single = wrong('"one", but it is single; this was a stream')
    await assert.rejects(peer.newStream('one').responses.next(), single)
    await assert.rejects(peer.request('feed'), wrong('"feed", but it is streaming; this was a request'))
  })

  fact('a slow handler does not hold up the requests behind it', async ({ peer, responder, known }) => {
    const gate = new Gate()
    responder.handle('slow', async (payload) => {
      await gate.opened
      return payload
    })
    responder.handle('quick', (payload) => payload)
    await known()
    const slow = peer.request('slow', Uint8Array.of(1))
    await until(() => peer.stats().session?.outboundStreams === 1, 'the slow request is under way')
    for (let count = 0; count < 20; count++) await peer.request('quick')
    gate.open()
    assert.deepEqual([...(await slow)], [1])
  })
}
