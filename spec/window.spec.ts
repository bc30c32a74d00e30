/** Credit arithmetic: two dimensions, one message of overdraft, and that batching grants never stalls anyone. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { maxCredit, ReceiveWindow, SendWindow } from '../lib/window.ts'
import { oneOf, rounds, wholeBelow } from './support/random.ts'

describe('SendWindow', () => {
  it('lets a message pass only while both dimensions are above zero', () => {
    assert.equal(new SendWindow(1, 1).canSend, true)
    assert.equal(new SendWindow(0, 100).canSend, false)
    assert.equal(new SendWindow(1, 0).canSend, false)
  })

  it('may be overdrawn in bytes by one message, which must be paid back', () => {
    const window = new SendWindow(10, 100)
    window.take(1000)
    assert.equal(window.canSend, false)
    window.add(1, 900)
    assert.equal(window.canSend, false)
    window.add(0, 1)
    assert.equal(window.canSend, true)
  })

  it('counts messages of no bytes', () => {
    const window = new SendWindow(2, 100)
    window.take(0)
    window.take(0)
    assert.equal(window.canSend, false)
    window.add(1, 0)
    assert.equal(window.canSend, true)
  })

  it('refuses a credit of nothing, and one beyond 2^31-1, as protocol errors', () => {
    assert.throws(() => new SendWindow(1, 1).add(0, 0), { name: 'ProtocolError', message: 'a credit of nothing' })
    const beyond = { name: 'ProtocolError', message: 'a credit beyond 2^31-1' }
    assert.throws(() => new SendWindow(1, 1).add(maxCredit, 0), beyond)
    assert.throws(() => new SendWindow(1, 1).add(0, maxCredit), beyond)
    assert.throws(() => new SendWindow(1, 1).add(Number.MAX_SAFE_INTEGER, 1), beyond)
    new SendWindow(0, 0).add(maxCredit, maxCredit)
  })
})

describe('ReceiveWindow', () => {
  it('refuses the first message over the messages', () => {
    const window = new ReceiveWindow(2, 1000)
    for (let i = 0; i < 2; i++) {
      window.begin()
      window.receive(1)
    }
    const error = { name: 'FlowControlError', message: 'more messages than the window of 2 allows' }
    assert.throws(() => window.begin(), error)
  })

  it('refuses the first message that begins with no bytes left, and not the one that overdraws', () => {
    const window = new ReceiveWindow(10, 100)
    window.begin()
    window.receive(99)
    window.begin()
    window.receive(5000)
    const error = { name: 'FlowControlError', message: 'more bytes than the window of 100 allows' }
    assert.throws(() => window.begin(), error)
  })

  it('counts all fragments of a message as the one that began', () => {
    const window = new ReceiveWindow(1, 100)
    window.begin()
    for (let i = 0; i < 10; i++) window.receive(50)
    assert.equal(window.take(500), true)
  })

  it('takes nothing of a window of no messages', () => {
    assert.throws(() => new ReceiveWindow(0, 100).begin(), { name: 'FlowControlError' })
  })

  it('has a grant due at half of the messages, at half of the bytes, and not before', () => {
    const messages = new ReceiveWindow(8, 1_000_000)
    assert.deepEqual(
      Array.from({ length: 4 }, () => arrive(messages, 1)),
      [false, false, false, true]
    )
    const bytes = new ReceiveWindow(1000, 1000)
    assert.deepEqual(
      Array.from({ length: 5 }, () => arrive(bytes, 100)),
      [false, false, false, false, true]
    )
  })

  it('has a grant due for every message of a window of one', () => {
    const window = new ReceiveWindow(1, 1000)
    for (let i = 0; i < 5; i++) {
      assert.equal(arrive(window, 10), true)
      assert.deepEqual(granted(window), { messages: 1, bytes: 10 })
    }
  })

  it('has a grant due when the sender has run out of messages or bytes, though less than half was taken', () => {
    const window = new ReceiveWindow(4, 1000)
    for (let i = 0; i < 4; i++) {
      window.begin()
      window.receive(1)
    }
    assert.equal(window.take(1), true)
    const bytes = new ReceiveWindow(100, 1000)
    for (const size of [1, 999]) {
      bytes.begin()
      bytes.receive(size)
    }
    assert.equal(bytes.take(1), true)
  })

  it('grants what was taken, all of it, once', () => {
    const window = new ReceiveWindow(8, 1000)
    arrive(window, 3)
    arrive(window, 4)
    assert.deepEqual(granted(window), { messages: 2, bytes: 7 })
    assert.deepEqual(granted(window), { messages: 0, bytes: 0 })
  })
})

/** A message that is taken as soon as it arrives; says whether a grant is due. */
function arrive(window: ReceiveWindow, bytes: number): boolean {
  window.begin()
  window.receive(bytes)
  return window.take(bytes)
}

function granted(window: ReceiveWindow): { messages: number; bytes: number } {
  const credit = { messages: -1, bytes: -1 }
  window.grant(credit)
  return credit
}

/** A sender and a receiver with a network between them that delivers in order, but whenever it likes. */
class Pair {
  readonly #send: SendWindow
  readonly #receive: ReceiveWindow
  readonly #capacityMessages: number
  readonly #capacityBytes: number
  readonly #fragments: { bytes: number; first: boolean; last: number }[] = []
  readonly #credits: { messages: number; bytes: number }[] = []
  readonly #queue: number[] = []
  #grantDue = false
  /** Sent and not granted back, as the sender's own account would have it. */
  #outstanding = { messages: 0, bytes: 0 }
  #lastSentBytes = 0
  delivered = 0

  constructor(messages: number, bytes: number) {
    this.#capacityMessages = messages
    this.#capacityBytes = bytes
    this.#send = new SendWindow(messages, bytes)
    this.#receive = new ReceiveWindow(messages, bytes)
  }

  send(bytes: number, fragments: number): void {
    if (!this.#send.canSend) return
    this.#send.take(bytes)
    this.#outstanding.messages++
    this.#outstanding.bytes += bytes
    this.#lastSentBytes = bytes
    for (let i = 0; i < fragments; i++) {
      const size =
        i < fragments - 1 ? Math.floor(bytes / fragments) : bytes - (fragments - 1) * Math.floor(bytes / fragments)
      this.#fragments.push({ bytes: size, first: i === 0, last: i === fragments - 1 ? bytes : -1 })
    }
  }

  /** One fragment arrives. */
  deliver(): void {
    const fragment = this.#fragments.shift()
    if (fragment === undefined) return
    // Throws when the receiver counts otherwise than the sender.
    if (fragment.first) this.#receive.begin()
    this.#receive.receive(fragment.bytes)
    if (fragment.last >= 0) this.#queue.push(fragment.last)
  }

  take(): void {
    const bytes = this.#queue.shift()
    if (bytes === undefined) return
    this.delivered++
    if (this.#receive.take(bytes)) this.#grantDue = true
  }

  /** The receiver writes the grant that is due. */
  writeCredit(): void {
    if (!this.#grantDue) return
    this.#grantDue = false
    const credit = { messages: 0, bytes: 0 }
    this.#receive.grant(credit)
    this.#credits.push(credit)
  }

  readCredit(): void {
    const credit = this.#credits.shift()
    if (credit === undefined) return
    this.#send.add(credit.messages, credit.bytes)
    this.#outstanding.messages -= credit.messages
    this.#outstanding.bytes -= credit.bytes
  }

  check(): void {
    const { messages, bytes } = this.#outstanding
    assert.ok(messages <= this.#capacityMessages, `${messages} messages of ${this.#capacityMessages} are outstanding`)
    const overdraft = bytes - this.#capacityBytes
    assert.ok(overdraft < Math.max(1, this.#lastSentBytes), `${overdraft} bytes over, by more than the last message`)
    assert.ok(messages >= 0 && bytes >= 0, 'more was granted than sent')
    // The consumer waits, nothing is on its way: then somebody can go on.
    const nothingUnderWay = this.#queue.length + this.#fragments.length + this.#credits.length === 0
    if (nothingUnderWay) assert.ok(this.#send.canSend || this.#grantDue, 'both sides wait for ever')
  }
}

describe('a pair of windows', () => {
  it('never exceeds its capacity, overdraws by one message at most, and never stalls', () => {
    rounds(300, (random) => {
      const capacity = oneOf(random, [1, 2, 3, 5, 64, 1000])
      const bytes = oneOf(random, [1, 2, 100, 4096, 262144])
      const pair = new Pair(capacity, bytes)
      const largest = oneOf(random, [1, 10, 5000, 600_000])
      const weights = Array.from({ length: 5 }, () => random())
      for (let step = 0; step < 600; step++) {
        const action = weights.map((weight) => weight * random())
        switch (action.indexOf(Math.max(...action))) {
          case 0:
            pair.send(wholeBelow(random, largest), 1 + wholeBelow(random, 3))
            break
          case 1:
            pair.deliver()
            break
          case 2:
            pair.take()
            break
          case 3:
            pair.writeCredit()
            break
          default:
            pair.readCredit()
        }
        pair.check()
      }
    })
  })

  it('moves any number of messages while the consumer takes them, whatever the capacity', () => {
    rounds(40, (random) => {
      const pair = new Pair(oneOf(random, [1, 2, 7, 64]), oneOf(random, [1, 50, 4096]))
      for (let message = 0; message < 300; message++) {
        const before = pair.delivered
        pair.send(wholeBelow(random, 200), 1 + wholeBelow(random, 2))
        pair.deliver()
        pair.deliver()
        pair.take()
        pair.writeCredit()
        pair.readCredit()
        assert.equal(pair.delivered, before + 1)
        pair.check()
      }
    })
  })
})
