/**
 * The handshake on a new conn: hello, challenge, proof, accept or reject.
 *
 * The proof comes first: before the dialer has proved its identity, a refusal says only that the handshake failed. Does not
 * know streams, or which hosts exist and which one dials: `admit` decides that. docs/protocol.md, section "Handshake".
 */

import { randomBytes } from 'node:crypto'
import { unlessAborted } from '../base/abort.ts'
import { isBytes } from '../base/bytes.ts'
import { isPromise } from '../base/promise.ts'
import type { Identity, Remote, RemoteLimits } from '../base/remote.ts'
import { errorText } from '../base/text.ts'
import { HandshakeError, RejectedError } from '../errors/errors.ts'
import type { Limits } from '../errors/options.ts'
import type { HandshakeWire } from '../wire/wire.ts'
import type { Auth, AuthContext } from './auth.ts'
import {
  type Challenge,
  chooseVersion,
  encodeHello,
  findBadLimit,
  hashTranscript,
  helloKinds,
  instanceBytes,
  maxProofBytes,
  maxRejectLength,
  nonceBytes,
  pickLimits,
  type Reject,
  readAccept,
  readChallenge,
  readHello,
  readProof,
  readReject,
  supportedVersions,
  understood
} from './hello.ts'
import { readGuest } from './hosts.ts'
import { checkHello, type GuestTerms, type HostTerms, toRefusalError, toUntrustedError } from './refusal.ts'

export type { GuestTerms, HostTerms, Refusal } from './refusal.ts'

export interface HandshakeInit {
  wire: HandshakeWire
  /** Canonical host name of this side. */
  local: string
  /** From `createInstance()`, one for each manager. */
  instance: Uint8Array
  auth: Auth
  limits: Readonly<Limits>
  /** Whether this side wants a checksum with each batch. There is one when either side wants it. */
  wantChecksum: boolean
  /** Aborts at the deadline or at shutdown: the handshake rejects with its reason at once. */
  signal: AbortSignal
}

const sessionIdBytes = 8

/** What is special about a dial: it renews a session, only tells the one that dials that this side is there, or is of a guest. */
export type DialReason = 'renews' | 'knocks' | 'guest'

/** What is known of the other side, and: */
export interface HandshakeResult extends Omit<Remote, 'address'> {
  version: number
  limits: RemoteLimits
  checksum: boolean
  /** As of its hello or challenge. */
  understands: readonly string[]
  /** The dialer has a session already, whose calls may end while this one takes over. */
  renews: boolean
  /** When the first of the two identities expires, as far as this side knows; ms since the epoch. */
  renewBefore: number | undefined
}

/** 16 random bytes that distinguish this run of a server from earlier ones. */
export function createInstance(): Uint8Array {
  return randomBytes(instanceBytes)
}

/**
 * The handshake at the dialer.
 *
 * @throws {RejectedError} when the listener refused; `authFailed` when it did not prove its identity
 * @throws {HandshakeError} when the listener is not the dialed host, or broke the protocol
 */
export async function dialHandshake(
  init: HandshakeInit & { remote: string; as?: DialReason | undefined }
): Promise<HandshakeResult> {
  const { remote, auth, as } = init
  try {
    const opening = { ...createChallenge(init), host: init.local, remote, ...(as === undefined ? {} : { [as]: true }) }
    const hello = encodeHello(helloKinds.hello, opening)
    send(init, hello)
    const answer = await receive(init)
    if (answer[0] === helloKinds.reject) throw toUntrustedError(remote, readReject(answer))
    const challenge = readChallenge(answer)
    const limit = findBadLimit(challenge.limits)
    if (limit !== undefined) throw new HandshakeError(`malformed CHALLENGE: limits.${limit} is not a positive integer`)
    const isSelf = toHex(challenge.instance) === toHex(init.instance)
    const context = createContext(init, remote, hashTranscript(hello, answer))
    send(init, encodeHello(helloKinds.proof, { proof: await prove(init, { ...context, prover: 'dialer' }) }))

    const verdict = await receive(init)
    const verify = (proof: Uint8Array) =>
      step(init.signal, async () => checkIdentity(await auth.verify({ ...context, prover: 'listener' }, proof)))
    if (verdict[0] === helloKinds.reject) {
      const refusal = await toRefusalError(init.signal, remote, readReject(verdict), verify)
      const isOwnName = RejectedError.is(refusal) && refusal.reason === 'ownName'
      if (!(isOwnName && isSelf)) throw refusal
      const text = 'that place leads to this process itself: is a proxy, or what its name resolves to, wrong?'
      throw new HandshakeError(text, { cause: refusal })
    }
    const accept = readAccept(verdict)
    const identity = await guard(init, 'the proof of the listener was refused', () => verify(accept.proof))
    // Computed from what the proofs cover: they do not cover the ACCEPT.
    const version = chooseVersion(challenge.versions)
    if (accept.version !== version) throw new HandshakeError('the listener did not choose the highest common version')
    if (accept.host !== remote) throw new HandshakeError(`the listener calls itself ${accept.host}`)
    const ownExpiry = accept.lifetimeMs === undefined ? undefined : Date.now() + accept.lifetimeMs
    return createResult(init, context, version, { ...challenge, renews: as === 'renews' }, identity, ownExpiry)
  } catch (error) {
    throw locate(init, `with ${remote}`, error)
  }
}

/**
 * The handshake at the listener. `admit` is called after the proof, in the turn in which the answer is written, and returns
 * the refusal, if any. When this throws, a refused dialer has been told; the code that called this closes the conn. Resolves with
 * undefined when the dialer was not to be accepted, since it only knocked.
 *
 * @throws {RejectedError} when the dialer proved its identity and was refused
 * @throws {HandshakeError} when the dialer did not prove its identity, or broke the protocol
 */
export async function listenHandshake(
  given: HandshakeInit &
    HostTerms & {
      /** Undefined where guests are hosts that nobody knows. */
      guests?: GuestTerms
      /** The name that the dialer gives, before its proof; it may be this very manager (`isSelf`). */
      onClaim?: (host: string, role: Remote['role'], isSelf: boolean) => void
    }
): Promise<HandshakeResult | undefined> {
  let init: HandshakeInit = given
  let claimed = 'a dialer'
  try {
    const opening = await receive(init)
    const hello = readHello(opening)
    const guests = hello.guest === true ? given.guests : undefined
    if (guests !== undefined) init = { ...given, auth: guests.auth, limits: guests.limits }
    const host = (guests && readGuest(hello.host)) ?? hello.host
    const isSelf = toHex(hello.instance) === toHex(init.instance)
    given.onClaim?.(host, guests === undefined ? 'host' : 'guest', isSelf)
    claimed = `a dialer that claims to be ${host}`
    if (guests !== undefined) await step(init.signal, guests.turn)
    const challenge = encodeHello(helloKinds.challenge, createChallenge(init))
    const context = createContext(init, hello.host, hashTranscript(opening, challenge))
    send(init, challenge)
    const proof = readProof(await receive(init))
    if (guests !== undefined) await step(init.signal, guests.turn)
    const identity = await guard(init, 'the proof of the dialer was refused', async () =>
      checkIdentity(await init.auth.verify({ ...context, prover: 'dialer' }, proof))
    )
    const ownProof = await prove(init, { ...context, prover: 'listener' })
    const version = chooseVersion(hello.versions)
    const role = guests === undefined ? 'host' : 'guest'
    const result = { ...createResult(init, { ...context, remote: host }, version, hello, identity), role } as const
    const decided = checkHello(init.local, hello, version, isSelf) ?? admit(given, guests, toRemote(init, result))
    // Of a host in this turn: what is decided must still be so when it is told.
    const refusal = isPromise(decided) ? await step(init.signal, () => decided) : decided
    if (refusal !== undefined) {
      const message = refusal.message.slice(0, maxRejectLength)
      const failure = sendReject(init, { reason: refusal.reason, message, proof: ownProof })
      if (hello.knocks === true && (isSelf || refusal.reason === 'wrongDirection')) return undefined
      throw new RejectedError(refusal.reason, `refused ${host}: ${message}`, failure)
    }
    const lifetime = toLifetime(identity)
    send(init, encodeHello(helloKinds.accept, { version, host: init.local, proof: ownProof, ...lifetime }))
    return result
  } catch (error) {
    if (!RejectedError.is(error) && !init.signal.aborted) {
      sendReject(init, { reason: 'authFailed', message: 'the handshake failed' })
    }
    throw locate(init, `with ${claimed} at ${init.wire.conn.remoteAddress}`, error)
  }
}

function createChallenge(init: HandshakeInit) {
  return {
    versions: supportedVersions,
    nonce: randomBytes(nonceBytes),
    instance: init.instance,
    checksum: init.wantChecksum,
    limits: pickLimits(init.limits),
    understands: understood
  }
}

function createContext({ local, wire, signal }: HandshakeInit, remote: string, transcript: Uint8Array) {
  return { local, remote, transcript, conn: wire.conn, signal }
}

function createResult(
  init: HandshakeInit,
  { remote: host, transcript }: Pick<AuthContext, 'remote' | 'transcript'>,
  version: number,
  theirs: Challenge & { renews?: boolean },
  identity: Identity,
  ownExpiry?: number
): HandshakeResult {
  const { limits, renews = false, understands = [] } = theirs
  const checksum = init.wantChecksum || theirs.checksum
  const firstExpiry = Math.min(identity.expiresAt ?? Infinity, ownExpiry ?? Infinity)
  const renewBefore = firstExpiry === Infinity ? undefined : firstExpiry
  const instance = toHex(theirs.instance)
  // Both ends have it, and it is of this conn alone, as it holds a nonce of each.
  const session = toHex(transcript.subarray(0, sessionIdBytes))
  const names = { host, role: 'host', instance, session } as const
  return { version, ...names, identity, limits, checksum, understands, renews, renewBefore }
}

/** Why a dialer that has proved its name is refused; undefined when it is not. */
function admit(hosts: HostTerms, guests: GuestTerms | undefined, remote: Remote) {
  return guests === undefined ? hosts.admit(remote.host, remote.instance) : guests.admit(remote)
}

function toRemote({ wire }: HandshakeInit, { host, role, instance, session, identity }: HandshakeResult): Remote {
  return Object.freeze({ host, role, instance, session, identity, address: wire.conn.remoteAddress })
}

/** The identity that `auth.verify` returned, unless it has expired. */
function checkIdentity(identity: Identity | undefined): Identity {
  // A copy, for the timers: what is read again may be another moment, or throw.
  const { expiresAt, claims } = identity ?? {}
  const copy: { -readonly [name in keyof Identity]: Identity[name] } = {}
  if (claims !== undefined) copy.claims = claims
  if (expiresAt === undefined) return copy
  copy.expiresAt = Number(expiresAt)
  // Not `<=`: an `expiresAt` that is not a number must not pass.
  if (!(copy.expiresAt > Date.now())) throw new HandshakeError('the identity of the peer has expired')
  return copy
}

/** How long the identity of the dialer lasts. It is told, so that it can dial again in time. */
function toLifetime({ expiresAt = Infinity }: Identity): { lifetimeMs?: number } {
  return expiresAt === Infinity ? {} : { lifetimeMs: Math.max(0, Math.floor(expiresAt - Date.now())) }
}

async function prove(init: HandshakeInit, context: AuthContext): Promise<Uint8Array> {
  const proof = await guard(init, 'this side could not make its proof', () => init.auth.prove(context))
  if (!(isBytes(proof) && proof.length <= maxProofBytes)) {
    throw new HandshakeError(`auth.prove must return a Uint8Array of at most ${maxProofBytes} bytes`)
  }
  return proof
}

/** Runs a method of `auth`. Its error message becomes part of the local error only. */
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
    throw new HandshakeError(`a message of ${message.length} bytes exceeds maxHandshakeBytes`)
  }
  return message
}

function send(init: HandshakeInit, message: Uint8Array): void {
  init.signal.throwIfAborted()
  init.wire.write(message)
}

/** Tells the dialer, if possible. A conn that is lost must not hide the refusal from the caller. */
function sendReject(init: HandshakeInit, reject: Reject): { cause?: unknown } {
  try {
    init.wire.write(encodeHello(helloKinds.reject, reject))
    return {}
  } catch (error) {
    return { cause: error }
  }
}

/** The error for the caller: the reason of the signal once it aborted, else an error that names the peer. */
function locate(init: HandshakeInit, peer: string, error: unknown): unknown {
  if (RejectedError.is(error)) return error
  if (init.signal.aborted) return init.signal.reason
  if (!HandshakeError.is(error)) return error
  return new HandshakeError(`the handshake ${peer} failed: ${error.message}`, { cause: error.cause })
}

/** Runs one step of the handshake, no longer than the handshake may take. */
async function step<T>(signal: AbortSignal, work: () => T | Promise<T>): Promise<T> {
  signal.throwIfAborted()
  return await unlessAborted(Promise.resolve().then(work), signal)
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
