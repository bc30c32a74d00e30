/**
 * Certificates for specs, made when they run: a key in the repository would only look like a secret.
 */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { isIP } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Certificate {
  key: string
  cert: string
  /** What verifies `cert`: itself. */
  ca: string
}

/** A self-signed certificate for host names and IP addresses; the first one is its common name. */
export function selfSigned(names: string[]): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'it-grid-cert-'))
  try {
    const keyFile = join(folder, 'key.pem')
    const certFile = join(folder, 'cert.pem')
    const altNames = names.map((name) => `${isIP(name) === 0 ? 'DNS' : 'IP'}:${name}`).join(',')
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    const subject = ['-subj', `/CN=${names[0]}`, '-addext', `subjectAltName=${altNames}`]
    execFileSync('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', keyFile, '-out', certFile], {
      stdio: 'pipe'
    })
    const cert = readFileSync(certFile, 'utf8')
    return { key: readFileSync(keyFile, 'utf8'), cert, ca: cert }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
