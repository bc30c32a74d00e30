/** Who writes next: control first, senders in turn, batches that are capped, full ones at once and partial ones soon. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { batchBytes, fragmentBytes, loopMs, markBytes } from '../../lib/errors/options.ts'
import { afterRound } from '../../lib/time/rounds.ts'
import { Flag, FrameType } from '../../lib/wire/frame.ts'
import { Outbox } from '../../lib/wire/outbox.ts'
import { spend } from '../support/clock/machine.ts'
import { eachRound } from '../support/clock/rounds.ts'
import { naiveDecode } from '../support/codec/naive.ts'
import { until } from '../support/until.ts'
import { bulkSender, drain, eagerSender, isPending, marks } from './senders.ts'

describe('the outbox', () => {
  it('lets senders take turns, a frame each', async () => {
    const outbox = new Outbox()
    const senders = [1, 3, 5].map((id) => bulkSender(id, 6))
    for (const sender of senders) outbox.offer(sender)
    const order = (await drain(outbox)).flat()
    assert.equal(order.length, 18)
    // The first offer fills what is empty; behind it every three frames are of three senders.
    for (let at = 2; at + 3 <= 15; at += 3) {
      assert.deepEqual(new Set(order.slice(at, at + 3)), new Set([1, 3, 5]), `${order}`)
    }
  })

  it('lets a small sender pass bulk, behind the batch that is full', async () => {
    const outbox = new Outbox()
    outbox.offer(bulkSender(1, 100))
    outbox.offer(bulkSender(3, 1, 10))
    const order = [...marks(await outbox.next()), ...marks(await outbox.next())]
    // Two frames were in the batch that was full before it came.
    assert.equal(order.indexOf(3), 2)
  })

  it('closes a batch that has reached 64 KiB, overshot by one frame at most', async () => {
    const outbox = new Outbox()
    outbox.offer(bulkSender(1, 50, fragmentBytes))
    outbox.offer(bulkSender(3, 500, 100))
    outbox.close()
    let frames = 0
    for await (const batch of outbox) {
      const sizes = naiveDecode(batch).map((frame) => (frame.type === FrameType.data ? frame.payload.length : 0))
      const last = sizes.at(-1) as number
      assert.ok(batch.length - last - 6 < batchBytes, `${batch.length} bytes`)
      frames += sizes.length
    }
    assert.equal(frames, 550)
  })

  it('puts control frames before the data that waits', async () => {
    const outbox = new Outbox()
    const bulk = bulkSender(1, 20)
    outbox.offer(bulk)
    assert.ok(outbox.writer.length < batchBytes)
    outbox.offer(bulkSender(3, 1))
    const other = bulkSender(5, 0).ping(7)
    outbox.offerControl(other)
    await outbox.next()
    const late = bulkSender(5, 0).ping(8)
    outbox.offerControl(late)
    assert.equal(marks(await outbox.next())[0], -8)
  })

  it('puts control frames first that came while the batch was full', async () => {
    const outbox = new Outbox()
    outbox.offer(bulkSender(1, 10, batchBytes))
    outbox.offerControl(bulkSender(5, 0).ping(9))
    assert.deepEqual(outbox.waiting, { senders: 2, bytes: outbox.writer.length })
    assert.deepEqual(marks(await outbox.next()), [1])
    assert.deepEqual(marks(await outbox.next()), [-9, 1])
  })

  it('asks a sender for nothing while the batch is full and the conn does not pull', () => {
    const outbox = new Outbox()
    const bulk = bulkSender(1, 100, batchBytes)
    outbox.offer(bulk)
    outbox.offer(bulk)
    const other = bulkSender(3, 5)
    outbox.offer(other)
    assert.deepEqual([bulk.left, other.left], [99, 5])
    assert.ok(bulk.dataQueued && other.dataQueued)
  })

  it('delivers a full batch at once to a conn that waits', async () => {
    const outbox = new Outbox()
    const taken = outbox.next()
    outbox.offer(bulkSender(1, 2, batchBytes))
    assert.equal(await isPending(taken), false)
  })

  it('delivers a partial batch at the end of the turn, with all that the turn has offered', async () => {
    const outbox = new Outbox()
    const taken = outbox.next()
    outbox.offer(bulkSender(1, 1, 10))
    await Promise.resolve()
    outbox.offer(bulkSender(3, 1, 10))
    for (let i = 0; i < 20; i++) await Promise.resolve()
    outbox.offer(bulkSender(5, 1, 10))
    assert.deepEqual(marks(await taken), [1, 3, 5])
    assert.deepEqual([outbox.batches, outbox.waiting], [1, { senders: 0, bytes: 0 }])
  })

  it('gives a conn that pulls later what was offered before', async () => {
    const outbox = new Outbox()
    outbox.offer(bulkSender(1, 1, 10))
    outbox.offerControl(bulkSender(3, 0).ping(4))
    assert.deepEqual(marks(await outbox.next()), [1, -4])
    assert.equal(await isPending(outbox.next()), true)
  })

  /** Pulls again and again, so long for each, until the event loop has gone round ten times; resolves with how often. */
  async function pullsForTenRounds(eachMs: number, pull: (outbox: Outbox) => Promise<unknown>): Promise<number> {
    await new Promise<void>(afterRound)
    const outbox = new Outbox()
    let rounds = 0
    const stop = eachRound(() => rounds++)
    let pulls = 0
    for (; rounds < 10 && pulls < 10_000; pulls++) {
      spend(eachMs)
      await pull(outbox)
    }
    stop()
    outbox.abort()
    return pulls
  }

  it('lets the event loop go round after 10 ms, though the conn takes all at once and a sender never ends', async () => {
    const bulk = bulkSender(1, Infinity)
    const pulls = await pullsForTenRounds(1, (outbox) => {
      outbox.offer(bulk)
      return outbox.next()
    })
    assert.ok(pulls <= 10 * (loopMs + 2), `${pulls} batches`)
  })

  it('looks at the clock after 64 batches, however small, of which each is the answer to the last', async () => {
    const pulls = await pullsForTenRounds(0.2, (outbox) => {
      const taken = outbox.next()
      outbox.offer(bulkSender(1, 1, 1))
      return taken
    })
    assert.ok(pulls <= 11 * 2 * 64, `${pulls} batches`)
  })

  it('survives senders that offer their next frame while they write, and keeps them in turn', async () => {
    const outbox = new Outbox()
    const senders = [1, 3, 5].map((id) => eagerSender(outbox, id, 400))
    const order: number[] = []
    const taken = outbox.next()
    for (const sender of senders) outbox.offer(sender)
    order.push(...marks(await taken))
    while (order.length < 1200) order.push(...marks(await outbox.next()))
    assert.deepEqual(
      senders.map((sender) => sender.written),
      [400, 400, 400]
    )
    assert.equal(await isPending(outbox.next()), true)
    const tail = order.slice(200, 900)
    for (const id of [1, 3, 5]) assert.ok(tail.filter((mark) => mark === id).length > 150, `${id} starves`)
  })

  it('sends whole messages before all frames, one for each pull', async () => {
    const outbox = new Outbox()
    outbox.offer(bulkSender(1, 1, 10))
    const messages = [Uint8Array.of(1), Uint8Array.of(2)]
    for (const message of messages) outbox.sendMessage(message)
    assert.deepEqual((await outbox.next()).value, messages[0])
    assert.deepEqual((await outbox.next()).value, messages[1])
    assert.deepEqual(marks(await outbox.next()), [1])
  })

  it('counts the batches that it handed over and their bytes, and not the handshake', async () => {
    const outbox = new Outbox()
    outbox.sendMessage(new Uint8Array(10))
    await outbox.next()
    outbox.offer(bulkSender(1, 1, 100))
    const { value } = await outbox.next()
    assert.deepEqual([outbox.batches, outbox.bytes], [1, value.length])
  })

  it('ends behind all that waits, and takes no more', async () => {
    const outbox = new Outbox()
    outbox.offer(bulkSender(1, 10))
    outbox.close()
    outbox.close()
    const late = bulkSender(3, 1)
    outbox.offer(late)
    outbox.offerControl(late.ping(1))
    outbox.sendMessage(Uint8Array.of(1))
    assert.equal((await drain(outbox)).flat().length, 10)
    assert.deepEqual(await outbox.next(), { done: true, value: undefined })
    assert.equal(late.left, 1)
  })

  it('ends a pull that waits', async () => {
    const outbox = new Outbox()
    const taken = outbox.next()
    outbox.close()
    assert.deepEqual(await taken, { done: true, value: undefined })
  })

  for (const how of ['abort', 'return'] as const) {
    it(`drops everything at ${how}: frames, senders, messages, and the pull that waits`, async () => {
      const outbox = new Outbox()
      outbox.offer(bulkSender(1, 1, 10))
      outbox.offer(bulkSender(3, 10, batchBytes))
      outbox.sendMessage(Uint8Array.of(1))
      outbox[how]()
      assert.deepEqual(await outbox.next(), { done: true, value: undefined })
      assert.deepEqual(outbox.waiting, { senders: 0, bytes: 0 })
      const waiting = new Outbox()
      const taken = waiting.next()
      waiting[how]()
      assert.deepEqual(await taken, { done: true, value: undefined })
      assert.equal(outbox.batches + waiting.batches, 0)
    })
  }

  for (const [how, batches] of [
    ['close', 1],
    ['abort', 0],
    ['return', 0]
  ] as const) {
    it(`ends a pull at ${how} that waits for the event loop to go round, behind ${batches} batches`, async () => {
      const outbox = new Outbox()
      outbox.offer(bulkSender(1, 2))
      await outbox.next()
      afterRound(() => undefined)
      spend(loopMs)
      outbox.offer(bulkSender(3, 1, 10))
      const held = outbox.next()
      assert.equal(outbox.isBlocked, true)
      outbox[how]()
      if (batches > 0) assert.deepEqual(marks(await held), [3])
      assert.deepEqual(await (batches > 0 ? outbox.next() : held), { done: true, value: undefined })
    })
  }

  it('fails a pull whose sender throws, and nobody else who waits for the event loop to go round', async () => {
    const outbox = new Outbox()
    outbox.offer(bulkSender(1, 3))
    await outbox.next()
    const before = new Promise<void>(afterRound)
    spend(loopMs)
    outbox.offer({ ...bulkSender(3, 1), writeData: () => assert.fail('broken') })
    const held = outbox.next()
    const behind = new Promise<void>(afterRound)
    await assert.rejects(held, /broken/)
    await Promise.all([before, behind])
  })

  it('is blocked while something waits and the conn takes nothing', async () => {
    const outbox = new Outbox()
    assert.equal(outbox.isBlocked, false)
    outbox.offer(bulkSender(1, 2, batchBytes))
    assert.equal(outbox.isBlocked, true)
    await outbox.next()
    assert.equal(outbox.isBlocked, true, 'the second batch waits')
    await outbox.next()
    const waiting = outbox.next()
    assert.equal(outbox.isBlocked, false)
    outbox.abort()
    await waiting
    assert.equal(outbox.isBlocked, false)
  })

  it('asks for a mark behind each 128 KiB of batches, whatever their size', async () => {
    const outbox = new Outbox()
    const control = bulkSender(7, 0)
    let asked = 0
    outbox.onMark = () => outbox.offerControl(control.ping(++asked))
    const bulk = bulkSender(1, 200, 10_000)
    outbox.offer(bulk)
    const batches: number[][] = []
    while (bulk.left > 0) batches.push(marks(await outbox.next()))
    const sizes = batches.map((batch) => batch.filter((mark) => mark > 0).length * 10_000)
    const pings = batches.map((batch) => batch.filter((mark) => mark < 0).length)
    assert.deepEqual([Math.max(...pings), asked], [1, pings.reduce((sum, count) => sum + count, 0)])
    let unmarked = 0
    for (const [i, size] of sizes.entries()) {
      assert.ok(unmarked < markBytes + batchBytes + 10_000, `${unmarked} bytes without a mark`)
      if (pings[i] === 1) {
        assert.ok(unmarked >= markBytes, `a mark behind ${unmarked} bytes only`)
        unmarked = 0
      }
      unmarked += size
    }
    assert.ok(asked > 10)
  })

  it('puts a mark before a message that fills a batch, which stays the last of it', async () => {
    const outbox = new Outbox()
    const control = bulkSender(7, 0)
    let asked = 0
    outbox.onMark = () => outbox.offerControl(control.ping(++asked))
    const batches: number[][] = []
    for (let id = 1; id <= 20; id++) {
      const taken = outbox.next()
      outbox.offer(bulkSender(id, 1, fragmentBytes))
      batches.push(marks(await taken))
    }
    assert.ok(asked > 5)
    assert.equal(batches.flat().filter((mark) => mark < 0).length, asked)
    assert.deepEqual(
      batches.map((batch) => batch.at(-1)),
      Array.from({ length: 20 }, (_, at) => at + 1)
    )
    outbox.abort()
  })

  it('lets a rider write its control frames into the next batch, whatever that is for', async () => {
    const outbox = new Outbox()
    const taken = outbox.next()
    outbox.offerRider(bulkSender(7, 0).ping(1))
    assert.equal(await isPending(taken), true)
    outbox.offer(bulkSender(1, 1, 10))
    assert.deepEqual(marks(await taken), [-1, 1])
    outbox.abort()
  })

  it('sends those of a rider by themselves when nothing else is sent soon, again and again', async () => {
    const outbox = new Outbox()
    const control = bulkSender(7, 0)
    for (let token = 1; token <= 3; token++) {
      outbox.offerRider(control.ping(token))
      const taken = outbox.next()
      await until(async () => !(await isPending(taken)), 'a batch')
      assert.deepEqual(marks(await taken), [-token])
    }
  })

  it('keeps the flags of what senders write', async () => {
    const outbox = new Outbox()
    outbox.offer({
      dataQueued: false,
      controlQueued: false,
      writeControl() {},
      writeData(writer) {
        writer.data(Flag.end, 9, Uint8Array.of(1), 0, 1)
        return false
      }
    })
    const { value } = await outbox.next()
    assert.deepEqual(naiveDecode(value), [{ type: 2, flags: 0x10, streamId: 9, payload: Uint8Array.of(1) }])
  })
})

it('an outbox uses memory again once the batches in it are released, with none of the handshake counted as one', async () => {
  // Of the messages that the conn was given two were of the handshake.
  for (const [released, isReused] of [[2, false] as const, [3, true] as const]) {
    const outbox = new Outbox(() => released)
    for (const byte of [1, 2]) {
      outbox.sendMessage(Uint8Array.of(byte))
      assert.deepEqual((await outbox.next()).value, Uint8Array.of(byte))
    }
    outbox.offer(bulkSender(1, 2, 200_000))
    const [first, second] = [await outbox.next(), await outbox.next()]
    assert.deepEqual([marks(second), first.value.buffer === second.value.buffer], [[1], isReused])
  }
})
