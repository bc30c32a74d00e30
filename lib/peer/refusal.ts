/**
 * Why a handshake is refused: what the listener finds wrong once the dialer has proved itself, and what the dialer may
 * believe of a refusal.
 */

import { HandshakeError, RejectedError, type RejectReason } from '../base/errors.ts'
import { badLimit, type Hello, handshakeReasons, type Reject, supportedVersions } from './hello.ts'

export interface Refusal {
  reason: RejectReason
  message: string
}

/** What is wrong with `hello` for the server `local`, if anything is. */
export function refusalFor(local: string, hello: Hello, version: number): Refusal | undefined {
  if (version === 0) {
    const theirs = hello.versions.join(', ')
    const ours = supportedVersions.join(', ')
    const message = `no common protocol version: ${hello.host} speaks ${theirs}, ${local} speaks ${ours}`
    return { reason: 'unsupportedVersion', message }
  }
  const limit = badLimit(hello.limits)
  if (limit !== undefined) {
    return { reason: 'badLimits', message: `limits.${limit} of ${hello.host} is not a positive integer` }
  }
  if (hello.host === local) {
    return { reason: 'ownName', message: `${local} is the name of this server: two servers have one name` }
  }
  if (hello.remote !== local) {
    return { reason: 'wrongHost', message: `this server is ${local}, not ${hello.remote}` }
  }
  return undefined
}

/** What a REJECT means to the dialer: its reason counts only with a proof that it comes from the listener. */
export async function refusalOf(
  signal: AbortSignal,
  remote: string,
  reject: Reject,
  verify: (proof: Uint8Array) => Promise<unknown>
): Promise<Error> {
  const { proof, reason, message } = reject
  if (proof === undefined) return untrusted(remote, reject)
  try {
    await verify(proof)
  } catch (error) {
    signal.throwIfAborted()
    return untrusted(remote, reject, error)
  }
  const known = handshakeReasons.find((word) => word === reason)
  if (known !== undefined) return new RejectedError(known, `${remote} refused: ${message}`)
  return new HandshakeError(`it refused for a reason that this version does not know, ${reason}: ${message}`)
}

/** Nothing of what came is repeated: anyone on the way can have written it. */
export function untrusted(remote: string, reject: Reject, cause?: unknown): RejectedError {
  const how = reject.proof === undefined ? 'without a proof' : 'with a proof that is not valid'
  const text = `${remote} refused the handshake ${how} of who it is: secrets, or certificates and names, may differ; its own log has the reason`
  return new RejectedError('authFailed', text, cause === undefined ? {} : { cause })
}
