/**
 * What a peer offers, and how that changes: calls that wait for a handler, and what is said where there is none.
 */

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { fingerprintOf } from '../../../lib/handler/fingerprint.ts'
import {
  DeadlineError,
  type HandlerInfo,
  RejectedError,
  single,
  streaming,
  UnknownHandlerError
} from '../../../lib/index.ts'
import { Gate } from '../../support/gate.ts'
import { rejection } from '../../support/grid/servers.ts'
import { until } from '../../support/until.ts'
import type { Fact } from '../suite.ts'

const lookup = single<string, string>('store.lookup')
const walk = streaming<void, never, number>('store.walk', { inCapacity: 0, outCapacity: 2 })
const echo = streaming<void, string, string>('store.echo')
const waitForReady = true

export function handlerFacts(fact: Fact): void {
  fact('a call with waitForReady waits for a handler that the peer is about to register', async (link) => {
    const answer = link.peer.request(lookup, 'a', { waitForReady })
    const raw = link.peer.subroute('disk1').request('echo', Buffer.from('b'), { waitForReady })
    const stream = link.peer.newStream(walk, undefined, { waitForReady })
    link.responder.handle('other', (payload) => payload)
    await link.known()
    link.responder.handle(lookup, (text) => `${text}!`)
    link.responder.handle('echo', (payload) => payload, { subroute: 'disk1' })
    link.responder.handle(walk, () => [1, 2, 3])
    assert.equal(await answer, 'a!')
    assert.equal(Buffer.from(await raw).toString(), 'b')
    const got: number[] = []
    for await (const n of stream) got.push(n)
    assert.deepEqual(got, [1, 2, 3])
  })

  fact('it waits over a lost conn too, and no longer than its deadline', async (link) => {
    const answer = link.peer.request(lookup, 'a', { waitForReady })
    const late = rejection(link.peer.request('never', Buffer.of(1), { waitForReady, timeout: 500 }))
    link.cut()
    await link.connected(2)
    link.responder.handle(lookup, (text) => `${text}!`)
    assert.equal(await answer, 'a!')
    const error = await late
    // The conn may be away at that moment.
    assert.ok(error instanceof UnknownHandlerError || error instanceof DeadlineError, String(error))
    assert.equal(error.delivery, 'notSent')
  })

  fact('where only the handler is missing at the deadline, that is what the error says', async (link) => {
    const timeout = 50
    // All are awaited at once: one that rejects before it is ends the process.
    const calls: Promise<unknown>[] = [
      link.peer.request(lookup, 'a', { waitForReady, timeout }),
      link.peer.newStream(walk, undefined, { waitForReady, timeout }).responses.next()
    ]
    for (const error of await Promise.all(calls.map((call) => rejection(call)))) {
      assert.ok(error instanceof UnknownHandlerError)
      assert.equal(error.delivery, 'notSent')
    }
  })

  fact('a wait for a handler ends with its signal, its stream, or the manager, and leaves nothing', async (link) => {
    const controller = new AbortController()
    const { signal } = controller
    const reason = new Error('enough')
    const waiting = rejection(link.peer.request(lookup, 'a', { waitForReady, signal }))
    const stream = link.peer.newStream(walk, undefined, { waitForReady })
    const ended = rejection(stream.responses.next())
    controller.abort(reason)
    assert.equal(await waiting, reason)
    assert.equal(getEventListeners(signal, 'abort').length, 0)
    stream.cancel(reason)
    assert.equal(await ended, reason)
    const closed = rejection(link.peer.request(lookup, 'a', { waitForReady }))
    await link.caller.close({ timeout: 0 })
    assert.equal((await closed).code, 'ERR_CLOSED')
  })

  fact('a handler of the other kind is not waited for', async (link) => {
    link.responder.handle(walk, () => [])
    await link.known()
    const error = await rejection(link.peer.request('store.walk', Buffer.of(1), { waitForReady }))
    assert.ok(error instanceof UnknownHandlerError)
    assert.match(error.message, /has a handler "store.walk", but it is streaming; this was a request$/)
  })

  fact('an unknown handler fails at once, and the one that was probably meant is named', async (link) => {
    link.responder.handle(lookup, (text) => text)
    link.responder.handle('flush', (payload) => payload, { subroute: 'disk1' })
    await link.known()
    const hintOf = async (id: string, subroute = '') => {
      const error = await rejection(link.peer.subroute(subroute).request(id))
      assert.ok(error instanceof UnknownHandlerError)
      return /; it has a (?<near>.*)$/.exec(error.message)?.groups?.near
    }
    for (const id of ['store.lokup', 'store.Lookup', 'store.lookupp', 'store.loookup', 'store.lookpu', 'store.look']) {
      assert.equal(await hintOf(id), 'handler "store.lookup"', id)
    }
    assert.equal(await hintOf('flush'), 'handler "flush" under "disk1"')
    assert.equal(await hintOf('flush', 'disk2'), 'handler "flush" under "disk1"')
    assert.equal(await hintOf('flosh', 'disk1'), 'handler "flush" under "disk1"')
    for (const id of ['x', 'store.delete', 'lookup.store', 'store.lookup'.repeat(10)]) {
      assert.equal(await hintOf(id), undefined, id)
    }
  })

  fact('a handler that is withdrawn takes no more calls, while those that run go on', async (link) => {
    const gate = new Gate()
    link.responder.handle(lookup, async (text) => {
      await gate.opened
      return `${text}!`
    })
    link.responder.handle(walk, async function* () {
      yield 1
      await gate.opened
      yield 2
    })
    await link.known()
    const running = link.peer.request(lookup, 'a')
    const stream = link.peer.newStream(walk)
    assert.equal((await stream.responses.next()).value, 1)
    await until(() => link.responder.stats().connections[0]?.session?.runningHandlers === 2, 'both run')
    assert.equal(link.responder.unhandle(lookup), true)
    assert.equal(link.responder.unhandle('store.walk'), true)
    assert.equal(link.responder.unhandle(walk), false)
    // Told or not yet: no handler runs.
    const race = await rejection(link.peer.request(lookup, 'b'))
    assert.equal(race.delivery, 'notSent')
    await until(
      () => !link.peer.handlers.some(({ handler }) => handler.startsWith('store')),
      'it knows that they are gone'
    )
    const error = await rejection(link.peer.request(lookup, 'c'))
    assert.ok(error instanceof UnknownHandlerError)
    gate.open()
    assert.equal(await running, 'a!')
    assert.deepEqual(await stream.responses.next(), { done: false, value: 2 })
    assert.equal((await stream.responses.next()).done, true)
    assert.equal(link.peer.stats().reconnects, 0)
  })

  fact('a call that waits is put back when its handler was withdrawn while it was on its way', async (link) => {
    const [subroute, refusals] = ['disk1', () => link.responder.stats().connections[0]?.session?.refusals]
    const offer = (): void => {
      link.responder.handle(lookup, (text) => `${text}!`)
      link.responder.handle(walk, () => [1, 2], { subroute })
      link.responder.handle(echo, (_payload, requests) => requests)
    }
    const withdraw = (): void => {
      for (const definition of [lookup, echo]) link.responder.unhandle(definition)
      link.responder.unhandle(walk, { subroute })
    }
    offer()
    await link.known()
    const before = refusals() ?? 0
    for (let round = 1; round <= 5; round++) {
      withdraw()
      // It has not been told.
      const answer = link.peer.request(lookup, 'a', { waitForReady })
      const walked = link.peer.subroute(subroute).newStream(walk, undefined, { waitForReady })
      const echoed = link.peer.newStream(echo, undefined, { waitForReady })
      await until(() => refusals() === before + 3 * round, 'all are refused')
      await until(() => link.peer.stats().session?.outboundStreams === 0, 'the caller is told so')
      echoed.requests.push('b').end()
      offer()
      assert.equal(await answer, 'a!')
      assert.deepEqual(await walked.responses.next(), { done: false, value: 1 })
      assert.equal(walked.draining.aborted, false)
      walked.cancel()
      assert.deepEqual(await echoed.responses.next(), { done: false, value: 'b' })
      assert.deepEqual(await echoed.responses.next(), { done: true, value: undefined })
      assert.deepEqual(await echoed.closed, { how: 'ended' })
    }
    withdraw()
    const [controller, reason] = [new AbortController(), new Error('enough')]
    const { signal } = controller
    const late = rejection(link.peer.request(lookup, 'a', { waitForReady, timeout: 300 }))
    const aborted = rejection(link.peer.request(lookup, 'a', { waitForReady, signal }))
    const cancelled = link.peer.newStream(echo, undefined, { waitForReady, signal })
    const sent = link.peer.newStream(echo, undefined, { waitForReady })
    sent.requests.push('lost')
    const failed = rejection(sent.responses.next())
    const now = rejection(link.peer.subroute(subroute).newStream(walk).responses.next())
    await until(() => refusals() === before + 20, 'all are refused')
    controller.abort(reason)
    assert.equal(await aborted, reason)
    assert.equal(await rejection(cancelled.responses.next()), reason)
    assert.equal(getEventListeners(signal, 'abort').length, 0)
    assert.ok((await late) instanceof UnknownHandlerError)
    // A request may be gone, and only a call that waits is put back.
    for (const [error, name] of [
      [await failed, 'store.echo"'],
      [await now, 'store.walk" under "disk1"']
    ] as const) {
      assert.ok(error instanceof RejectedError)
      assert.deepEqual([error.reason, error.delivery], ['unknownHandler', 'notSent'])
      assert.ok(error.message.endsWith(`it has no handler "${name}`), error.message)
    }
  })

  fact('a handler that comes back, as it was or with other capacities, is waited for and called', async (link) => {
    const wide = streaming<void, never, number>('store.walk', { inCapacity: 0, outCapacity: 9 })
    const offered = () => link.peer.handlers.find(({ handler }) => handler === 'store.walk')?.outCapacity
    for (const [definition, capacity] of [
      [walk, 2],
      [wide, 9],
      [walk, 2],
      [walk, 2],
      [wide, 9]
    ] as const) {
      const stream = link.peer.newStream(definition, undefined, { waitForReady })
      link.responder.handle(definition, () => [capacity])
      assert.deepEqual(await stream.responses.next(), { done: false, value: capacity })
      assert.equal((await stream.responses.next()).done, true)
      assert.equal(offered(), capacity)
      link.responder.unhandle(definition)
      await until(() => offered() === undefined, 'it knows that it is gone')
    }
    // In one turn nothing has changed, or only what it comes to.
    link.responder.handle(walk, () => [2])
    link.responder.unhandle(walk)
    link.responder.handle(wide, () => [9])
    link.responder.unhandle(wide)
    link.responder.handle(walk, () => [2])
    await link.known()
    assert.equal(offered(), 2)
    assert.equal(link.peer.stats().reconnects, 0)
  })

  fact('a streaming handler that returns no iterable fails its stream, which says what it returned', async (link) => {
    link.responder.handle(walk, () => 5 as never)
    await link.known()
    const error = await rejection((async () => await link.peer.newStream(walk).responses.next())())
    assert.match(String(error.message), /must return an iterable of responses, or nothing; it is 5$/)
  })

  fact('many handlers that come and go cost neither the conn nor a place in the table', async (link) => {
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 2000; n++) link.responder.handle(`many-${n}`, (payload) => payload)
      await link.known()
      assert.deepEqual(await link.peer.request('many-1999', Buffer.of(1)), new Uint8Array([1]))
      for (let n = 0; n < 2000; n++) link.responder.unhandle(`many-${n}`)
    }
    await link.known()
    assert.ok(link.peer.handlers.every(({ handler }) => !handler.startsWith('many-')))
    assert.equal(link.peer.stats().reconnects, 0)
  })

  fact('what the peer offers can be read, and its changes be heard', async (link) => {
    const heard: (readonly HandlerInfo[])[] = []
    link.peer.on('handlers', (handlers) => heard.push(handlers))
    const before = link.peer.handlers
    link.responder.handle(lookup, (text) => text)
    link.responder.handle(walk, () => [], { subroute: 'disk1' })
    const added = () => link.peer.handlers.slice(before.length)
    await until(() => added().length === 2, 'it knows both')
    assert.deepEqual(added(), [
      {
        ...{ kind: 'single', handler: 'store.lookup', subroute: '', inCapacity: 0, outCapacity: 1 },
        fingerprint: fingerprintOf(lookup)
      },
      {
        ...{ kind: 'streaming', handler: 'store.walk', subroute: 'disk1', inCapacity: 0, outCapacity: 2 },
        fingerprint: fingerprintOf(walk)
      }
    ])
    await until(() => heard.at(-1)?.length === before.length + 2, 'it has heard of both')
    const whileLost: number[] = []
    link.peer.once('state', () => whileLost.push(added().length))
    link.cut()
    await link.connected(2)
    assert.deepEqual([whileLost, added().length], [[2], 2], 'what it offered last')
  })
}
