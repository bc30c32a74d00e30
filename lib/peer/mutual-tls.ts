/**
 * Peers that are who their certificates say: the built-in `Auth` for conns over TLS with certificates on both ends.
 *
 * TLS has proved by then that the other end holds the key of its certificate, and that an authority which this side trusts
 * signed it. What is left is whether that certificate is for the host that the peer says it is. Nothing is sent for it but
 * a value that only the two ends of this very TLS conn can know.
 */

import { timingSafeEqual, type X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { HandshakeError } from '../base/errors.ts'
import type { Identity } from '../base/remote.ts'
import type { Auth, AuthContext } from './auth.ts'

export interface MutualTLSOptions {
  /** A certificate for `*.example.com` may be any host of that kind. Default false: whoever has it could be each of them. */
  readonly wildcards?: boolean
  /**
   * Decides whether a certificate that TLS has verified is that of `host`, a canonical name such as `https://node-1:9000`.
   * Default: one of its subject alternative names is the name or the IP address of the host, RFC 9525; the common name of
   * the subject does not count.
   */
  readonly isFor?: (certificate: X509Certificate, host: string) => boolean
}

/** `context.remote.identity.claims` of a peer that proved itself by `mutualTLS()`. */
export interface CertificateClaims {
  readonly subject: string
  readonly subjectAltName: string | undefined
  readonly serialNumber: string
  /** SHA-256 of the certificate, in hex with colons. */
  readonly fingerprint256: string
}

/** RFC 5705, RFC 8446 section 7.5: labels that are not registered start with this word. */
const exporterLabel = 'EXPERIMENTAL it-grid.v1'
const proofBytes = 32

/**
 * Both ends are who their TLS certificates say.
 *
 * Needs TLS on both ends of every conn: the servers must ask for a certificate (`https.createServer({ key, cert, ca,
 * requestCert: true })`), the dialers must have one (`connectWS({ tls: { key, cert, ca } })`). The session ends when the
 * certificate of the peer does; it is renewed before, so replace certificates in time: `server.setSecureContext()` on one
 * end, a function as `tls` on the other.
 *
 * The proof is 32 bytes of keying material that both ends export from their TLS conn (RFC 5705), over the role and the
 * transcript: it holds on no other conn, so nobody can stand in the middle.
 */
export function mutualTLS(options: MutualTLSOptions = {}): Auth {
  const { wildcards = false, isFor = (certificate, host) => isNamed(certificate, host, wildcards) } = options
  return {
    prove: (context) => proofOf(tlsOf(context), context),
    verify(context, proof) {
      const socket = tlsOf(context)
      const certificate = verifiedCertificate(socket)
      // Nothing but true: a promise would be as good as true otherwise.
      if (isFor(certificate, context.remote) !== true) {
        const names = certificate.subjectAltName ?? 'nobody: it has no subject alternative name'
        throw new HandshakeError(`the certificate is not for ${context.remote}, it is for ${names}`)
      }
      const expected = proofOf(socket, context)
      if (proof.length !== proofBytes || !timingSafeEqual(proof, expected)) {
        throw new HandshakeError(
          'the proof was made on another TLS conn: something between the two ends speaks TLS itself'
        )
      }
      return identityOf(certificate)
    }
  }
}

function tlsOf({ conn }: AuthContext): TLSSocket {
  if (conn.tls !== undefined) return conn.tls
  throw new HandshakeError(
    'mutualTLS needs a conn over TLS, and this is none: https host names, and TLS up to this process'
  )
}

/** @throws {HandshakeError} when there is none, or TLS did not accept it */
function verifiedCertificate(socket: TLSSocket): X509Certificate {
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) {
    throw new HandshakeError(
      'the peer showed no certificate: a server must be made with requestCert: true to be shown one'
    )
  }
  // What TLS let pass with rejectUnauthorized: false is not verified.
  if (!socket.authorized) {
    throw new HandshakeError(`the certificate of the peer is not trusted: ${String(socket.authorizationError)}`)
  }
  return certificate
}

function proofOf(socket: TLSSocket, { prover, transcript }: AuthContext): Buffer {
  return socket.exportKeyingMaterial(proofBytes, exporterLabel, Buffer.concat([Buffer.from(`${prover}\0`), transcript]))
}

function isNamed(certificate: X509Certificate, host: string, wildcards: boolean): boolean {
  // An IPv6 address stands in brackets there.
  const name = new URL(host).hostname.replace(/^\[(.*)\]$/, '$1')
  if (isIP(name) !== 0) return certificate.checkIP(name) !== undefined
  // To OpenSSL a leading dot means all names below.
  if (name.startsWith('.')) return false
  return certificate.checkHost(name, { subject: 'never', wildcards, partialWildcards: false }) !== undefined
}

function identityOf(certificate: X509Certificate): Identity {
  const { subject, subjectAltName, serialNumber, fingerprint256, validTo } = certificate
  const claims: CertificateClaims = { subject, subjectAltName, serialNumber, fingerprint256 }
  return { expiresAt: Date.parse(validTo), claims }
}
