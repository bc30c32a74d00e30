/** The handshake against those who lie, replay, reflect, or do not speak it. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { defaultLimits } from '../../lib/errors/options.ts'
import type { Auth } from '../../lib/peer/auth.ts'
import { readChallenge } from '../../lib/peer/hello.ts'
import {
  claim,
  conn,
  dialer,
  errorOf,
  exchange,
  fieldsOf,
  generic,
  listener,
  message,
  type Tamper,
  Wire
} from '../support/raw/handshake.ts'

describe('cheating', () => {
  it('by a change to any byte of any message is noticed', async () => {
    const { wire } = await exchange()
    const lengths = { dialer: wire.toListener.sent, listener: wire.toDialer.sent }
    for (const from of ['dialer', 'listener'] as const) {
      for (const [index, { length }] of lengths[from].entries()) {
        for (let at = 0; at < length; at++) {
          const tamper: Tamper = (side, count, bytes) => {
            if (side === from && count === index) bytes[at] = (bytes[at] as number) ^ 0x15
            return bytes
          }
          const { dialed } = await exchange({ tamper })
          assert.match(errorOf(dialed).name, /^(HandshakeError|RejectedError)$/)
        }
      }
    }
  })

  it('by a truncation of any message at any byte is noticed', async () => {
    const { wire } = await exchange()
    const lengths = { dialer: wire.toListener.sent, listener: wire.toDialer.sent }
    for (const from of ['dialer', 'listener'] as const) {
      for (const [index, { length }] of lengths[from].entries()) {
        for (let end = 0; end < length; end++) {
          const tamper: Tamper = (side, count, bytes) =>
            side === from && count === index ? bytes.subarray(0, end) : bytes
          const { dialed, listened } = await exchange({ tamper })
          assert.match(errorOf(dialed).name, /^(HandshakeError|RejectedError)$/)
          if (from === 'dialer') assert.equal(errorOf(listened).name, 'HandshakeError')
        }
      }
    }
  })

  it('by replaying a recorded handshake fails against a new challenge', async () => {
    const recorded = (await exchange()).wire.toListener.sent
    const wire = new Wire()
    for (const bytes of recorded) wire.toListener.put(bytes)
    await assert.rejects(wire.listen(), {
      name: 'HandshakeError',
      message: `the handshake with ${claim} failed: the proof of the dialer was refused: the proof was made with another secret`
    })
  })

  it('by replaying a recorded listener fails against a new hello', async () => {
    const recorded = (await exchange()).wire.toDialer.sent
    const wire = new Wire()
    for (const bytes of recorded) wire.toDialer.put(bytes)
    await assert.rejects(wire.dial(), { name: 'HandshakeError', message: /the proof of the listener was refused/ })
  })

  it('by passing a handshake on to another peer is refused as the wrong host, and the dialer learns it', async () => {
    const { dialed, listened } = await exchange({ listen: { local: 'https://c:9000' } })
    assert.equal(errorOf(dialed).reason, 'wrongHost')
    assert.equal(errorOf(listened).reason, 'wrongHost')
  })

  it('by sending the own proof of the dialer back to it is refused', async () => {
    for (const kind of [4, 5]) {
      const wire = new Wire()
      const dialed = wire.dial()
      const hello = fieldsOf(await wire.toListener.take())
      wire.toDialer.put(message(2, hello))
      const { proof } = fieldsOf(await wire.toListener.take())
      wire.toDialer.put(message(kind, { version: 1, host: listener, proof, reason: 'busy', message: 'a lie' }))
      await assert.rejects(dialed, (error: Error & { reason?: string }) => kind === 4 || error.reason === 'authFailed')
    }
  })

  it('by dialing back with the challenge of the listener, to have it make the proof, is refused', async () => {
    const wire = new Wire()
    const listened = wire.listen()
    const asListener = new Wire()
    // The attacker lets the same server dial out, and hands each of its messages to its own listener.
    const dialed = asListener.dial({ local: listener, remote: dialer })
    wire.toListener.put(await asListener.toListener.take())
    const challenge = await wire.toDialer.take()
    readChallenge(challenge as Uint8Array)
    asListener.toDialer.put(challenge)
    wire.toListener.put(await asListener.toListener.take())
    asListener.toDialer.put(await wire.toDialer.take())
    const reason = 'ownName'
    await assert.rejects(listened, { name: 'RejectedError', reason })
    await assert.rejects(dialed, { name: 'RejectedError', reason })
  })
})

describe('a broken peer', () => {
  const hello = () => exchange().then(({ wire }) => wire.toListener.sent[0] as Uint8Array)

  it('that opens with something else than a hello is refused before anything is acted on', async () => {
    const touched: string[] = []
    const auth: Auth = { prove: () => assert.fail(), verify: () => void touched.push('verify') }
    for (const first of [
      message(3, { proof: new Uint8Array() }),
      message(9, {}),
      new Uint8Array(),
      Buffer.from('GET /')
    ]) {
      const wire = new Wire()
      wire.toListener.put(first)
      const expected = /^the handshake with a dialer at 10\.0\.0\.7:41234 failed: expected HELLO, received .+$/
      await assert.rejects(wire.listen({ auth }), { name: 'HandshakeError', message: expected })
      assert.deepEqual(wire.toDialer.sent.map(fieldsOf), [generic])
    }
    assert.deepEqual(touched, [])
  })

  it('that sends a second hello is refused', async () => {
    const wire = new Wire()
    wire.toListener.put(await hello())
    wire.toListener.put(await hello())
    const text = `the handshake with ${claim} failed: expected PROOF, received HELLO`
    await assert.rejects(wire.listen(), { name: 'HandshakeError', message: text })
  })

  it('that sends a message over maxHandshakeBytes is refused, at either end and at each step', async () => {
    const large = new Uint8Array(defaultLimits.maxHandshakeBytes + 1)
    for (const [from, index] of [
      ['dialer', 0],
      ['dialer', 1],
      ['listener', 0],
      ['listener', 1]
    ] as const) {
      const tamper: Tamper = (side, count, bytes) => (side === from && count === index ? large : bytes)
      const { dialed, listened } = await exchange({ tamper })
      const error = errorOf(from === 'dialer' ? listened : dialed)
      assert.equal(error.name, 'HandshakeError')
      assert.match(error.message, /failed: a message of 16385 bytes exceeds maxHandshakeBytes$/)
    }
  })

  it('that closes the conn at any step is told as that', async () => {
    for (const messages of [[], [await hello()]]) {
      const wire = new Wire()
      for (const bytes of [...messages, undefined]) wire.toListener.put(bytes)
      await assert.rejects(wire.listen(), { name: 'HandshakeError', message: /failed: the conn ended$/ })
    }
    const wire = new Wire()
    wire.toDialer.put(undefined)
    const text = 'the handshake with https://b:9000 failed: the conn ended'
    await assert.rejects(wire.dial(), { name: 'HandshakeError', message: text })
  })

  it('that loses the conn gives the error of the conn', async () => {
    const lost = new Error('ECONNRESET')
    const read = () => Promise.reject(lost)
    const wire = { conn, read, write() {} }
    await assert.rejects(new Wire().dial({ wire }), lost)
    await assert.rejects(new Wire().listen({ wire }), lost)
    const write = () => {
      throw lost
    }
    await assert.rejects(new Wire().dial({ wire: { conn, read, write } }), lost)
  })

  it('that refuses at once is not trusted', async () => {
    for (const extra of [{}, { proof: new Uint8Array(32) }]) {
      const wire = new Wire()
      wire.toDialer.put(message(5, { reason: 'goingAway', message: 'trust me', ...extra }))
      await assert.rejects(wire.dial(), (error: Error & { reason?: string }) => {
        assert.equal(error.reason, 'authFailed')
        assert.doesNotMatch(error.message, /trust me|goingAway/)
        return true
      })
    }
  })
})
