/**
 * What memory conns have beyond the contract of conn.spec.ts: copies, capacity, and held directions.
 * Nothing here opens a socket.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { memoryPair } from '../../lib/conn/memory.ts'
import { settled } from '../support/until.ts'
import { collect, each, endless, message } from './suite.ts'

const stop = new Error('the spec is over')

describe('memoryPair', () => {
  it('is secure unless asked otherwise, and names the other end', () => {
    const [a, b] = memoryPair()
    assert.deepEqual([a.secure, b.secure, a.remoteAddress, b.remoteAddress], [true, true, 'memory:b', 'memory:a'])
    assert.equal(memoryPair({ secure: false })[0].secure, false)
  })

  it('holds no more than its capacity beside the one that the reader may take', async () => {
    const [a] = memoryPair({ capacity: 4 })
    const source = endless(1)
    const sent = assert.rejects(a.sink(source), /over/)
    assert.equal(await settled(() => source.pulls, 20), 5)
    assert.deepEqual([a.link.inFlight, a.link.delivered], [4, 1])
    a.abort(stop)
    await sent
  })

  it('copies: a sender that reuses its buffer, and a reader that writes into what it got, harm nobody', async () => {
    const [a, b] = memoryPair({ log: true })
    const buffer = Uint8Array.of(1, 2, 3)
    await a.sink(each([buffer]))
    buffer.fill(9)
    const first = await b.source[Symbol.asyncIterator]().next()
    assert.deepEqual(first.value, Uint8Array.of(1, 2, 3))
    first.value.fill(7)
    assert.deepEqual(a.link.sent, [Uint8Array.of(1, 2, 3)])
    a.abort(stop)
  })

  it('never delivers in the turn of the sender', async () => {
    const [a, b] = memoryPair()
    const next = b.source[Symbol.asyncIterator]().next()
    const sent = a.sink(each([message(1, 1)]))
    assert.equal(a.link.delivered, 0)
    await Promise.all([sent, next])
    assert.equal(a.link.delivered, 1)
    a.abort(stop)
  })

  it('lets nothing through a held direction, and everything in order once it is released', async () => {
    const [a, b] = memoryPair()
    a.link.hold()
    const messages = [message(3, 1), message(4, 2)]
    await a.sink(each(messages))
    const arrived = collect(b)
    a.close()
    await settled(() => a.link.inFlight, 20)
    assert.equal(a.link.delivered, 0)
    a.link.release()
    assert.deepEqual(await arrived, messages)
  })

  it('lets an abort wait in a held direction too, as a dead network does', async () => {
    const [a, b] = memoryPair()
    a.link.hold()
    let failed = 0
    const arrived = assert.rejects(
      collect(b).finally(() => {
        failed += 1
      }),
      /connection lost/
    )
    a.abort(stop)
    assert.equal(await settled(() => failed, 20), 0)
    a.link.release()
    await arrived
  })

  it('delivers no message of a stalled direction, but that the conn is lost', async () => {
    const [a, b] = memoryPair()
    a.link.stall()
    await a.sink(each([message(3, 1)]))
    const arrived = collect(b)
    await settled(() => a.link.inFlight, 20)
    assert.deepEqual([a.link.delivered, a.link.inFlight], [0, 1])
    a.abort(stop)
    await assert.rejects(arrived, /connection lost/)
  })

  it('delivers what is delayed in order, as late as was drawn for each, and the end behind it', async () => {
    const [a, b] = memoryPair()
    const delays = [30, 5, 10]
    a.link.delay(() => delays.shift() ?? 0)
    const startMs = performance.now()
    const messages = [message(3, 1), message(4, 2)]
    await a.sink(each(messages))
    a.close()
    const late: number[] = []
    for await (const _ of b.source) late.push(performance.now() - startMs)
    assert.ok(late.length === 2 && (late[0] ?? 0) >= 29, `${late}`)
    assert.deepEqual([a.link.ended, a.link.inFlight], [true, 0])
  })

  it('delays the loss of the conn too, and what was sent before as it was', async () => {
    const [a, b] = memoryPair()
    await a.sink(each([message(3, 1)]))
    a.link.delay(() => 20)
    const arrived = b.source[Symbol.asyncIterator]()
    await arrived.next()
    const startMs = performance.now()
    a.abort(stop)
    await assert.rejects(arrived.next(), /connection lost/)
    assert.ok(performance.now() - startMs >= 19)
    a.link.delay(undefined)
  })

  it('keeps no log unless asked', async () => {
    const [a] = memoryPair()
    await a.sink(each([message(1, 1)]))
    assert.deepEqual(a.link.sent, [])
    a.abort(stop)
  })
})
