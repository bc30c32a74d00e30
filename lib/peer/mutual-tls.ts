/**
 * The built-in `Auth` for conns over TLS with certificates at both ends.
 *
 * TLS has proved that the other end has the key of its certificate, and that an authority which this side trusts has signed
 * it. Here it is checked that the certificate is for the host name that the peer claims. The proof that is sent is a value
 * that only the two ends of this TLS conn can know.
 */

import { timingSafeEqual, type X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Identity } from '../base/remote.ts'
import { aBoolean, aFunction, optionsReader } from '../errors/check.ts'
import { HandshakeError } from '../errors/errors.ts'
import { type Auth, type AuthContext, checkLength, proofBytes } from './auth.ts'

export interface MutualTLSOptions {
  /** Accepts a certificate for `*.example.com` for each host below it. Default false: its owner could claim each name. */
  readonly wildcards?: boolean
  /**
   * Decides whether a certificate that TLS has verified is for `host`, a canonical name such as `https://node-1:9000`.
   * Default: one of its subject alternative names is the name or the IP address of the host, RFC 9525. The common name of the
   * subject does not count.
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

/** RFC 5705, RFC 8446 section 7.5: labels that are not registered start with EXPERIMENTAL. */
const exporterLabel = 'EXPERIMENTAL it-grid.v1'
const readOptions = optionsReader<MutualTLSOptions>(
  'mutualTLS()',
  { wildcards: aBoolean, isFor: aFunction },
  Object.fromEntries(
    ['ca', 'cert', 'key'].map((name) => [name, `it belongs in dialer: connectWS({ tls: { ${name} } })`])
  )
)

/**
 * Both ends prove their host names by their TLS certificates.
 *
 * Needs TLS on both ends of every conn: the servers must ask for a certificate (`https.createServer({ key, cert, ca,
 * requestCert: true })`), the dialers must have one (`connectWS({ tls: { key, cert, ca } })`). The session ends when the
 * certificate of the peer does; it is renewed before, so replace certificates in time: `server.setSecureContext()` on one
 * end, a function as `tls` on the other.
 *
 * The proof is 32 bytes of keying material that both ends export from their TLS conn (RFC 5705), over the role and the
 * transcript. It is valid on no other conn, which excludes a man in the middle.
 *
 * @throws {InvalidOptionError} naming the option that is wrong
 */
export function mutualTLS(options?: MutualTLSOptions): Auth {
  const { wildcards = false, isFor: given } = readOptions(options)
  const isFor = given ?? ((certificate: X509Certificate, host: string) => isNamed(certificate, host, wildcards))
  return {
    prove: (context) => exportProof(requireTls(context), context),
    verify(context, proof) {
      const socket = requireTls(context)
      const certificate = getVerifiedCertificate(socket)
      // Only `true` counts: a promise is truthy as well.
      if (isFor(certificate, context.remote) !== true) {
        const names = certificate.subjectAltName ?? 'no host: it has no subject alternative name'
        throw new HandshakeError(`the certificate is not for ${context.remote}, it is for ${names}`)
      }
      const expected = exportProof(socket, context)
      checkLength(proof, 'mutualTLS()')
      if (!timingSafeEqual(proof, expected)) {
        throw new HandshakeError(
          'the proof was made on another TLS conn: does something between the two servers terminate TLS?'
        )
      }
      return toIdentity(certificate)
    }
  }
}

function requireTls({ conn }: AuthContext): TLSSocket {
  if (conn.tls !== undefined) return conn.tls
  throw new HandshakeError(
    'mutualTLS needs a conn over TLS: use https host names, and do not terminate TLS before this process'
  )
}

/** @throws {HandshakeError} when there is none, or TLS did not accept it */
function getVerifiedCertificate(socket: TLSSocket): X509Certificate {
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) {
    throw new HandshakeError(
      'the peer sent no certificate: a server asks for one when it is created with requestCert: true'
    )
  }
  // With rejectUnauthorized: false TLS accepts certificates that it could not verify.
  if (!socket.authorized) {
    throw new HandshakeError(`the certificate of the peer is not trusted: ${String(socket.authorizationError)}`)
  }
  return certificate
}

function exportProof(socket: TLSSocket, { prover, transcript }: AuthContext): Buffer {
  return socket.exportKeyingMaterial(proofBytes, exporterLabel, Buffer.concat([Buffer.from(`${prover}\0`), transcript]))
}

function isNamed(certificate: X509Certificate, host: string, wildcards: boolean): boolean {
  // An IPv6 address is in brackets there.
  const name = new URL(host).hostname.replace(/^\[(.*)\]$/, '$1')
  if (isIP(name) !== 0) return certificate.checkIP(name) !== undefined
  // For OpenSSL a leading dot means all names below.
  if (name.startsWith('.')) return false
  return certificate.checkHost(name, { subject: 'never', wildcards, partialWildcards: false }) !== undefined
}

function toIdentity(certificate: X509Certificate): Identity {
  const { subject, subjectAltName, serialNumber, fingerprint256, validTo } = certificate
  const claims: CertificateClaims = { subject, subjectAltName, serialNumber, fingerprint256 }
  return { expiresAt: Date.parse(validTo), claims }
}
