/** Credit arithmetic: two dimensions, one fragment of overdraft, what is lent, and that nobody waits for ever. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { defaultCapacity } from '../../lib/errors/options.ts'
import { maxCredit, maxDefaultCapacity, ReceiveWindow, SendWindow } from '../../lib/stream/window.ts'

const overdrawn = { name: 'FlowControlError', message: 'more bytes than the window of 100 allows' }

describe('SendWindow', () => {
  it('lets a message begin only while both dimensions are above zero', () => {
    assert.equal(new SendWindow(1, 1).canSend, true)
    assert.equal(new SendWindow(0, 100).canSend, false)
    assert.equal(new SendWindow(1, 0).canSend, false)
  })

  it('may be overdrawn in bytes by one frame, which must be paid back', () => {
    const window = new SendWindow(10, 100)
    window.take(1000)
    window.write(1000)
    assert.deepEqual([window.canSend, window.isBlocked], [false, false])
    window.add(1, 900)
    assert.equal(window.canSend, false)
    window.add(0, 1)
    assert.equal(window.canSend, true)
  })

  it('blocks a message after the fragment that used up the bytes, however many messages are left', () => {
    const window = new SendWindow(10, 100)
    window.take(300)
    const blocked: boolean[] = [window.isBlocked]
    for (const bytes of [60, 60]) {
      window.write(bytes)
      blocked.push(window.isBlocked)
    }
    window.add(0, 20)
    blocked.push(window.isBlocked)
    window.add(0, 1)
    blocked.push(window.isBlocked)
    assert.deepEqual(blocked, [false, false, true, true, false])
  })

  it('lets a message that has begun go on without credit for messages', () => {
    const window = new SendWindow(1, 100)
    window.take(300)
    window.write(99)
    assert.deepEqual([window.canSend, window.isBlocked], [false, false])
  })

  it('lets what was not taken pass by: the payload of a call, an error', () => {
    const window = new SendWindow(1, 100)
    window.write(1000)
    assert.deepEqual([window.canSend, window.isBlocked], [true, false])
    window.take(0)
    window.write(0)
    window.write(1000)
    window.add(1, 0)
    assert.deepEqual([window.canSend, window.isBlocked], [true, false])
  })

  it('tells its capacity, wider once the receiver has widened it, and what was not granted back', () => {
    const window = new SendWindow(4, 100)
    window.take(70)
    const [capacity, unread] = [
      { messages: 4, bytes: 100 },
      { messages: 1, bytes: 70 }
    ]
    assert.deepEqual(window.describe(), { totalMessages: 1, room: { messages: 3, bytes: 30 }, capacity, unread })
    window.add(1, 170)
    const wide = { messages: 4, bytes: 200 }
    const none = { messages: 0, bytes: 0 }
    assert.deepEqual(window.describe(), { totalMessages: 1, room: wide, capacity: wide, unread: none })
    window.add(3, 0)
    const [{ messages }, left] = [window.describe().capacity, window.describe().unread]
    assert.deepEqual([messages, left], [7, none], 'also of a peer that grants more messages than ours does')
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
    const amid = new SendWindow(1, maxCredit)
    amid.take(1000)
    amid.write(400)
    amid.add(0, 400)
    assert.throws(() => amid.add(0, 1), beyond)
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
    for (const bytes of [99, 5000]) {
      window.begin()
      window.receive(bytes)
    }
    window.begin()
    assert.throws(() => window.receive(0), overdrawn)
  })

  it('refuses the first fragment with no bytes left, also of a message that has begun', () => {
    const window = new ReceiveWindow(10, 100)
    window.begin()
    window.receive(99, true)
    window.receive(50, true)
    assert.throws(() => window.receive(1), overdrawn)
  })

  it('counts all fragments of a message as one', () => {
    const window = new ReceiveWindow(1, 1000)
    window.begin()
    for (let i = 0; i < 9; i++) assert.equal(window.receive(50, true), false)
    window.receive(50)
    assert.equal(window.take(500), true)
    assert.deepEqual(granted(window), { messages: 1, bytes: 500 })
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

  it('grants what was taken, all of it, once, and nothing before it is due', () => {
    const window = new ReceiveWindow(8, 1000)
    for (const bytes of [3, 4, 5]) arrive(window, bytes)
    assert.equal(granted(window), undefined)
    assert.equal(arrive(window, 6), true)
    assert.equal(arrive(window, 7), false, 'a grant is already due')
    assert.deepEqual(granted(window), { messages: 5, bytes: 25 })
    assert.equal(granted(window), undefined)
  })
})

describe('a ReceiveWindow that lends', () => {
  /** A message whose fragments of 100 bytes arrive in a window of 4 messages and 1000 bytes. */
  function amid(fragments: number, window = new ReceiveWindow(4, 1000)): ReceiveWindow {
    window.begin()
    for (let i = 1; i < fragments; i++) assert.equal(window.receive(100, true), false, `fragment ${i}`)
    return window
  }

  it('grants the bytes of a message that is still arriving, half a window at a time, and no message', () => {
    const window = amid(5)
    for (let i = 0; i < 3; i++) {
      assert.equal(window.receive(100, true), true)
      assert.deepEqual(granted(window), { messages: 0, bytes: 500 })
      for (let fragment = 1; fragment < 5; fragment++) assert.equal(window.receive(100, true), false)
    }
  })

  it('counts what was taken towards the half as well', () => {
    const window = new ReceiveWindow(4, 1000)
    arrive(window, 200)
    amid(2, window)
    assert.equal(window.receive(100, true), false)
    assert.equal(window.receive(100, true), true)
    assert.deepEqual(granted(window), { messages: 1, bytes: 500 })
  })

  it('grants less at once when the sender has run dry', () => {
    const window = new ReceiveWindow(4, 1000)
    window.begin()
    window.receive(300)
    window.begin()
    window.receive(600)
    window.begin()
    assert.equal(window.receive(99, true), false)
    assert.equal(window.receive(1, true), false, 'two messages wait')
    assert.equal(window.take(300), true)
    assert.deepEqual(granted(window), { messages: 1, bytes: 300 })
    assert.equal(window.take(600), true)
    assert.deepEqual(granted(window), { messages: 1, bytes: 700 })
    const tiny = new ReceiveWindow(4, 10)
    tiny.begin()
    assert.equal(tiny.receive(100, true), true)
    assert.deepEqual(granted(tiny), { messages: 0, bytes: 100 })
  })

  it('grants what it lent only once: the rest when the message is taken', () => {
    const window = amid(5)
    window.receive(100, true)
    assert.deepEqual(granted(window), { messages: 0, bytes: 500 })
    window.receive(450, true)
    window.receive(70)
    assert.equal(window.take(1020), true)
    assert.deepEqual(granted(window), { messages: 1, bytes: 520 })
  })

  it('grants a message of no further bytes when all of them were lent', () => {
    const window = new ReceiveWindow(1, 100)
    window.begin()
    assert.equal(window.receive(200, true), true)
    assert.deepEqual(granted(window), { messages: 0, bytes: 200 })
    window.receive(0)
    assert.equal(window.take(200), true)
    assert.deepEqual(granted(window), { messages: 1, bytes: 0 })
  })

  it('lends nothing while a whole message waits, and all that arrived as soon as none does', () => {
    const window = new ReceiveWindow(4, 1000)
    window.begin()
    window.receive(10)
    amid(10, window)
    assert.equal(window.receive(100, true), false)
    assert.equal(window.take(10), true)
    assert.deepEqual(granted(window), { messages: 1, bytes: 1010 })
    assert.equal(window.receive(500, true), true)
  })

  it('never lends the last fragment: a message that became whole before its grant was written waits to be taken', () => {
    const window = amid(5)
    assert.equal(window.receive(100, true), true)
    window.receive(100)
    assert.equal(granted(window), undefined)
    assert.equal(window.take(600), true)
    assert.deepEqual(granted(window), { messages: 1, bytes: 600 })
  })

  it('lends no more of the largest message than the window does not carry', () => {
    const window = new ReceiveWindow(4, 100, 150)
    window.begin()
    assert.equal(window.receive(60, true), true)
    assert.deepEqual(granted(window), { messages: 0, bytes: 51 })
    // 91 are left for the other 90, so that an empty last fragment may still come.
    assert.equal(window.receive(90, true), false)
    window.receive(0)
    window.begin()
    assert.equal(window.receive(1, true), false)
    assert.throws(() => window.receive(1), overdrawn)
  })

  it('lends nothing where the window holds every message', () => {
    const window = new ReceiveWindow(4, 100, 99)
    window.begin()
    assert.equal(window.receive(98, true), false)
    window.receive(1)
    window.take(99)
    assert.deepEqual(granted(window), { messages: 1, bytes: 99 })
  })
})

describe('a ReceiveWindow that is widened', () => {
  /** Each grant while messages of `bytes` are taken; `late` ones only when the next one is there. */
  function credits(window: ReceiveWindow, bytes: number, count: number, late = 0, mayWiden = true) {
    const all: { readonly messages: number; readonly bytes: number }[] = []
    for (let i = 0; i < count + late; i++) {
      if (i < count) {
        window.begin()
        window.receive(bytes)
      }
      if (i < late || !window.take(bytes, 1, { isCrowded: () => !mayWiden })) continue
      all.push(granted(window) ?? assert.fail('no grant'))
    }
    return all
  }

  const grants = (...args: Parameters<typeof credits>) => credits(...args).map(({ bytes }) => bytes)
  const messagesGranted = (...args: Parameters<typeof credits>) => credits(...args).map(({ messages }) => messages)

  it('is doubled for a consumer that has taken all that arrived, at two grants in a row, once', () => {
    const window = new ReceiveWindow(1000, 1000)
    assert.deepEqual(grants(window, 250, 32), [500, 1500, ...Array(7).fill(1000)])
    for (const bytes of [1999, 1]) {
      window.begin()
      window.receive(bytes)
    }
    window.begin()
    const message = 'more bytes than the window of 2000 allows'
    assert.throws(() => window.receive(1), { name: 'FlowControlError', message })
  })

  it('is not for one that leaves messages behind, or only once', () => {
    const late = new ReceiveWindow(1000, 1000)
    assert.ok(grants(late, 250, 100, 1).every((bytes) => bytes <= 500))
    const once = new ReceiveWindow(1000, 1000)
    for (let i = 0; i < 20; i++) {
      for (let unread = 0; unread < 3; unread++) {
        once.begin()
        once.receive(250)
      }
      assert.deepEqual([once.take(250), once.take(250)], [false, true])
      assert.deepEqual(granted(once), { messages: 2, bytes: 500 })
      assert.deepEqual([once.take(250), arrive(once, 250)], [false, true])
      assert.deepEqual(granted(once), { messages: 2, bytes: 500 })
    }
  })

  it('is not for messages that it is lent for', () => {
    const window = new ReceiveWindow(1000, 100)
    for (let i = 0; i < 20; i++) {
      window.begin()
      assert.equal(window.receive(60, true), true)
      assert.deepEqual(granted(window), { messages: 0, bytes: 60 })
      window.receive(60)
      assert.equal(window.take(120), true)
      assert.deepEqual(granted(window), { messages: 1, bytes: 60 })
    }
  })

  it('is not where messages are what a grant is for', () => {
    assert.ok(grants(new ReceiveWindow(4, 1000), 100, 100).every((bytes) => bytes === 200))
  })

  it('is no wider than the largest message, which no window has to be', () => {
    assert.deepEqual(grants(new ReceiveWindow(1000, 1000, 1500), 250, 20), [500, 1000, 750, 750, 750, 750, 750])
    assert.ok(grants(new ReceiveWindow(1000, 1000, 10), 250, 100).every((bytes) => bytes === 500))
  })

  it('is doubled in messages at each such grant, up to eight times the default, where the handler declares no capacity', () => {
    const half = defaultCapacity / 2
    const window = () => new ReceiveWindow(defaultCapacity, 1_000_000)
    const expected = [half, half + 128, 128 + 256, 256 + 512, 512, 512]
    assert.deepEqual(messagesGranted(window(), 1, 64 + 64 + 128 + 256 + 2 * 512), expected)
    assert.equal(maxDefaultCapacity, 1024)
    const wide = window()
    messagesGranted(wide, 1, 64 + 64 + 128 + 256)
    for (let i = 0; i < maxDefaultCapacity; i++) wide.begin()
    assert.throws(() => wide.begin(), { message: 'more messages than the window of 1024 allows' })
  })

  it('is not in messages where the handler declares a capacity, or the consumer leaves some behind', () => {
    for (const declared of [16, 127, 129, 500]) {
      const granted = messagesGranted(new ReceiveWindow(declared, 1_000_000), 1, 10_000)
      assert.ok(granted.every((messages) => messages <= Math.ceil(declared / 2)))
    }
    const late = messagesGranted(new ReceiveWindow(defaultCapacity, 1_000_000), 1, 10_000, 1)
    assert.ok(late.every((messages) => messages === defaultCapacity / 2))
    const once = new ReceiveWindow(defaultCapacity, 1_000_000)
    for (let i = 0; i < 10; i++) {
      for (let arriving = 0; arriving < defaultCapacity; arriving++) {
        once.begin()
        once.receive(1)
      }
      for (const half of [64, 64]) {
        assert.equal(once.take(half, half), true)
        assert.deepEqual(granted(once), { messages: half, bytes: half })
      }
    }
  })

  it('is not for one that takes all at once and finds a full window each time, and is where there was room', () => {
    const rounds = (window: ReceiveWindow, messages: number, bytes: number, length = 6) =>
      Array.from({ length }, () => {
        for (let arriving = 0; arriving < messages; arriving++) {
          window.begin()
          window.receive(bytes)
        }
        assert.equal(window.take(messages * bytes, messages), true)
        return granted(window)
      })
    const full = { messages: defaultCapacity, bytes: defaultCapacity }
    assert.deepEqual(rounds(new ReceiveWindow(defaultCapacity, 1_000_000), defaultCapacity, 1), Array(6).fill(full))
    const fullOfBytes = { messages: 4, bytes: 1000 }
    assert.deepEqual(rounds(new ReceiveWindow(1000, 1000), 4, 250), Array(6).fill(fullOfBytes))
    const room = rounds(new ReceiveWindow(defaultCapacity, 1_000_000), defaultCapacity - 1, 1, 2)
    assert.deepEqual(room[1], { messages: 2 * defaultCapacity - 1, bytes: defaultCapacity - 1 })
  })

  it('is at a later grant, where it might not be at once', () => {
    const window = new ReceiveWindow(1000, 1000)
    assert.deepEqual(grants(window, 250, 20, 0, false), Array(10).fill(500))
    assert.deepEqual(grants(window, 250, 6), [1500, 1000])
    const messages = new ReceiveWindow(defaultCapacity, 1_000_000)
    assert.deepEqual(messagesGranted(messages, 1, 640, 0, false), Array(10).fill(64))
    assert.deepEqual(messagesGranted(messages, 1, 64), [64 + 128])
  })

  it('is not at a grant that is due for something else, whatever the consumer has kept up with before', () => {
    const messages = new ReceiveWindow(defaultCapacity, 1000)
    assert.deepEqual(messagesGranted(messages, 1, 128), [64, 64 + 128])
    assert.ok(messagesGranted(messages, 500, 10, 1).every((count) => count === 1))
    const bytes = new ReceiveWindow(1000, 100)
    assert.deepEqual(grants(bytes, 50, 4, 0, false), [50, 50, 50, 50])
    bytes.begin()
    assert.equal(bytes.receive(60, true), true)
    assert.deepEqual(granted(bytes), { messages: 0, bytes: 60 })
  })

  it('lends no more of a message than the wide window does not carry', () => {
    const window = new ReceiveWindow(1000, 100, 250)
    assert.deepEqual(grants(window, 50, 3), [50, 150])
    window.begin()
    assert.equal(window.receive(125, true), true)
    // With the message that was taken: 126 are left for the other 125.
    assert.deepEqual(granted(window), { messages: 1, bytes: 101 })
  })
})

/** A message that is taken as soon as it arrives; says whether a grant is due. */
function arrive(window: ReceiveWindow, bytes: number): boolean {
  window.begin()
  window.receive(bytes)
  return window.take(bytes)
}

function granted(window: ReceiveWindow): { messages: number; bytes: number } | undefined {
  const credit = { messages: -1, bytes: -1 }
  return window.grant(credit) ? credit : undefined
}
