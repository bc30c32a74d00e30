/**
 * The receiving end of a conn alone: order, bounds, and every way it can end.
 * How carriers pause is in conn.spec.ts.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Inbox } from '../../lib/conn/inbox.ts'

function inbox(highWaterMarkBytes = 1000) {
  const calls: string[] = []
  const box = new Inbox({
    highWaterMarkBytes,
    pause: () => calls.push('pause'),
    resume: () => calls.push('resume'),
    onReturn: () => calls.push('return')
  })
  return { box, calls }
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

describe('Inbox', () => {
  it('hands a message to the reader that waits, without queueing it', async () => {
    const { box, calls } = inbox(0)
    const next = box.next()
    box.push(bytes(1))
    assert.deepEqual(await next, { done: false, value: bytes(1) })
    assert.deepEqual(calls, [])
  })

  it('pauses above the mark and resumes at half of it', async () => {
    const { box, calls } = inbox(1000)
    for (let count = 0; count < 5; count += 1) box.push(new Uint8Array(200))
    assert.deepEqual(calls, ['pause'])
    await box.next()
    await box.next()
    assert.deepEqual(calls, ['pause'])
    await box.next()
    await box.next()
    assert.deepEqual(calls, ['pause', 'resume'])
  })

  it('pauses for many messages of one byte as well', () => {
    const { box, calls } = inbox(1000)
    for (let count = 0; count < 20; count += 1) box.push(bytes(1))
    assert.deepEqual(calls, ['pause'])
  })

  it('hands out what waits before it ends', async () => {
    const { box } = inbox()
    box.push(bytes(1))
    box.end()
    box.push(bytes(2))
    assert.deepEqual(await box.next(), { done: false, value: bytes(1) })
    assert.deepEqual(await box.next(), { done: true, value: undefined })
    assert.deepEqual(await box.next(), { done: true, value: undefined })
  })

  it('hands out what waits before it throws, and throws ever after', async () => {
    const { box } = inbox()
    box.push(bytes(1))
    box.end(new Error('lost'))
    assert.equal((await box.next()).done, false)
    await assert.rejects(box.next(), /lost/)
    await assert.rejects(box.next(), /lost/)
  })

  it('ends for a reader that waits', async () => {
    const [clean, failed] = [inbox().box, inbox().box]
    const [end, failure] = [clean.next(), failed.next()]
    clean.end()
    failed.end(new Error('lost'))
    assert.equal((await end).done, true)
    await assert.rejects(failure, /lost/)
  })

  it('drops what waits when it is discarded, even after a clean end', async () => {
    const { box } = inbox()
    box.push(bytes(1))
    box.end()
    box.discard(new Error('aborted'))
    await assert.rejects(box.next(), /aborted/)
  })

  it('reports a reader that stops, goes on reading from the network, and is then at its end', async () => {
    const { box, calls } = inbox(0)
    box.push(bytes(1))
    assert.equal((await box.return()).done, true)
    assert.deepEqual(calls, ['pause', 'return', 'resume'])
    box.push(bytes(2))
    assert.equal((await box.next()).done, true)
  })

  it('rejects a second next() while one waits', async () => {
    const { box } = inbox()
    const first = box.next()
    await assert.rejects(box.next(), { code: 'ERR_CLOSED' })
    box.end()
    assert.equal((await first).done, true)
  })
})
