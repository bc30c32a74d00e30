/** Calls that are held back until the server is ready, over each kind of conn; its manager is there from the start. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bytes, DeadlineError, RejectedError, single, streaming, UnknownHandlerError } from '../../lib/index.ts'
import { Gate, Outcome } from '../support/gate.ts'
import { type Link, type LinkKind, type LinkOptions, openLink, useLink } from '../support/grid/links.ts'
import { LogBook } from '../support/grid/manager.ts'
import { rejection } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

const shout = single<string, string>('shout')
const sum = streaming<number, number, number>('sum', { inCapacity: 4, outCapacity: 2 })
const kinds: readonly LinkKind[] = ['memory', 'ws', 'wss', 'tcp', 'unix']

/** The handlers of the responder, what they were called with, and how many calls its peer knows of them. */
async function serve(link: Link): Promise<string[]> {
  const ran: string[] = []
  link.responder.handle(shout, (text) => {
    ran.push(text)
    return `${text}!`
  })
  link.responder.handle(sum, async function* (start, requests) {
    ran.push(`sum of ${start}`)
    let total = start
    for await (const n of requests) {
      total += n
      yield total
    }
  })
  await until(() => link.peer.handlers.length === 2, 'its peer knows them')
  return ran
}

const held = (link: Link) => link.responder.stats().connections[0]?.session?.inboundStreams ?? 0

for (const kind of kinds) {
  describe(`a server that is not ready yet, over ${kind}`, () => {
    const fact = (title: string, body: (link: Link) => Promise<void>, options: LinkOptions) =>
      it(title, async () => useLink(await openLink(kind, 'dialer', options), body))

    const gate = new Gate()
    fact(
      'holds calls back, with their requests, and runs them once it is ready',
      async (link) => {
        const ran = await serve(link)
        const large = 'x'.repeat(300_000)
        const answers = [link.peer.request(shout, 'a'), link.peer.request(shout, large), link.peer.request(shout, 'b')]
        const stream = link.peer.newStream(sum, 10)
        for (const n of [1, 2, 3]) stream.requests.push(n)
        stream.requests.end()
        const cancelled = new Outcome(link.peer.request(shout, 'no', { signal: AbortSignal.timeout(20) }))
        await until(() => held(link) === 4 && cancelled.settled, 'all are there')
        assert.equal(ran.length, 0)
        assert.equal(await link.responder.connection(link.responder.local).request(shout, 'own'), 'own!')
        gate.open()
        assert.deepEqual(await Promise.all(answers), ['a!', `${large}!`, 'b!'])
        const sums: number[] = []
        for await (const n of stream) sums.push(n)
        assert.deepEqual(sums, [11, 13, 16])
        assert.deepEqual(ran.map((text) => text.slice(0, 9)).sort(), ['a', 'b', 'own', 'sum of 10', 'xxxxxxxxx'])
        assert.equal(await link.peer.request(shout, 'c'), 'c!')
      },
      { serveWhen: gate.opened }
    )

    const copied = new Gate()
    fact(
      'holds a copy of each, so that none keeps the batch in which it came',
      async (link) => {
        const sizes: number[] = []
        const request = {
          ...bytes(),
          readsInPlace: true,
          decode(payload: Uint8Array) {
            sizes.push(payload.buffer.byteLength)
            return payload
          }
        }
        const size = single<Uint8Array, void>('size', { request })
        link.responder.handle(size, () => undefined)
        await until(() => link.peer.handlers.length === 1, 'its peer knows it')
        const calls = [1, 2, 3].map(() => link.peer.request(size, new Uint8Array(5000)))
        await until(() => held(link) === 3, 'all are there')
        copied.open()
        await Promise.all(calls)
        assert.deepEqual(sizes, [5000, 5000, 5000])
      },
      { serveWhen: copied.opened }
    )

    fact(
      'holds them no longer than their deadline, and no more than may run',
      async (link) => {
        const ran = await serve(link)
        const late = rejection(link.peer.request(shout, 'late', { timeout: 50 }))
        const ofStream = rejection(link.peer.newStream(sum, 0, { timeout: 50 }).responses.next())
        for (const error of [await late, await ofStream]) assert.ok(error instanceof DeadlineError)
        await link.settled()
        const waiting = [1, 2].map(() => rejection(link.peer.request(shout, 'x', { timeout: 1000 })))
        await until(() => held(link) === 2, 'as many as may run')
        const error = await rejection(link.peer.request(shout, 'y'))
        assert.ok(error instanceof RejectedError)
        assert.equal(error.reason, 'tooManyStreams')
        await Promise.all(waiting)
        assert.equal(ran.length, 0)
      },
      { serveWhen: new Promise(() => undefined), limits: { maxInboundStreams: 2 } }
    )

    const late = new Gate()
    fact(
      'does not hold a call of a handler that is not registered yet, unless it waits for that',
      async (link) => {
        const waiting = link.peer.request(shout, 'a', { waitForReady: true })
        const error = await rejection(link.peer.request(shout, 'b'))
        assert.ok(error instanceof UnknownHandlerError, String(error))
        const ran = await serve(link)
        await until(() => held(link) === 1, 'it is held')
        assert.deepEqual(ran, [])
        late.open()
        assert.equal(await waiting, 'a!')
      },
      { serveWhen: late.opened }
    )

    const log = new LogBook()
    let fail = (_reason: Error) => {}
    const failing = new Promise<void>((_, reject) => {
      fail = reject
    })
    fact(
      'refuses them as busy once it is sure not to get ready, those that wait and all others',
      async (link) => {
        const ran = await serve(link)
        const waiting = [
          rejection(link.peer.request(shout, 'a')),
          rejection(link.peer.newStream(sum, 1).responses.next())
        ]
        await until(() => held(link) === 2, 'they wait')
        fail(new Error('the store is broken'))
        const others = [
          ...(await Promise.all(waiting)),
          await rejection(link.peer.request(shout, 'b')),
          await rejection(link.peer.newStream(sum, 1).responses.next())
        ]
        for (const error of others) {
          assert.ok(error instanceof RejectedError, String(error))
          assert.deepEqual([error.reason, error.delivery], ['busy', 'notSent'])
          assert.match(error.message, /this server is not ready to serve calls$/)
        }
        assert.equal(ran.length, 0)
        const told = log.warnings(/refuses all calls, since serveWhen rejected: the store is broken/)
        assert.equal(told.length, 2, 'by each of the two managers')
      },
      { serveWhen: failing, logger: log }
    )
  })
}
