/** Certificates for specs, made when they run: a key in the repository would only look like a secret. */

import { isIP } from 'node:net'
import { generate } from 'selfsigned'

export interface Certificate {
  key: string
  cert: string
  /** What verifies `cert`: the authority, or itself. */
  ca: string
}

export interface CertificateOptions {
  /** Default a day or so. Below zero it has ended already. */
  readonly validMs?: number
  /** Default: the first of the names. */
  readonly commonName?: string
}

/** A self-signed certificate for host names and IP addresses. */
export async function selfSigned(names: readonly string[], options?: CertificateOptions): Promise<Certificate> {
  return await make([alternatives(names)], names[0] ?? '', options)
}

export type Authority = Awaited<ReturnType<typeof makeAuthority>>

/** Signs certificates. */
export async function makeAuthority(name: string) {
  const own = await make([{ name: 'basicConstraints', cA: true, critical: true }], name)
  return {
    /** What those who trust it must have. */
    cert: own.cert,
    issue: (names: readonly string[], options?: CertificateOptions) =>
      make([alternatives(names)], names[0] ?? '', options, own)
  }
}

function alternatives(names: readonly string[]) {
  const altNames = names.map((name) =>
    isIP(name) === 0 ? ({ type: 2, value: name } as const) : ({ type: 7, ip: name } as const)
  )
  return { name: 'subjectAltName', altNames } as const
}

type Extensions = NonNullable<NonNullable<Parameters<typeof generate>[1]>['extensions']>

async function make(
  extensions: Extensions,
  name: string,
  { validMs = 86_400_000, commonName = name }: CertificateOptions = {},
  issuer?: Certificate
): Promise<Certificate> {
  const notAfterDate = new Date(Date.now() + validMs)
  const { private: key, cert } = await generate([{ name: 'commonName', value: commonName }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(Math.min(Date.now(), notAfterDate.getTime()) - 60_000),
    notAfterDate,
    extensions,
    ...(issuer === undefined ? {} : { ca: issuer })
  })
  return { key, cert, ca: issuer?.cert ?? cert }
}
