/**
 * Replays the tables of docs/flow-control.md on the windows themselves: every number in them must come out.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { streaming } from '../lib/index.ts'
import { batchBytes, defaultCapacity, defaultLimits, fragmentBytes, maxConnMessageBytes } from '../lib/options.ts'
import { ReceiveWindow, SendWindow } from '../lib/window.ts'
import { openLink } from './support/links.ts'
import { markdownFile } from './support/markdown.ts'
import { settled } from './support/until.ts'

const page = markdownFile('docs/flow-control.md')
const capacity = 4

/** Both ends of one direction of a stream, with the CREDIT frames between them. */
class Direction {
  readonly messageBytes: number
  mayBegin = capacity
  bytesLeft = defaultLimits.streamWindowBytes
  waiting = 0
  owed = 0
  readonly onTheWay: { messages: number; bytes: number }[] = []
  readonly #send = new SendWindow(capacity, defaultLimits.streamWindowBytes)
  readonly #receive = new ReceiveWindow(capacity, defaultLimits.streamWindowBytes)

  constructor(messageBytes: number) {
    this.messageBytes = messageBytes
  }

  /** The window has no getters for its numbers: they are counted here, and `canSend` must agree. */
  send(): void {
    assert.equal(this.#send.canSend, true, 'a message without credit')
    this.#send.take(this.messageBytes)
    this.mayBegin--
    this.bytesLeft -= this.messageBytes
    this.#receive.begin()
    this.#receive.receive(this.messageBytes)
    this.waiting++
  }

  take(): void {
    this.waiting--
    this.owed++
    if (!this.#receive.take(this.messageBytes)) return
    const grant = { messages: 0, bytes: 0 }
    this.#receive.grant(grant)
    assert.deepEqual(grant, { messages: this.owed, bytes: this.owed * this.messageBytes })
    this.owed = 0
    this.onTheWay.push(grant)
  }

  credit(): void {
    for (const { messages, bytes } of this.onTheWay.splice(0)) {
      this.#send.add(messages, bytes)
      this.mayBegin += messages
      this.bytesLeft += bytes
    }
  }

  /** The numbers as a row of the table has them. */
  row(): number[] {
    const onTheWay = this.onTheWay.reduce((sum, { messages }) => sum + messages, 0)
    return [this.mayBegin, this.bytesLeft, this.waiting, this.owed, onTheWay]
  }

  /** As far as the window allows: `mayBegin` and `bytesLeft` must be what it goes by. */
  assertWindow(): void {
    assert.equal(this.#send.canSend, this.mayBegin > 0 && this.bytesLeft > 0)
  }
}

function replay(heading: string, messageBytes: number): Direction {
  const direction = new Direction(messageBytes)
  const [, , ...rows] = page.rows(heading)
  for (const [step = '', event = '', ...numbers] of rows) {
    const [verb, times = '1'] = event.split(' ')
    for (let i = 0; i < Number(times); i++) {
      if (verb === 'send' || verb === 'take' || verb === 'credit') direction[verb]()
      else assert.equal(verb, 'open')
    }
    assert.deepEqual(numbers.map(Number), direction.row(), `step ${step}, ${event}`)
    direction.assertWindow()
    const total = direction.mayBegin + direction.waiting + direction.owed + (direction.row()[4] ?? 0)
    assert.equal(total, capacity, `step ${step}: the window does not add up`)
  }
  assert.ok(rows.length > 4)
  return direction
}

describe('docs/flow-control.md', () => {
  it('has a worked example whose every number the windows give', () => {
    const direction = replay('A worked example', 1024)
    assert.throws(() => direction.send(), /without credit/)
  })

  it('has an example of overdraft whose every number the windows give', () => {
    const direction = replay('Messages larger than the window', 1024 * 1024)
    assert.throws(() => direction.send(), /without credit/)
  })

  it('says where the generator stands: at its fourth yield, and at its fifth once a value was taken', async () => {
    const link = await openLink('memory', 'dialer')
    const numbers = streaming<void, never, number>('numbers', { inCapacity: 0, outCapacity: capacity })
    let yielded = 0
    link.responder.handle(numbers, function* () {
      for (;;) yield ++yielded
    })
    await link.known()
    const stream = link.peer.newStream(numbers)
    assert.equal(await settled(() => yielded), 4)
    assert.deepEqual(await stream.responses.next(), { done: false, value: 1 })
    assert.equal(await settled(() => yielded), 5)
    stream.cancel()
    await stream.closed
    await link.dispose()
  })

  it('tells how many CREDIT frames a fast consumer costs', () => {
    const receive = new ReceiveWindow(defaultCapacity, defaultLimits.streamWindowBytes)
    const grant = { messages: 0, bytes: 0 }
    let frames = 0
    for (let i = 0; i < 320; i++) {
      receive.begin()
      receive.receive(100)
      if (!receive.take(100)) continue
      frames++
      receive.grant(grant)
      assert.equal(grant.messages, 32)
    }
    assert.equal(frames, 10)
    assert.match(page.text, /one CREDIT frame for 32 messages/)
  })

  it('names the sizes and defaults that the code has', () => {
    assert.equal(batchBytes, 64 * 1024)
    assert.equal(fragmentBytes, 64 * 1024)
    assert.equal(defaultCapacity, 64)
    assert.equal(defaultLimits.streamWindowBytes, 256 * 1024)
    assert.equal(maxConnMessageBytes({ maxMetadataBytes: 0 }), 144 * 1024)
    assert.equal(defaultLimits.maxMessageBytes, 16 * 1024 * 1024)
    assert.equal(defaultLimits.maxInboundStreams, 100_000)
  })
})
