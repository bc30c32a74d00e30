/** authorize and rateLimit: what passes, what is refused, and what its caller learns. */

import assert from 'node:assert/strict'
import { describe, it, mock } from 'node:test'
import { authorize, InvalidOptionError, RejectedError, rateLimit, single, streaming } from '../../lib/index.ts'
import { type Link, openLink, useLink } from '../support/grid/links.ts'

const put = single<{ owner: string }, string>('put')
const feed = streaming<{ owner: string }, never, number>('feed', { inCapacity: 0 })

async function refusal(work: PromiseLike<unknown>): Promise<RejectedError> {
  const error = await Promise.resolve(work).then(
    () => assert.fail('it was not refused'),
    (error) => error
  )
  assert.ok(RejectedError.is(error), String(error))
  assert.equal(error.delivery, 'notSent')
  return error
}

async function read(messages: AsyncIterable<number>): Promise<number[]> {
  const all: number[] = []
  for await (const message of messages) all.push(message)
  return all
}

describe('authorize', () => {
  const rules: Record<string, Parameters<typeof authorize<{ owner: string }>>[0]> = {
    'a boolean': ({ payload, host }) => payload.owner === host,
    'a promise': async ({ payload, host }) => payload.owner === host,
    'a throw': ({ payload, host }) => {
      if (payload.owner !== host) throw new Error('a secret of this server')
      return true
    },
    'a rejection': async ({ payload, host }) => {
      if (payload.owner !== host) throw new Error('a secret of this server')
      return true
    },
    'what throws when it is looked at': (({ payload, host }: { payload: { owner: string }; host: string }) =>
      payload.owner === host ||
      new Proxy(
        {},
        {
          get() {
            throw new Error('a secret of this server')
          }
        }
      )) as never,
    'something else than a boolean': (({ payload, host }: { payload: { owner: string }; host: string }) =>
      payload.owner === host || 'no') as never
  }
  for (const [way, rule] of Object.entries(rules)) {
    it(`lets requests and streams pass or denies them, by ${way}, and tells nothing more`, async () => {
      await useLink(await openLink('ws', 'dialer'), async (link: Link) => {
        let ran = 0
        const count = () => {
          ran++
          return 'done'
        }
        link.responder.handle(put, count, { interceptors: [authorize(rule)] })
        link.responder.handle(feed, () => [ran++], { interceptors: [authorize(rule)] })
        await link.known()
        const [own, other] = [{ owner: link.caller.local }, { owner: 'another' }]
        assert.equal(await link.peer.request(put, own), 'done')
        assert.deepEqual(await read(link.peer.newStream(feed, own)), [1])
        for (const call of [link.peer.request(put, other), read(link.peer.newStream(feed, other))]) {
          const { reason, message, details } = await refusal(call)
          assert.deepEqual([reason, details], ['denied', undefined])
          assert.doesNotMatch(message, /secret/)
        }
        const told = link.peer.recent.flatMap((event) => (event.type === 'refused' ? [event.message] : []))
        assert.deepEqual(told, ['a rule does not allow this call', 'a rule does not allow this call'])
        assert.equal(ran, 2)
      })
    })
  }

  it('needs a rule', () => {
    const message = 'the rule of authorize() must be a function; it is undefined'
    assert.throws(() => authorize(undefined as never), { code: 'ERR_INVALID_OPTION', message })
  })

  it('can deny before the payload is decoded', async () => {
    await useLink(await openLink('ws', 'dialer'), async (link) => {
      let decoded = 0
      const request = {
        encode: () => new Uint8Array(3),
        decode() {
          decoded++
          return { owner: '' }
        }
      }
      const counted = single('counted', { request })
      link.responder.handle(counted, () => undefined, {
        interceptors: [authorize(({ metadata }) => metadata.ok === 1)]
      })
      await link.known()
      await refusal(link.peer.request(counted, { owner: '' }))
      assert.equal(decoded, 0)
      await link.peer.request(counted, { owner: '' }, { metadata: { ok: 1 } })
      assert.equal(decoded, 1)
    })
  })
})

describe('rateLimit', () => {
  /** A call of an interceptor, without a conn: its time is that of the mock. */
  const pass = (interceptor: ReturnType<typeof rateLimit>, host = 'http://a'): RejectedError | undefined => {
    try {
      interceptor.single?.({ host } as never, async () => undefined)
      return undefined
    } catch (error) {
      return error as RejectedError
    }
  }

  it('lets a burst pass and then so many a second, each peer for itself, and says when to come again', (test) => {
    let nowMs = 1000
    const clock = mock.method(performance, 'now', () => nowMs)
    test.after(() => clock.mock.restore())
    const limit = rateLimit({ perSecond: 10, burst: 3 })
    for (let n = 0; n < 3; n++) assert.equal(pass(limit), undefined)
    const refused = pass(limit)
    assert.ok(RejectedError.is(refused))
    assert.deepEqual([refused.reason, refused.details], ['rateLimited', { retryAfterMs: 100 }])
    assert.equal(pass(limit, 'http://b'), undefined)
    nowMs += 50
    assert.deepEqual(pass(limit)?.details, { retryAfterMs: 50 })
    nowMs += 50
    assert.equal(pass(limit), undefined)
    assert.notEqual(pass(limit), undefined)
    nowMs += 1_000_000
    for (let n = 0; n < 3; n++) assert.equal(pass(limit), undefined)
    assert.notEqual(pass(limit), undefined)
  })

  it('has a second as its burst, one call at least, and remembers so many keys', () => {
    const slow = rateLimit({ perSecond: 0.001, maxKeys: 2 })
    assert.deepEqual(
      ['a', 'a', 'b', 'c', 'a'].map((key) => pass(slow, key) === undefined),
      [true, false, true, true, true]
    )
    const latest = rateLimit({ perSecond: 0.001, maxKeys: 2 })
    assert.deepEqual(
      ['a', 'b', 'b', 'a', 'c', 'b'].map((key) => pass(latest, key) === undefined),
      [true, true, false, false, true, true]
    )
    const byKey = rateLimit({ perSecond: 1, by: ({ host }) => host.slice(0, 1) })
    assert.deepEqual(
      ['aa', 'ab', 'b'].map((key) => pass(byKey, key) === undefined),
      [true, false, true]
    )
  })

  it('takes a key that is a promise for one key of all, and drops its rejection', async () => {
    const by = (() => Promise.reject(new Error('a bug'))) as unknown as () => string
    const limit = rateLimit({ perSecond: 1, by })
    assert.equal(pass(limit), undefined)
    assert.notEqual(pass(limit, 'http://b'), undefined)
  })

  it('refuses requests and streams over a conn', async () => {
    const interceptors = { handler: [rateLimit({ perSecond: 0.001, burst: 2 })] }
    await useLink(await openLink('ws', 'dialer', { interceptors }), async (link) => {
      link.responder.handle(put, () => 'done')
      link.responder.handle(feed, () => [1])
      // By the table, and not by a call, which would count.
      while (link.peer.handlers.length < 2) await new Promise((resolve) => link.peer.once('handlers', resolve))
      assert.equal(await link.peer.request(put, { owner: '' }), 'done')
      assert.deepEqual(await read(link.peer.newStream(feed, { owner: '' })), [1])
      for (const call of [link.peer.request(put, { owner: '' }), read(link.peer.newStream(feed, { owner: '' }))]) {
        const { reason, details } = await refusal(call)
        assert.equal(reason, 'rateLimited')
        assert.ok((details as { retryAfterMs: number }).retryAfterMs > 900_000)
      }
      const [served] = link.responder.stats().connections
      assert.equal(served?.session?.refusals, 2)
      assert.equal(link.peer.stats().session?.refusals, 0)
      for (const { recent } of [link.peer, link.responder.connection(link.caller.local)]) {
        const texts = recent.flatMap((event) => (event.type === 'refused' ? [event.message] : []))
        assert.deepEqual(texts, ['more than 0.001 calls a second', 'more than 0.001 calls a second'])
      }
    })
  })

  it('is told which option is wrong', () => {
    for (const wrong of [{}, { perSecond: 0 }, { perSecond: 1, burst: 0.5 }, { perSecond: 1, perPeer: 3 }]) {
      assert.throws(() => rateLimit(wrong as never), InvalidOptionError)
    }
  })
})
