/**
 * Host names: the canonical spelling of each, and which of two hosts dials.
 *
 * A host name is an origin: scheme, host, port. Opens no socket.
 */

import { createHash } from 'node:crypto'
import type { Remote } from '../base/remote.ts'
import { printable } from '../base/text.ts'
import { aString, check } from '../errors/check.ts'
import { InvalidOptionError } from '../errors/errors.ts'

const secureScheme = new Map([
  ['http:', 'http:'],
  ['ws:', 'http:'],
  ['https:', 'https:'],
  ['wss:', 'https:']
])

/**
 * Names that are canonical. Parsing one takes some us, and those of a grid are named in call after call.
 *
 * Only what this program names comes in. What arrives is anybody's: ever new names would keep those of the grid out.
 */
const canonical = new Map<string, string>()
const maxCanonical = 1024

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
  return keepHost(host, 'host')
}

/** A name that arrives, as the string that others have where it is known; undefined when it is not canonical. */
export function readCanonical(host: string): string | undefined {
  try {
    const name = canonical.get(host) ?? parseHost(host, 'host')
    return name === host ? name : undefined
  } catch {
    return undefined
  }
}

function keepHost(host: string, what: string): string {
  const known = canonical.get(host)
  if (known !== undefined) return known
  const name = parseHost(host, what)
  if (canonical.size < maxCanonical) canonical.set(name, name)
  return name
}

/** @param what it is, for its errors */
function parseHost(host: string, what: string): string {
  check(what === 'host' ? 'a host' : what, host, aString)
  let url: URL
  try {
    url = new URL(host)
  } catch {
    throw new InvalidOptionError(`${what} "${withoutSecrets(host)}" is not an origin such as https://node-1:9000`)
  }
  const scheme = secureScheme.get(url.protocol)
  if (scheme === undefined) {
    throw new InvalidOptionError(`${what} "${withoutSecrets(host)}" must start with http://, https://, ws:// or wss://`)
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '' || url.pathname !== '/') {
    const rule = 'a host has a scheme, a name and a port only, without credentials, path, query or fragment'
    throw new InvalidOptionError(`${what} "${withoutSecrets(host)}" is more than a host: ${rule}`)
  }
  url.protocol = scheme
  // It is ASCII.
  if (url.origin.length <= maxHostBytes) return url.origin
  throw new InvalidOptionError(
    `${what} "${url.origin.slice(0, 64)}…" has ${url.origin.length} bytes; a host has at most ${maxHostBytes}`
  )
}

/** For an error: what is pasted in the place of a host, such as the URL of a database, may have credentials or a query. */
function withoutSecrets(host: string): string {
  return printable(host.replace(/^[\s\S]*@/, '…@').replace(/[?#][\s\S]*$/, '…'), 256)
}

/** URLs write IPv4 and IPv6 in one way only. */
const unspecified = /\/\/(0\.0\.0\.0|\[::\]|\[::ffff:0:0\])(:|$)/

/**
 * The canonical name of a server of the grid.
 *
 * @param what it is, for its errors
 * @throws {InvalidOptionError} as `canonicalHost` does, and when no server can be dialed under that name
 */
export function serverName(host: string, what = 'host'): string {
  const name = keepHost(host, what)
  if (unspecified.test(name)) {
    throw new InvalidOptionError(`${name} is an address to listen on; name the server as the others dial it`)
  }
  if (/\.guest\.invalid(:|$)/.test(name))
    throw new InvalidOptionError(`${name} is a name of guests, which no server has`)
  if (name.endsWith(':0')) throw new InvalidOptionError(`${name} has no port that others can dial`)
  return name
}

/** Nobody's, RFC 6761: so a server that knows no guests refuses them as unknown hosts. */
const guestHost = /^https:\/\/([a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?)\.guest\.invalid$/

/**
 * The host name of a guest on the wire.
 *
 * @throws {InvalidOptionError} when the name has other characters, or more
 */
export function toGuestHost(name: string): string {
  const host = `https://${name}.guest.invalid`
  const rule =
    'has 1 to 63 lower-case letters, digits, dots, hyphens and underscores, the first and last one none of these'
  if (guestHost.test(host) && readCanonical(host) !== undefined) return host
  throw new InvalidOptionError(`the name of a guest ${rule}; it is "${printable(name, 64)}"`)
}

/** A guest as this side names it, which is the name of no host; undefined when `host` is not that of a guest. */
export function readGuest(host: string): string | undefined {
  const name = guestHost.exec(host)?.[1]
  return name === undefined ? undefined : `guest:${name}`
}

/** Of a host or of a guest, as this side names them. */
export function roleOf(name: string): Remote['role'] {
  return name.startsWith('guest:') ? 'guest' : 'host'
}

const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/
/** Of a canonical name: a URL would cost some us for each of thousands. */
const partsOfHost = /^https?:\/\/(\[[^\]]*\]|[^:]*):?(\d*)$/

/** For the error about a name that no host has: which of them it probably is, in other words. All are canonical. */
export function hintAtHost(name: string, hosts: Iterable<string>): string {
  const [, hostname = '', port = ''] = partsOfHost.exec(name) ?? []
  for (const host of hosts) {
    const [, other = '', otherPort = ''] = partsOfHost.exec(host) ?? []
    const isLike =
      port === otherPort ? isNamedLike(hostname, other) : hostname === other && (port === '' || otherPort === '')
    if (isLike) return `; there is ${host}: a server has one name, in all lists and as its own`
  }
  return ''
}

/** Two names of hosts that often stand for one machine. */
function isNamedLike(a: string, b: string): boolean {
  if (a === b || (loopback.test(a) && loopback.test(b))) return true
  return !/^[\d[]/.test(a) && (a.startsWith(`${b}.`) || b.startsWith(`${a}.`))
}

/**
 * Which of two hosts dials the other: the same answer on both ends, equal odds over all pairs.
 *
 * SHA-256 over the two canonical names in byte order, joined with a line feed; the lowest bit of the first byte
 * chooses the first name (0) or the second (1). docs/protocol.md, section "Which host dials".
 */
export function dialerOf(a: string, b: string): string {
  check('a host', a, aString)
  check('a host', b, aString)
  const [first, second] = a < b ? [a, b] : [b, a]
  const digest = createHash('sha256').update(`${first}\n${second}`).digest()
  return ((digest[0] as number) & 1) === 0 ? first : second
}
