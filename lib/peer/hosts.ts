/**
 * Host names: the canonical spelling of each, and which of two hosts dials.
 *
 * A host name is an origin: scheme, host, port. Opens no socket.
 */

import { createHash } from 'node:crypto'
import { InvalidOptionError } from '../base/errors.ts'

const secureScheme = new Map([
  ['http:', 'http:'],
  ['ws:', 'http:'],
  ['https:', 'https:'],
  ['wss:', 'https:']
])

/** What a peer takes for a name; it refuses a handshake with a longer one. docs/protocol.md, section "Host names". */
export const maxHostBytes = 512

/**
 * The canonical origin of a host name: lower case, IDN as punycode, default port dropped, `ws`/`wss` as `http`/`https`.
 * Two spellings of one server give the same string.
 *
 * @throws {InvalidOptionError} when `host` is not an origin, has more than 512 bytes, or carries credentials, a path, a query or
 * a fragment
 */
export function canonicalHost(host: string): string {
  let url: URL
  try {
    url = new URL(host)
  } catch {
    throw new InvalidOptionError(`host "${String(host).slice(0, 256)}" is not an origin such as https://node-1:9000`)
  }
  const scheme = secureScheme.get(url.protocol)
  if (scheme === undefined) {
    throw new InvalidOptionError(`host "${host.slice(0, 256)}" must start with http://, https://, ws:// or wss://`)
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '' || url.pathname !== '/') {
    throw new InvalidOptionError(
      'a host has a scheme, a name and a port only, without credentials, path, query or fragment'
    )
  }
  url.protocol = scheme
  // It is ASCII.
  if (url.origin.length <= maxHostBytes) return url.origin
  throw new InvalidOptionError(
    `host "${url.origin.slice(0, 64)}…" has ${url.origin.length} bytes; a host has at most ${maxHostBytes}`
  )
}

/**
 * Which of two hosts dials the other: the same answer on both ends, equal odds over all pairs.
 *
 * SHA-256 over the two canonical names in byte order, joined with a line feed; the lowest bit of the first byte
 * chooses the first name (0) or the second (1). docs/protocol.md, section "Which host dials".
 */
export function dialerOf(a: string, b: string): string {
  const [first, second] = a < b ? [a, b] : [b, a]
  const digest = createHash('sha256').update(`${first}\n${second}`).digest()
  return ((digest[0] as number) & 1) === 0 ? first : second
}
