/**
 * Replays the tables of docs/flow-control.md on the windows themselves: every number in them must come out.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  batchBytes,
  defaultCapacity,
  defaultLimits,
  fragmentBytes,
  maxConnMessageBytes
} from '../../lib/errors/options.ts'
import { streaming } from '../../lib/index.ts'
import { ReceiveWindow, SendWindow } from '../../lib/stream/window.ts'
import { openLink } from '../support/grid/links.ts'
import { MarkdownFile } from '../support/pages/markdown.ts'
import { settled } from '../support/until.ts'

const page = new MarkdownFile('docs/flow-control.md')
const capacity = 4

const kib = 1024

/** Both ends of one direction of a stream, with the CREDIT frames between them. */
class Direction {
  readonly messageBytes: number
  mayBegin = capacity
  bytesLeft = defaultLimits.streamWindowBytes
  /** Of a message that is not whole. */
  arrivedBytes = 0
  waiting = 0
  owed = 0
  lentBytes = 0
  readonly onTheWay: { messages: number; bytes: number }[] = []
  readonly #send = new SendWindow(capacity, defaultLimits.streamWindowBytes)
  readonly #receive = new ReceiveWindow(capacity, defaultLimits.streamWindowBytes, defaultLimits.maxMessageBytes)

  constructor(messageBytes: number) {
    this.messageBytes = messageBytes
  }

  /** A message of one frame. */
  send(): void {
    this.#frame(this.messageBytes)
  }

  fragments(): void {
    this.#frame(fragmentBytes)
  }

  take(): void {
    this.waiting--
    this.owed++
    const bytesOwed = this.owed * this.messageBytes - this.lentBytes
    if (!this.#receive.take(this.messageBytes)) return
    this.lentBytes = 0
    this.#grant(this.owed, bytesOwed)
    this.owed = 0
  }

  credit(): void {
    for (const { messages, bytes } of this.onTheWay.splice(0)) {
      this.#send.add(messages, bytes)
      this.mayBegin += messages
      this.bytesLeft += bytes
    }
  }

  /** The window has no getters for its numbers: what is counted here must be what it goes by. */
  assertWindow(): void {
    const mayGoOn = this.bytesLeft > 0
    if (this.arrivedBytes > 0) assert.equal(this.#send.isBlocked, !mayGoOn)
    else assert.equal(this.#send.canSend, this.mayBegin > 0 && mayGoOn)
  }

  #frame(bytes: number): void {
    if (this.arrivedBytes > 0) {
      assert.equal(this.#send.isBlocked, false, 'a fragment without credit')
    } else {
      assert.equal(this.#send.canSend, true, 'a message without credit')
      this.#send.take(this.messageBytes)
      this.#receive.begin()
      this.mayBegin--
    }
    this.#send.write(bytes)
    this.bytesLeft -= bytes
    this.arrivedBytes += bytes
    const isWhole = this.arrivedBytes === this.messageBytes
    if (this.#receive.receive(bytes, !isWhole)) this.#grant(0, 0)
    if (!isWhole) return
    this.arrivedBytes = 0
    this.waiting++
  }

  /** What is granted beyond what is owed is lent. */
  #grant(messagesOwed: number, bytesOwed: number): void {
    const grant = { messages: 0, bytes: 0 }
    assert.equal(this.#receive.grant(grant), true)
    assert.equal(grant.messages, messagesOwed)
    this.lentBytes += grant.bytes - bytesOwed
    assert.ok(this.lentBytes <= this.arrivedBytes)
    this.onTheWay.push(grant)
  }
}

function sum(direction: Direction, what: 'messages' | 'bytes'): number {
  return direction.onTheWay.reduce((total, grant) => total + grant[what], 0)
}

/** What the columns of the tables say. */
const columns: Readonly<Record<string, (direction: Direction) => number>> = {
  'sender may send': ({ mayBegin }) => mayBegin,
  "sender's bytes": ({ bytesLeft }) => bytesLeft,
  "sender's KiB": ({ bytesLeft }) => bytesLeft / kib,
  'KiB arrived in part': ({ arrivedBytes }) => arrivedBytes / kib,
  'waiting at the consumer': ({ waiting }) => waiting,
  owed: ({ owed }) => owed,
  'KiB lent': ({ lentBytes }) => lentBytes / kib,
  'on the way': (direction) => sum(direction, 'messages'),
  'messages on the way': (direction) => sum(direction, 'messages'),
  'KiB on the way': (direction) => sum(direction, 'bytes') / kib
}

/** Each message of the window is in one place, and so is each byte. */
function assertAddsUp(direction: Direction, step: string): void {
  const { mayBegin, bytesLeft, arrivedBytes, waiting, owed, lentBytes, messageBytes } = direction
  const messages = mayBegin + (arrivedBytes > 0 ? 1 : 0) + waiting + owed + sum(direction, 'messages')
  assert.equal(messages, capacity, `step ${step}: the messages do not add up`)
  const held = arrivedBytes + (waiting + owed) * messageBytes - lentBytes
  const bytes = bytesLeft + held + sum(direction, 'bytes')
  assert.equal(bytes, defaultLimits.streamWindowBytes, `step ${step}: the bytes do not add up`)
}

function replay(heading: string, messageBytes: number): Direction {
  const direction = new Direction(messageBytes)
  const [header = [], , ...rows] = page.rows(heading)
  const readings = header.slice(2).map((name) => columns[name] ?? assert.fail(`a column "${name}"`))
  for (const [step = '', event = '', ...numbers] of rows) {
    const [verb, times = '1'] = event.split(' ')
    for (let i = 0; i < Number(times); i++) {
      if (verb === 'send' || verb === 'fragments' || verb === 'take' || verb === 'credit') direction[verb]()
      else assert.equal(verb, 'open')
    }
    const expected = readings.map((reading) => reading(direction))
    assert.deepEqual(numbers.map(Number), expected, `step ${step}, ${event}`)
    direction.assertWindow()
    assertAddsUp(direction, step)
  }
  assert.ok(rows.length > 4)
  return direction
}

describe('docs/flow-control.md', () => {
  it('has a worked example whose every number the windows give', () => {
    const direction = replay('A worked example', 1024)
    assert.throws(() => direction.send(), /without credit/)
  })

  it('has an example of large messages whose every number the windows give', () => {
    const direction = replay('Messages larger than the window', 1024 * kib)
    for (let i = 0; i < 4; i++) direction.fragments()
    assert.throws(() => direction.fragments(), /without credit/)
  })

  it('tells how many CREDIT frames a large message costs on docs/protocol.md', () => {
    const direction = new Direction(1024 * kib)
    for (let i = 0; i < 16; i++) {
      direction.fragments()
      if (i < 15) direction.credit()
    }
    direction.take()
    const lent = (direction.messageBytes - sum(direction, 'bytes')) / (128 * kib)
    assert.deepEqual([lent, direction.onTheWay.length], [7, 1])
    assert.match(
      new MarkdownFile('docs/protocol.md').text,
      /costs seven that lend, 128 KiB each, and one when it is taken/
    )
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
    for (let i = 0; i < 512 + 64 * 10; i++) {
      receive.begin()
      receive.receive(100)
      if (!receive.take(100)) continue
      if (i >= 512) frames++
      receive.grant(grant)
    }
    assert.equal(grant.messages, 512)
    assert.equal(frames, 1)
    assert.match(page.text, /one CREDIT frame for 64 messages, and of 1024 one for 512/)
  })

  it('names the sizes and defaults that the code has', () => {
    assert.equal(batchBytes, 64 * 1024)
    assert.equal(fragmentBytes, 64 * 1024)
    assert.equal(defaultCapacity, 128)
    assert.equal(defaultLimits.streamWindowBytes, 256 * 1024)
    assert.equal(maxConnMessageBytes({ maxMetadataBytes: 0 }), 144 * 1024)
    assert.equal(defaultLimits.maxMessageBytes, 16 * 1024 * 1024)
    assert.equal(defaultLimits.maxInboundStreams, 100_000)
  })
})
