/** The exchange between two honest ends: what it gives, and each refusal as both sides see it. */

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, it } from 'node:test'
import type { RejectReason } from '../../lib/errors/errors.ts'
import { defaultLimits } from '../../lib/errors/options.ts'
import { type Auth, insecure, sharedSecret } from '../../lib/peer/auth.ts'
import { createInstance, type Refusal } from '../../lib/peer/handshake.ts'
import {
  dialer,
  errorOf,
  exchange,
  fieldsOf,
  generic,
  listener,
  type Options,
  resultOf,
  rewrite,
  secret,
  type Tamper,
  unproven
} from '../support/raw/handshake.ts'

describe('a handshake', () => {
  it('gives both ends the name, instance, limits, identity and version of the other', async () => {
    const [instanceA, instanceB] = [createInstance(), createInstance()]
    const expiresAt = Date.now() + 60_000
    const identity = { claims: 'node', expiresAt }
    const withIdentity: Auth = {
      ...secret,
      verify: async (context, proof) => (await secret.verify(context, proof)) ?? identity
    }
    const { dialed, listened } = await exchange({
      dial: { instance: instanceA, limits: { ...defaultLimits, maxMessageBytes: 1000 } },
      listen: { instance: instanceB, limits: { ...defaultLimits, maxHandlers: 7 }, auth: withIdentity }
    })
    const { maxMessageBytes, streamWindowBytes, maxFragments, maxInboundStreams, ...rest } = defaultLimits
    const { maxHandlers, maxNameBytes, maxMetadataBytes } = rest
    const limits = {
      maxMessageBytes,
      streamWindowBytes,
      maxFragments,
      maxInboundStreams,
      maxHandlers,
      maxNameBytes,
      maxMetadataBytes
    }
    const { renewBefore, session, ...atDialer } = resultOf(dialed)
    assert.ok(Math.abs((renewBefore ?? 0) - expiresAt) < 1000, 'the dialer is told when its identity ends')
    assert.deepEqual(atDialer, {
      version: 1,
      host: listener,
      role: 'host',
      instance: Buffer.from(instanceB).toString('hex'),
      identity: {},
      limits: { ...limits, maxHandlers: 7 },
      checksum: false,
      understands: ['goAwayGrace', 'handlerChanges', 'fingerprints'],
      renews: false
    })
    assert.deepEqual(resultOf(listened), {
      version: 1,
      host: dialer,
      role: 'host',
      instance: Buffer.from(instanceA).toString('hex'),
      session,
      identity,
      limits: { ...limits, maxMessageBytes: 1000 },
      checksum: false,
      understands: ['goAwayGrace', 'handlerChanges', 'fingerprints'],
      renews: false,
      renewBefore: expiresAt
    })
  })

  it('turns checksums on when either end wants them', async () => {
    for (const [a, b] of [
      [false, false],
      [false, true],
      [true, false],
      [true, true]
    ] as const) {
      const { dialed, listened } = await exchange({ dial: { wantChecksum: a }, listen: { wantChecksum: b } })
      assert.deepEqual([resultOf(dialed).checksum, resultOf(listened).checksum], [a || b, a || b])
    }
  })

  it('tells the listener who dialed once the proof is verified, and tells auth who it deals with', async () => {
    const admitted: unknown[] = []
    const instance = createInstance()
    const contexts: unknown[] = []
    const auth: Auth = {
      prove: ({ prover, local, remote }) => {
        contexts.push(['prove', prover, local, remote])
        return new Uint8Array()
      },
      verify: ({ prover, local, remote }) => void contexts.push(['verify', prover, local, remote])
    }
    const admit = (...args: unknown[]) => void admitted.push(args)
    await exchange({ dial: { auth, instance }, listen: { auth, admit } })
    assert.deepEqual(admitted, [[dialer, Buffer.from(instance).toString('hex')]])
    assert.deepEqual(contexts, [
      ['prove', 'dialer', dialer, listener],
      ['verify', 'dialer', listener, dialer],
      ['prove', 'listener', listener, dialer],
      ['verify', 'listener', dialer, listener]
    ])
  })

  it('succeeds between ends that rotate their secrets, and with insecure() on both', async () => {
    const older = sharedSecret('the older secret 1')
    const both = sharedSecret(['the newer secret 2', 'the older secret 1'])
    // An end that proves with the newer one is verified only by an end that knows it.
    const olderFirst = sharedSecret(['the older secret 1', 'the newer secret 2'])
    for (const [a, b] of [
      [olderFirst, both],
      [both, olderFirst],
      [older, olderFirst],
      [insecure(), insecure()]
    ] as const) {
      const { dialed, listened } = await exchange({ dial: { auth: a }, listen: { auth: b } })
      assert.equal(resultOf(dialed).host, listener)
      assert.equal(resultOf(listened).host, dialer)
    }
  })

  it('leaves no listener on its signal', async () => {
    const signal = new AbortController().signal
    await exchange({ dial: { signal }, listen: { signal } })
    assert.equal(getEventListeners(signal, 'abort').length, 0)
  })
})

describe('a wrong secret', () => {
  it('is refused with the same words for known and unknown names, and the detail stays at the listener', async () => {
    const asked: string[] = []
    const admit = (host: string): Refusal | undefined => {
      asked.push(host)
      return { reason: 'unknownHost', message: 'unknown' }
    }
    for (const local of [dialer, 'https://stranger', listener]) {
      const { dialed, listened, wire } = await exchange({
        dial: { local, auth: sharedSecret('another secret 99') },
        listen: { admit }
      })
      assert.deepEqual(fieldsOf(wire.toDialer.sent[1]), generic)
      const { name, reason, message, delivery } = errorOf(dialed)
      assert.deepEqual(
        { name, reason, message, delivery },
        {
          name: 'RejectedError',
          reason: 'authFailed',
          message: unproven,
          delivery: 'notSent'
        }
      )
      assert.equal(errorOf(listened).name, 'HandshakeError')
      assert.equal(
        errorOf(listened).message,
        `the handshake with a dialer that claims to be ${local} at 10.0.0.7:41234 failed: ` +
          'the proof of the dialer was refused: the proof was made with another secret'
      )
    }
    assert.deepEqual(asked, [])
  })

  it('of the listener alone is noticed by the dialer', async () => {
    const gullible: Auth = { prove: sharedSecret('another secret 99').prove, verify: () => undefined }
    const { dialed } = await exchange({ listen: { auth: gullible } })
    const { name, message } = errorOf(dialed)
    assert.deepEqual(
      [name, message],
      [
        'HandshakeError',
        'the handshake with https://b:9000 failed: the proof of the listener was refused: the proof was made with another secret'
      ]
    )
    const refusing = { auth: gullible, admit: () => ({ reason: 'unknownHost', message: 'a lie' }) as const }
    const refused = errorOf((await exchange({ listen: refusing })).dialed)
    assert.equal(refused.reason, 'authFailed')
    assert.equal(refused.message, unproven.replace('without a proof', 'with an invalid proof'))
  })
})

describe('a refusal after the proof', () => {
  const refusals: { reason: RejectReason; text: string; options: Options }[] = [
    {
      reason: 'unsupportedVersion',
      text: 'no common protocol version: https://a:9000 speaks 2, 3, https://b:9000 speaks 1',
      options: {
        tamper: rewrite('dialer', 0, (fields) => ({ ...fields, versions: [2, 3] })),
        dial: { auth: insecure() },
        listen: { auth: insecure() }
      }
    },
    {
      reason: 'badLimits',
      text: 'limits.maxHandlers of https://a:9000 is not a positive integer',
      options: { dial: { limits: { ...defaultLimits, maxHandlers: 0 } } }
    },
    {
      reason: 'ownName',
      text: 'https://b:9000 is the name of this server: two servers have one name',
      options: { dial: { local: listener } }
    },
    {
      reason: 'wrongHost',
      text: 'this server is https://c:9000, not https://b:9000',
      options: { listen: { local: 'https://c:9000' } }
    },
    ...(['unknownHost', 'wrongDirection', 'busy', 'goingAway'] as const).map((reason) => ({
      reason,
      text: `because ${reason}`,
      options: { listen: { admit: () => ({ reason, message: `because ${reason}` }) } }
    }))
  ]
  for (const { reason, text, options } of refusals) {
    it(`with ${reason} reaches both ends with its full text`, async () => {
      const { dialed, listened } = await exchange(options)
      const host = options.dial?.local ?? dialer
      for (const [outcome, expected] of [
        [dialed, `https://b:9000 refused: ${text}`],
        [listened, `refused ${host}: ${text}`]
      ] as const) {
        const error = errorOf(outcome)
        assert.deepEqual(
          [error.name, error.reason, error.message, error.delivery],
          ['RejectedError', reason, expected, 'notSent']
        )
      }
    })
  }

  it('is left to the listener where its challenge has no common version: the dialer proves itself all the same', async () => {
    const tamper = rewrite('listener', 0, (fields) => ({ ...fields, versions: [7] }))
    const { wire, dialed } = await exchange({ tamper, dial: { auth: insecure() }, listen: { auth: insecure() } })
    assert.deepEqual(
      wire.toListener.sent.map(([kind]) => kind),
      [1, 3]
    )
    assert.match(errorOf(dialed).message, /the listener did not choose the highest common version$/)
  })

  it('with a reason that the dialer does not know is told as such', async () => {
    const tamper = rewrite('listener', 1, (fields) => ({ ...fields, reason: 'fullMoon' }))
    const { dialed } = await exchange({ tamper, listen: { admit: () => ({ reason: 'busy', message: 'tonight' }) } })
    assert.equal(errorOf(dialed).name, 'HandshakeError')
    assert.match(errorOf(dialed).message, /a reason that this version does not know, fullMoon: tonight$/)
  })

  it('is cut to 1024 characters, and survives a conn that is gone', async () => {
    const admit = () => ({ reason: 'busy', message: 'x'.repeat(5000) }) as const
    const { dialed } = await exchange({ listen: { admit } })
    assert.equal(errorOf(dialed).message, `https://b:9000 refused: ${'x'.repeat(1024)}`)
    const gone = new Error('the conn is gone')
    const tamper: Tamper = (from, index, bytes) => {
      if (from === 'listener' && index === 1) throw gone
      return bytes
    }
    const { listened } = await exchange({ tamper, listen: { admit } })
    assert.equal(errorOf(listened).reason, 'busy')
    assert.equal(errorOf(listened).cause, gone)
  })
})

describe('a dialer', () => {
  it('refuses a version that is not the highest common one, another host name, and limits out of range', async () => {
    const accept = (change: object) =>
      exchange({ tamper: rewrite('listener', 1, (fields) => ({ ...fields, ...change })) })
    const version = errorOf((await accept({ version: 2 })).dialed)
    assert.match(version.message, /failed: the listener did not choose the highest common version$/)
    const host = errorOf((await accept({ host: 'https://c' })).dialed)
    assert.match(host.message, /failed: the listener calls itself https:\/\/c$/)
    const { dialed } = await exchange({ listen: { limits: { ...defaultLimits, maxFragments: -1 } } })
    assert.match(errorOf(dialed).message, /failed: malformed CHALLENGE: limits.maxFragments is not a positive integer$/)
  })
})

describe('createInstance', () => {
  it('is 16 bytes, new each time', () => {
    assert.equal(createInstance().length, 16)
    assert.notDeepEqual(createInstance(), createInstance())
  })
})

describe('the hello of a guest', () => {
  const dial = { local: 'https://ops-ada.guest.invalid', as: 'guest' } as const
  const unknown = { reason: 'unknownHost', message: 'it is not among the hosts' } as const
  const turn = async () => {}
  const guests = { auth: secret, limits: defaultLimits, admit: () => undefined, turn }

  it('has a key that a listener without guests ignores, and a name that it does not know', async () => {
    const { wire, dialed } = await exchange({ dial, listen: { admit: () => unknown } })
    assert.deepEqual(fieldsOf(wire.toListener.sent[0]).guest, true)
    assert.equal(errorOf(dialed).reason, 'unknownHost')
  })

  it('makes the listener name it so that it is no host, with the limits and the proof that are for guests', async () => {
    const limits = { ...defaultLimits, maxInboundStreams: 7 }
    const auth = sharedSecret('a secret of guests')
    const listen = { guests: { auth, limits, admit: () => undefined, turn }, admit: () => unknown }
    const { dialed, listened } = await exchange({ dial: { ...dial, auth }, listen })
    const { host, role } = resultOf(listened)
    assert.deepEqual([host, role], ['guest:ops-ada', 'guest'])
    assert.deepEqual([resultOf(dialed).host, resultOf(dialed).role], [listener, 'host'])
    assert.equal(resultOf(dialed).limits.maxInboundStreams, 7)
  })

  it('is malformed with any other name, or with a key that is no boolean', async () => {
    for (const local of [dialer, 'https://a.guest.invalid:9000', 'http://a.guest.invalid', 'https://guest.invalid']) {
      const { dialed } = await exchange({ dial: { ...dial, local }, listen: { guests } })
      assert.equal(errorOf(dialed).reason, 'authFailed', local)
    }
    const tamper = rewrite('dialer', 0, (fields) => ({ ...fields, guest: 1 }))
    const { listened } = await exchange({ dial, listen: { guests }, tamper })
    assert.match(errorOf(listened).message, /guest is not a boolean/)
  })

  it('is covered by the proofs: nothing on the way can make a host of a guest', async () => {
    const tamper = rewrite('dialer', 0, (fields) => ({ ...fields, guest: false }))
    const { listened } = await exchange({ dial, listen: { guests, admit: () => undefined }, tamper })
    assert.match(errorOf(listened).message, /another secret/)
  })
})
