/** That a shared secret proves what it should, to whom it should, and nothing else. */

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, it } from 'node:test'
import { runInNewContext } from 'node:vm'
import type { Conn } from '../../lib/conn/conn.ts'
import { type AuthContext, insecure, type Secrets, sharedSecret } from '../../lib/peer/auth.ts'

const conn: Conn = {
  source: (async function* () {})(),
  sink: async () => {},
  secure: true,
  remoteAddress: 'nowhere',
  close() {},
  abort() {}
}

function contextOf(changes: Partial<AuthContext> = {}): AuthContext {
  const transcript = new Uint8Array(32).fill(7)
  const signal = new AbortController().signal
  return { prover: 'dialer', local: 'https://a', remote: 'https://b', transcript, conn, signal, ...changes }
}

const wrongProof = { name: 'HandshakeError', message: 'the proof was made with another secret' }

describe('sharedSecret', () => {
  it('is HMAC-SHA256 over prefix, role, zero and transcript, under an HKDF-SHA256 key', async () => {
    // HKDF of RFC 5869 by hand: extract with an empty salt, then the one block that 32 bytes need.
    const extracted = createHmac('sha256', Buffer.alloc(32)).update('correct horse battery').digest()
    const key = createHmac('sha256', extracted).update('it-grid.v1 shared secret\x01').digest()
    for (const prover of ['dialer', 'listener'] as const) {
      const text = Buffer.concat([Buffer.from(`it-grid.v1 ${prover}\0`), Buffer.alloc(32, 7)])
      const proof = await sharedSecret('correct horse battery').prove(contextOf({ prover }))
      assert.deepEqual(Buffer.from(proof), createHmac('sha256', key).update(text).digest())
    }
  })

  it('keeps its bytes: a vector for other implementations', async () => {
    const proof = await sharedSecret('correct horse battery').prove(contextOf())
    assert.equal(Buffer.from(proof).toString('hex'), 'cb9ef487c64cdefbfb2cfd36e0d34ab778f79a5c98a623d4694b7a52b8ddc73f')
  })

  it('verifies a proof of the same secret as string or as bytes, and no other', async () => {
    const text = sharedSecret('correct horse battery')
    const bytes = sharedSecret(new TextEncoder().encode('correct horse battery'))
    assert.equal(await bytes.verify(contextOf(), await text.prove(contextOf())), undefined)
    const ofOtherRealm: Uint8Array = runInNewContext('new Uint8Array(21)')
    ofOtherRealm.set(new TextEncoder().encode('correct horse battery'))
    for (const secret of [ofOtherRealm, [ofOtherRealm] as const]) {
      assert.equal(await sharedSecret(secret).verify(contextOf(), await text.prove(contextOf())), undefined)
    }
    const other = sharedSecret('correct horse batterY')
    await assert.rejects(async () => other.verify(contextOf(), await text.prove(contextOf())), wrongProof)
  })

  it('refuses a proof of the other role, of another transcript, and of another length', async () => {
    const auth = sharedSecret('correct horse battery')
    const proof = await auth.prove(contextOf())
    const refuses = (context: AuthContext, bytes: Uint8Array) =>
      assert.rejects(async () => auth.verify(context, bytes), wrongProof)
    await refuses(contextOf({ prover: 'listener' }), proof)
    await refuses(contextOf({ transcript: new Uint8Array(32).fill(8) }), proof)
    const ofAnother: [proof: Uint8Array, what: string][] = [
      [new Uint8Array(), 'is empty, as that of insecure()'],
      [proof.subarray(0, 31), 'has 31 bytes'],
      [Buffer.concat([proof, proof]), 'has 64 bytes']
    ]
    for (const [bytes, what] of ofAnother) {
      await assert.rejects(async () => auth.verify(contextOf(), bytes), {
        name: 'HandshakeError',
        message: `the proof ${what}: the other end does not have sharedSecret(), as this one has`
      })
    }
  })

  it('proves with the first of several secrets, and verifies any of them', async () => {
    const older = sharedSecret('the older secret 1')
    const newer = sharedSecret('the newer secret 2')
    const rotating = sharedSecret(['the newer secret 2', 'the older secret 1'])
    await newer.verify(contextOf(), await rotating.prove(contextOf()))
    await rotating.verify(contextOf(), await older.prove(contextOf()))
    await rotating.verify(contextOf(), await newer.prove(contextOf()))
    await assert.rejects(async () => older.verify(contextOf(), await rotating.prove(contextOf())), wrongProof)
  })

  it('asks a function at every attempt', async () => {
    const given: Secrets[] = ['the first secret 01', 'the second secret 2', ['short', 'the third secret 03']]
    const auth = sharedSecret(async () => given.shift() as Secrets)
    await sharedSecret('the first secret 01').verify(contextOf(), await auth.prove(contextOf()))
    await auth.verify(contextOf(), await sharedSecret('the second secret 2').prove(contextOf()))
    await assert.rejects(async () => auth.prove(contextOf()), {
      name: 'InvalidOptionError',
      message: 'sharedSecret: a secret must have at least 16 bytes'
    })
  })

  it('keeps its own copy of the secret', async () => {
    const secret = new Uint8Array(16).fill(1)
    const auth = sharedSecret(secret)
    secret.fill(2)
    await sharedSecret(new Uint8Array(16).fill(1)).verify(contextOf(), await auth.prove(contextOf()))
  })

  it('refuses no secret, and one that is short or of another type, without quoting it', () => {
    for (const wrong of ['hunter2', '', new Uint8Array(15), [], ['correct horse battery', 'hunter2'], 7, null, [7]]) {
      assert.throws(
        () => sharedSecret(wrong as Secrets),
        (error: Error) => error.name === 'InvalidOptionError' && /^sharedSecret: /.test(error.message)
      )
      assert.throws(
        () => sharedSecret(wrong as Secrets),
        (error: Error) => !/hunter2|horse/.test(error.message)
      )
    }
  })
})

describe('insecure', () => {
  it('gives an empty proof and accepts any', async () => {
    assert.deepEqual(await insecure().prove(contextOf()), new Uint8Array())
    assert.equal(await insecure().verify(contextOf(), new Uint8Array([1])), undefined)
  })
})
