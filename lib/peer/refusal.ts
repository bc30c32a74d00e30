/**
 * Why a handshake is refused: what the listener checks after the proof of the dialer, and what the dialer may believe of a
 * refusal.
 */

import type { Remote } from '../base/remote.ts'
import { HandshakeError, RejectedError, type RejectReason } from '../errors/errors.ts'
import type { Limits } from '../errors/options.ts'
import type { Auth } from './auth.ts'
import { findBadLimit, type Hello, handshakeReasons, type Reject, supportedVersions } from './hello.ts'

export interface Refusal {
  reason: RejectReason
  message: string
}

/** How the listener meets hosts. */
export interface HostTerms {
  /** Why a host that has proved its name is refused; undefined when it is not. */
  readonly admit: (host: string, instance: string) => Refusal | undefined
}

/** How it meets guests. */
export interface GuestTerms {
  /** By what a guest and this side prove themselves. */
  readonly auth: Auth
  readonly limits: Readonly<Limits>
  /** Resolves when it is the turn of this handshake: hosts go on meanwhile. */
  readonly turn: () => Promise<void>
  /** The same of a guest. */
  readonly admit: (guest: Remote) => Refusal | undefined | Promise<Refusal | undefined>
}

/** Why the server `local` refuses this `hello`, which may be its own (`isSelf`); undefined when it does not. */
export function checkHello(local: string, hello: Hello, version: number, isSelf: boolean): Refusal | undefined {
  if (version === 0) {
    const theirs = hello.versions.join(', ')
    const ours = supportedVersions.join(', ')
    const message = `no common protocol version: ${hello.host} speaks ${theirs}, ${local} speaks ${ours}`
    return { reason: 'unsupportedVersion', message }
  }
  const limit = findBadLimit(hello.limits)
  if (limit !== undefined) {
    return { reason: 'badLimits', message: `limits.${limit} of ${hello.host} is not a positive integer` }
  }
  if (hello.host === local) {
    const why = isSelf ? `this is ${local} itself, which dialed ${hello.remote}` : 'two servers have one name'
    return { reason: 'ownName', message: `${local} is the name of this server: ${why}` }
  }
  if (hello.remote !== local) {
    return { reason: 'wrongHost', message: `this server is ${local}, not ${hello.remote}` }
  }
  return undefined
}

/** The error for a REJECT at the dialer. Its reason counts only with a proof of the listener. */
export async function toRefusalError(
  signal: AbortSignal,
  remote: string,
  reject: Reject,
  verify: (proof: Uint8Array) => Promise<unknown>
): Promise<Error> {
  const { proof, reason, message } = reject
  if (proof === undefined) return toUntrustedError(remote, reject)
  try {
    await verify(proof)
  } catch (error) {
    signal.throwIfAborted()
    return toUntrustedError(remote, reject, error)
  }
  const known = handshakeReasons.find((word) => word === reason)
  if (known !== undefined) return new RejectedError(known, `${remote} refused: ${message}`)
  return new HandshakeError(`refused for a reason that this version does not know, ${reason}: ${message}`)
}

/** Quotes nothing of the message: it may have been written by anything between the two servers. */
export function toUntrustedError(remote: string, reject: Reject, cause?: unknown): RejectedError {
  const how = reject.proof === undefined ? 'without a proof' : 'with an invalid proof'
  const text = `${remote} refused the handshake ${how} of its identity: secrets, or certificates and names, may differ; its log has the reason`
  return new RejectedError('authFailed', text, cause === undefined ? {} : { cause })
}
