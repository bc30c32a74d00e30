/**
 * The exchange on a fresh conn that makes a peer of it: hello, challenge, proof, accept or reject.
 *
 * The proof comes first: until the dialer has proved itself, a refusal says only that it failed. Nothing here knows of
 * streams, of who should dial, or of which hosts exist: `admit` decides that. docs/protocol.md, section "Handshake".
 */

import { randomBytes } from 'node:crypto'
import { unlessAborted } from '../base/abort.ts'
import { HandshakeError, RejectedError } from '../base/errors.ts'
import type { Limits } from '../base/options.ts'
import type { Identity, RemoteLimits } from '../base/remote.ts'
import { errorText } from '../base/text.ts'
import type { HandshakeWire } from '../wire/wire.ts'
import type { Auth, AuthContext } from './auth.ts'
import {
  announcedLimits,
  badLimit,
  commonVersion,
  encodeHello,
  helloKinds,
  instanceBytes,
  maxProofBytes,
  maxRejectLength,
  nonceBytes,
  type Reject,
  readAccept,
  readChallenge,
  readHello,
  readProof,
  readReject,
  supportedVersions,
  transcriptOf
} from './hello.ts'
import { type Refusal, refusalFor, refusalOf, untrusted } from './refusal.ts'

export type { Refusal } from './refusal.ts'

export interface HandshakeInit {
  wire: HandshakeWire
  /** Canonical host name of this side. */
  local: string
  /** From `newInstance()`, one for the life of a manager. */
  instance: Uint8Array
  auth: Auth
  limits: Readonly<Limits>
  /** Whether this side wants a checksum with each batch; it is on when either side does. */
  wantChecksum: boolean
  /** The deadline, or shutdown: the handshake rejects with its reason at once. */
  signal: AbortSignal
}

export interface HandshakeResult {
  version: number
  /** Canonical host name of the other side. */
  host: string
  /** Instance id of the other side, in hex. */
  instance: string
  identity: Identity
  limits: RemoteLimits
  checksum: boolean
  /** The dialer has a session already, which is to end its calls beside this one. */
  renews: boolean
  /** When the identity of either side ends, as far as this side knows; ms since the epoch. */
  renewBefore: number | undefined
}

/** 16 random bytes that tell this run of a server from the one before it. */
export function newInstance(): Uint8Array {
  return randomBytes(instanceBytes)
}

/**
 * The dialer's part.
 *
 * @throws {RejectedError} when the listener refused; `authFailed` when it did so without proving itself
 * @throws {HandshakeError} when the listener is not who was dialed, or broke the protocol
 */
export async function dialHandshake(
  init: HandshakeInit & { remote: string; renews?: boolean }
): Promise<HandshakeResult> {
  const { remote, auth, renews = false } = init
  try {
    const opening = { ...challengeOf(init), host: init.local, remote, ...(renews ? { renews } : {}) }
    const hello = encodeHello(helloKinds.hello, opening)
    send(init, hello)
    const answer = await receive(init)
    if (answer[0] === helloKinds.reject) throw untrusted(remote, readReject(answer))
    const challenge = readChallenge(answer)
    const limit = badLimit(challenge.limits)
    if (limit !== undefined) throw new HandshakeError(`malformed CHALLENGE: limits.${limit} is not a positive integer`)
    const context = contextOf(init, remote, transcriptOf(hello, answer))
    send(init, encodeHello(helloKinds.proof, { proof: await prove(init, { ...context, prover: 'dialer' }) }))

    const verdict = await receive(init)
    const verify = (proof: Uint8Array) =>
      step(init.signal, async () => inForce(await auth.verify({ ...context, prover: 'listener' }, proof)))
    if (verdict[0] === helloKinds.reject) throw await refusalOf(init.signal, remote, readReject(verdict), verify)
    const accept = readAccept(verdict)
    const identity = await guard(init, 'the proof of the listener was refused', () => verify(accept.proof))
    // Recomputed from what the proofs cover: the ACCEPT itself is not covered by them.
    const version = commonVersion(challenge.versions)
    if (accept.version !== version) throw new HandshakeError('the listener did not choose the highest common version')
    if (accept.host !== remote) throw new HandshakeError(`the listener says it is ${accept.host}`)
    const ownExpiry = accept.lifetimeMs === undefined ? undefined : Date.now() + accept.lifetimeMs
    return resultOf(init, remote, version, { ...challenge, renews }, identity, ownExpiry)
  } catch (error) {
    throw located(init, `with ${remote}`, error)
  }
}

/**
 * The listener's part. `admit` is asked after the proof, in the same turn as the answer is written, and gives the
 * refusal if there is one. A refused dialer has been told when this throws; the caller closes the conn.
 *
 * @throws {RejectedError} when the dialer proved itself and was refused
 * @throws {HandshakeError} when the dialer did not prove itself, or broke the protocol
 */
export async function listenHandshake(
  init: HandshakeInit & { admit: (host: string, instance: string) => Refusal | undefined }
): Promise<HandshakeResult> {
  let claimed = 'a dialer'
  try {
    const opening = await receive(init)
    const hello = readHello(opening)
    claimed = `a dialer that claims to be ${hello.host}`
    const challenge = encodeHello(helloKinds.challenge, challengeOf(init))
    const context = contextOf(init, hello.host, transcriptOf(opening, challenge))
    send(init, challenge)
    const proof = readProof(await receive(init))
    const identity = await guard(init, 'the proof of the dialer was refused', async () =>
      inForce(await init.auth.verify({ ...context, prover: 'dialer' }, proof))
    )
    const ownProof = await prove(init, { ...context, prover: 'listener' })
    const version = commonVersion(hello.versions)
    const refusal = refusalFor(init.local, hello, version) ?? init.admit(hello.host, hexOf(hello.instance))
    if (refusal !== undefined) {
      const message = refusal.message.slice(0, maxRejectLength)
      const failure = sendReject(init, { reason: refusal.reason, message, proof: ownProof })
      throw new RejectedError(refusal.reason, `refused ${hello.host}: ${message}`, failure)
    }
    const lifetime = lifetimeOf(identity)
    send(init, encodeHello(helloKinds.accept, { version, host: init.local, proof: ownProof, ...lifetime }))
    return resultOf(init, hello.host, version, hello, identity)
  } catch (error) {
    if (!(error instanceof RejectedError) && !init.signal.aborted) {
      sendReject(init, { reason: 'authFailed', message: 'the handshake failed' })
    }
    throw located(init, `with ${claimed} at ${init.wire.conn.remoteAddress}`, error)
  }
}

function challengeOf(init: HandshakeInit) {
  return {
    versions: supportedVersions,
    nonce: randomBytes(nonceBytes),
    instance: init.instance,
    checksum: init.wantChecksum,
    limits: announcedLimits(init.limits)
  }
}

function contextOf({ local, wire, signal }: HandshakeInit, remote: string, transcript: Uint8Array) {
  return { local, remote, transcript, conn: wire.conn, signal }
}

function resultOf(
  init: HandshakeInit,
  host: string,
  version: number,
  theirs: { instance: Uint8Array; limits: RemoteLimits; checksum: boolean; renews?: boolean },
  identity: Identity,
  ownExpiry?: number
): HandshakeResult {
  const { limits, renews = false } = theirs
  const checksum = init.wantChecksum || theirs.checksum
  const firstExpiry = Math.min(identity.expiresAt ?? Infinity, ownExpiry ?? Infinity)
  const renewBefore = firstExpiry === Infinity ? undefined : firstExpiry
  return { version, host, instance: hexOf(theirs.instance), identity, limits, checksum, renews, renewBefore }
}

/** What `auth.verify` said of the peer. */
function inForce(identity: Identity | undefined): Identity {
  const { expiresAt = Infinity } = identity ?? {}
  // Not by `<=`: a moment that is no number is none that one can trust in.
  if (!(expiresAt > Date.now())) throw new HandshakeError('the identity of the peer has expired')
  return identity ?? {}
}

/** What the dialer is told of its own identity, so that it can dial again in time. */
function lifetimeOf({ expiresAt = Infinity }: Identity): { lifetimeMs?: number } {
  return expiresAt === Infinity ? {} : { lifetimeMs: Math.max(0, Math.floor(expiresAt - Date.now())) }
}

async function prove(init: HandshakeInit, context: AuthContext): Promise<Uint8Array> {
  const proof = await guard(init, 'this side could not make its proof', () => init.auth.prove(context))
  if (!(proof instanceof Uint8Array && proof.length <= maxProofBytes)) {
    throw new HandshakeError(`auth.prove gave something else than a Uint8Array of at most ${maxProofBytes} bytes`)
  }
  return proof
}

/** Runs a part of `auth`; its own text goes into the local error, and nowhere else. */
async function guard<T>(init: HandshakeInit, what: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await step(init.signal, work)
  } catch (error) {
    throw new HandshakeError(`${what}: ${errorText(error)}`, { cause: error })
  }
}

async function receive(init: HandshakeInit): Promise<Uint8Array> {
  const message = await step(init.signal, () => init.wire.read())
  if (message === undefined) throw new HandshakeError('the conn ended')
  if (message.length > init.limits.maxHandshakeBytes) {
    throw new HandshakeError(`a message of ${message.length} bytes, over maxHandshakeBytes`)
  }
  return message
}

function send(init: HandshakeInit, message: Uint8Array): void {
  init.signal.throwIfAborted()
  init.wire.write(message)
}

/** Tells the dialer as far as that is possible. A conn that is gone is not what the caller must hear of first. */
function sendReject(init: HandshakeInit, reject: Reject): { cause?: unknown } {
  try {
    init.wire.write(encodeHello(helloKinds.reject, reject))
    return {}
  } catch (error) {
    return { cause: error }
  }
}

/** The error as the caller sees it: the signal's reason once it aborted, and a text that names the peer. */
function located(init: HandshakeInit, peer: string, error: unknown): unknown {
  if (error instanceof RejectedError) return error
  if (init.signal.aborted) return init.signal.reason
  if (!(error instanceof HandshakeError)) return error
  return new HandshakeError(`the handshake ${peer} failed: ${error.message}`, { cause: error.cause })
}

/** Waits for one piece of work, but no longer than the handshake may take. */
async function step<T>(signal: AbortSignal, work: () => T | Promise<T>): Promise<T> {
  signal.throwIfAborted()
  return await unlessAborted(Promise.resolve().then(work), signal)
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
