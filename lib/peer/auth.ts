/**
 * Authentication of peers: the open `Auth` interface, its built-in `sharedSecret()`, and `insecure()`.
 *
 * An `Auth` makes the proof of its own side and checks the proof of the other. It does not know the messages that contain
 * them. The transcript that it gets from the handshake binds each proof to one exchange.
 */

import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import { isBytes } from '../base/bytes.ts'
import type { Identity } from '../base/remote.ts'
import type { Conn } from '../conn/conn.ts'
import { check, type Kind } from '../errors/check.ts'
import { HandshakeError, InvalidOptionError } from '../errors/errors.ts'

/** Everything that a proof covers. */
export interface AuthContext {
  /** The end that makes the proof: the one that dialed, or the one that accepted. Their proofs must differ. */
  readonly prover: 'dialer' | 'listener'
  /** Canonical host name of this side. */
  readonly local: string
  /** Canonical host name of the other side: at the dialer the dialed one, at the listener the claimed one. */
  readonly remote: string
  /**
   * SHA-256 over the hello and the challenge, byte for byte: both nonces, both names, versions, instances and limits. A
   * proof that covers it cannot be replayed on another conn, to another peer or in the other direction.
   */
  readonly transcript: Uint8Array
  /** The conn, for identities that are proved by TLS (`conn.tls`). */
  readonly conn: Conn
  /** Aborts at the handshake deadline. */
  readonly signal: AbortSignal
}

/** Called at each attempt, so that secrets and tokens can rotate. */
export interface Auth {
  /** The proof of this side, at most 4 KiB. An error ends the handshake; its message is written to the local log only. */
  prove(context: AuthContext): Uint8Array | Promise<Uint8Array>
  /** Checks the proof of the other side; throws when it is wrong. The message is written to the local log only. */
  verify(context: AuthContext, proof: Uint8Array): Identity | undefined | Promise<Identity | undefined>
}

/** A secret that both ends know: random, at least 16 bytes (of UTF-8 in a string). */
export type Secret = string | Uint8Array
/** One secret, or several during a rotation: the first one proves, each of them verifies. */
export type Secrets = Secret | readonly Secret[]

/** Shorter secrets are refused: 128 random bits cannot be searched. */
const minSecretBytes = 16
const keyInfo = 'it-grid.v1 shared secret'
const proofPrefix = 'it-grid.v1 '

/**
 * Both ends prove that they know the same secret, without sending it.
 *
 * The key is HKDF-SHA256 (RFC 5869) of the secret, with an empty salt, the info `it-grid.v1 shared secret` and 32 bytes:
 * every language has it, and it separates this use of a secret from others. It does not strengthen a password: the secret
 * must be random. The proof is HMAC-SHA256 under that key over the ASCII text `it-grid.v1 `, the
 * role (`dialer` or `listener`), one zero byte and the transcript. The role makes the two proofs of an exchange differ,
 * so that neither can be sent back in place of the other.
 *
 * To rotate: add the new secret as the second one on all servers, then make it the first one on all servers, then remove the
 * old one. A function is called at each attempt, so that secrets can be read from their store.
 *
 * @throws {InvalidOptionError} when there is no secret, or one is too short; for a function at each attempt, else at once
 */
export function sharedSecret(secret: Secrets | (() => Secrets | Promise<Secrets>)): Auth {
  const fixedKeys = typeof secret === 'function' ? undefined : deriveKeys(secret)
  const keys = async () => fixedKeys ?? deriveKeys(await (secret as () => Secrets | Promise<Secrets>)())
  return {
    async prove(context) {
      const [first] = await keys()
      return createProof(first, context)
    },
    async verify(context, proof) {
      checkLength(proof, 'sharedSecret()')
      let matches = false
      for (const key of await keys()) {
        // No early exit: the time must not tell which secret was right.
        if (timingSafeEqual(proof, createProof(key, context))) matches = true
      }
      if (!matches) throw new HandshakeError('the proof was made with another secret')
      return undefined
    }
  }
}

/** Accepts each peer under the name that it claims. For tests, and for networks in which nothing else can reach the port. */
export function insecure(): Auth {
  return {
    prove: () => new Uint8Array(),
    verify: () => undefined
  }
}

/** Those of `sharedSecret()` and `mutualTLS()` have so many bytes. */
export const proofBytes = 32

/** @throws {HandshakeError} for a proof that no end makes which has this `auth` */
export function checkLength(proof: Uint8Array, auth: string): void {
  if (proof.length === proofBytes) return
  const what = proof.length === 0 ? 'is empty, as that of insecure()' : `has ${proof.length} bytes`
  throw new HandshakeError(`the proof ${what}: the other end does not have ${auth}, as this one has`)
}

function createProof(key: Uint8Array, { prover, transcript }: AuthContext): Uint8Array {
  return createHmac('sha256', key).update(`${proofPrefix}${prover}\0`).update(transcript).digest()
}

/** The usual mistake is a variable of the environment that is not set. */
const aSecret: Kind = {
  must: 'must be a string or a Uint8Array',
  is: (value) => typeof value === 'string' || isBytes(value)
}

function deriveKeys(secrets: Secrets): [Uint8Array, ...Uint8Array[]] {
  const list: readonly Secret[] = Array.isArray(secrets) ? secrets : [secrets as Secret]
  const [first, ...others] = list.map(deriveKey)
  if (first === undefined) throw new InvalidOptionError('sharedSecret: there must be at least one secret')
  return [first, ...others]
}

function deriveKey(secret: Secret): Uint8Array {
  check('sharedSecret: a secret', secret, aSecret)
  const bytes = typeof secret === 'string' ? Buffer.from(secret) : secret
  if (bytes.length < minSecretBytes) {
    throw new InvalidOptionError(`sharedSecret: a secret must have at least ${minSecretBytes} bytes`)
  }
  return new Uint8Array(hkdfSync('sha256', bytes, new Uint8Array(), keyInfo, 32))
}
