/**
 * Who the other end is: the open `Auth` interface, its built-in `sharedSecret()`, and `insecure()`.
 *
 * An `Auth` makes a proof of its own side and checks the proof of the other. It knows nothing of the messages that
 * carry them; the handshake binds every proof to this one exchange by the transcript it hands over.
 */

import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import { HandshakeError, InvalidOptionError } from '../base/errors.ts'
import type { Identity } from '../base/remote.ts'
import type { Conn } from '../conn/conn.ts'

/** Everything a proof is about. */
export interface AuthContext {
  /** Whose proof it is: that of the end that dialed, or of the one that accepted. Proofs of the two must differ. */
  readonly prover: 'dialer' | 'listener'
  /** Canonical host name of this side. */
  readonly local: string
  /** Canonical host name of the other side: at the dialer the one dialed, at the listener the one claimed. */
  readonly remote: string
  /**
   * SHA-256 over the hello and the challenge, byte for byte: both nonces, both names, versions, instances and limits.
   * A proof that covers it cannot be replayed on another conn, to another peer or in the other direction.
   */
  readonly transcript: Uint8Array
  /** The conn, for identities that come with TLS (`conn.tls`). */
  readonly conn: Conn
  /** Aborts at the handshake deadline. */
  readonly signal: AbortSignal
}

/** Called on every attempt, so that secrets and tokens can rotate. */
export interface Auth {
  /** The proof of this side, at most 4 KiB. A throw ends the handshake; its text stays in the local log. */
  prove(context: AuthContext): Uint8Array | Promise<Uint8Array>
  /** Checks the proof of the other side; throws when it is wrong. The text of the throw stays in the local log. */
  verify(context: AuthContext, proof: Uint8Array): Identity | undefined | Promise<Identity | undefined>
}

/** A secret that both ends know: random, at least 16 bytes (a string counts as UTF-8). */
export type Secret = string | Uint8Array
/** One secret, or several while one replaces another: the first proves, any of them verifies. */
export type Secrets = Secret | readonly Secret[]

/** Shorter secrets are refused: 128 random bits is what cannot be searched. */
const minSecretBytes = 16
const keyInfo = 'it-grid.v1 shared secret'
const proofPrefix = 'it-grid.v1 '

/**
 * Both ends prove that they know the same secret, without sending it.
 *
 * The key is HKDF-SHA256 (RFC 5869) of the secret, with an empty salt, the info `it-grid.v1 shared secret` and 32 bytes:
 * every language has it, and a secret that something else uses too gives that nothing of ours. It does not stretch a
 * password: the secret must be random. The proof is HMAC-SHA256 under that key over the ASCII text `it-grid.v1 `, the
 * role (`dialer` or `listener`), one zero byte and the transcript. The role makes the two proofs of an exchange differ,
 * so that neither can be sent back as the other.
 *
 * To rotate: add the new secret second everywhere, then put it first everywhere, then take the old one away. A function
 * is called at every attempt, so that secrets can be read from where they are kept.
 *
 * @throws {InvalidOptionError} at once when there is no secret or one is too short; from a function, at each attempt
 */
export function sharedSecret(secret: Secrets | (() => Secrets | Promise<Secrets>)): Auth {
  const fixedKeys = typeof secret === 'function' ? undefined : deriveKeys(secret)
  const keys = async () => fixedKeys ?? deriveKeys(await (secret as () => Secrets | Promise<Secrets>)())
  return {
    async prove(context) {
      const [first] = await keys()
      return proofUnder(first, context)
    },
    async verify(context, proof) {
      let matches = false
      for (const key of await keys()) {
        const expected = proofUnder(key, context)
        // No early end: how long it takes says nothing of which secret was right.
        if (proof.length === expected.length && timingSafeEqual(proof, expected)) matches = true
      }
      if (!matches) throw new HandshakeError('the proof was made with another secret')
      return undefined
    }
  }
}

/** Accepts anyone as whoever they claim to be. For tests, and for networks where nothing else can reach the port. */
export function insecure(): Auth {
  return {
    prove: () => new Uint8Array(),
    verify: () => undefined
  }
}

function proofUnder(key: Uint8Array, { prover, transcript }: AuthContext): Uint8Array {
  return createHmac('sha256', key).update(`${proofPrefix}${prover}\0`).update(transcript).digest()
}

function deriveKeys(secrets: Secrets): [Uint8Array, ...Uint8Array[]] {
  const list = typeof secrets === 'string' || secrets instanceof Uint8Array ? [secrets] : secrets
  if (!Array.isArray(list)) throw new InvalidOptionError('sharedSecret: a secret must be a string or a Uint8Array')
  const [first, ...others] = list.map(deriveKey)
  if (first === undefined) throw new InvalidOptionError('sharedSecret: there must be at least one secret')
  return [first, ...others]
}

function deriveKey(secret: Secret): Uint8Array {
  const isSecret = typeof secret === 'string' || secret instanceof Uint8Array
  if (!isSecret) throw new InvalidOptionError('sharedSecret: a secret must be a string or a Uint8Array')
  const bytes = typeof secret === 'string' ? Buffer.from(secret) : secret
  if (bytes.length < minSecretBytes) {
    throw new InvalidOptionError(`sharedSecret: a secret must have at least ${minSecretBytes} bytes`)
  }
  return new Uint8Array(hkdfSync('sha256', bytes, new Uint8Array(), keyInfo, 32))
}
