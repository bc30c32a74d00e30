/** Certificates for specs, made when they run: a key in the repository would only look like a secret. */

import { isIP } from 'node:net'
import { generate } from 'selfsigned'

export interface Certificate {
  key: string
  cert: string
  /** What verifies `cert`: itself. */
  ca: string
}

/** A self-signed certificate for host names and IP addresses; the first one is its common name. */
export async function selfSigned(names: readonly string[]): Promise<Certificate> {
  const altNames = names.map((name) =>
    isIP(name) === 0 ? ({ type: 2, value: name } as const) : ({ type: 7, ip: name } as const)
  )
  const { private: key, cert } = await generate([{ name: 'commonName', value: names[0] ?? '' }], {
    keyType: 'ec',
    extensions: [{ name: 'subjectAltName', altNames }]
  })
  return { key, cert, ca: cert }
}
