/**
 * The dialer's side of a handshake, made by hand from its messages, so that it can say what a manager never would. What is
 * said behind the handshake, `RawFrames` says.
 */

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type Auth, defaultLimits } from '../../../lib/index.ts'
import {
  encodeHello,
  hashTranscript,
  helloKinds,
  pickLimits,
  readChallenge,
  readReject
} from '../../../lib/peer/hello.ts'
import { secret } from '../grid/manager.ts'
import { type RawFrames, type RawFramesOptions, rawFrames } from './frames.ts'
import { type RawWire, WebSocketWire } from './wire.ts'

export interface RawHello {
  readonly host: string
  readonly remote: string
  readonly versions?: readonly number[]
  readonly limits?: object
  readonly understands?: readonly string[]
  readonly knocks?: boolean
  readonly auth?: Auth
}

/** Says hello and proves itself; resolves with the answer to that, and whether batches have a checksum from then on. */
export async function shakeHands(wire: RawWire, { versions = [1], limits, auth = secret, ...said }: RawHello) {
  const hello = encodeHello(helloKinds.hello, {
    ...{ ...said, versions, checksum: false, nonce: randomBytes(32), instance: randomBytes(16) },
    limits: { ...pickLimits(defaultLimits), ...limits }
  })
  wire.write(hello)
  const challenge = await wire.read()
  if (challenge?.[0] !== helloKinds.challenge) return { answer: challenge, checksum: false }
  const { host: local, remote } = said
  const context = { prover: 'dialer' as const, local, remote, transcript: hashTranscript(hello, challenge) }
  const { signal } = new AbortController()
  const proof = await auth.prove({ ...context, signal, conn: undefined as never })
  wire.write(encodeHello(helloKinds.proof, { proof }))
  return { answer: await wire.read(), checksum: readChallenge(challenge).checksum }
}

/** Shakes hands and is accepted: from now on whatever arrives is frames. */
export async function enter(wire: RawWire, hello: RawHello, options: RawFramesOptions = {}): Promise<RawFrames> {
  const { answer, checksum } = await shakeHands(wire, hello)
  assert.equal(answer?.[0], helloKinds.accept, `${hello.host} is accepted`)
  return rawFrames(wire, { checksum, ...options })
}

/** What the listener answers to a hello that it refuses. */
export async function refusalOf(url: string, hello: RawHello): Promise<{ reason: string; message: string }> {
  const wire = await WebSocketWire.open(url)
  try {
    const { answer } = await shakeHands(wire, hello)
    if (answer === undefined) throw new Error('the conn was closed without an answer')
    const { reason, message } = readReject(answer)
    return { reason, message }
  } finally {
    wire.cut()
  }
}
