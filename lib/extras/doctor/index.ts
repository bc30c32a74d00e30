/**
 * `it-grid/doctor`: looks at servers of a grid from outside, and says of each what is wrong with it and what to do: from its name and its port to
 * what it and its peers make of each other. It changes nothing, and needs no more than a guest may.
 *
 * Where one step fails, those that need it are left out. Servers that are named by others are looked at as well.
 */

import type { ConnectionOptions } from 'node:tls'
import { type Auth, canonicalHost, InvalidOptionError } from '../../index.ts'
import type { Finding } from './finding.ts'
import { reach, type Target, toPlace } from './network.ts'
import { checkPairs } from './pairs.ts'
import { look, type Seen } from './server.ts'
import { checkTls } from './tls.ts'
import { visit } from './visit.ts'

export type { Cause, Check, Finding } from './finding.ts'

export interface DoctorOptions {
  /** The servers to begin with, by their names. */
  readonly hosts: Iterable<string>
  /** As of `dialGuest`. */
  readonly auth: Auth
  readonly name?: string
  /** Of the upgrade. Default `/grid/v1`. */
  readonly path?: string
  /** As of `connectWS`. */
  readonly tls?: ConnectionOptions
  readonly url?: (host: string, path: string) => string | URL
  /** What each step may take. Default 5000. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

const defaultPath = '/grid/v1'
const defaultTimeoutMs = 5000
/** Lists may be long; the first servers show what is wrong. */
const maxServers = 64

/**
 * What is wrong with servers of a grid: a finding for each step, as soon as it is known; of the pairs at the end. Leaving the
 * loop ends it.
 *
 * @throws {InvalidOptionError} where `hosts` has none, or one that is no host; or the `name` is none of a guest
 * @throws `signal.reason` when the signal aborts
 *
 * @example
 *
 * ```ts
 * for await (const { level, host, text, advice } of doctor({ hosts: ['https://node-1:9000'], auth })) {
 *   if (level !== 'good') console.log(`${host}: ${text}; ${advice}`)
 * }
 * ```
 */
export async function* doctor(options: DoctorOptions): AsyncGenerator<Finding, void> {
  const given = [...new Set([...options.hosts].map((host) => canonicalHost(host)))]
  if (given.length === 0) throw new InvalidOptionError('hosts of doctor() must have at least one host')
  const waiting = [...given]
  const seen = new Map<string, Seen>()
  const visited = new Set<string>()
  while (visited.size < maxServers) {
    const host = waiting.shift()
    if (host === undefined) break
    // Also one that was met under another name.
    if (visited.has(host) || seen.has(host)) continue
    visited.add(host)
    const found = yield* checkServer(host, options)
    if (found === undefined) continue
    const { aliases = [] } = seen.get(found.name) ?? {}
    seen.set(found.name, { ...found, aliases: [...aliases, host] })
    waiting.push(...found.reports.map((report) => report.host))
  }
  yield* checkPairs([...seen.values()], given)
}

async function* checkServer(host: string, options: DoctorOptions): AsyncGenerator<Finding, Seen | undefined> {
  const { auth, name, path = defaultPath, tls = {} } = options
  const target = toTarget(host, path, options)
  const reached = yield* reach(target)
  if (reached === undefined) return undefined
  if (toPlace(target).isSecure && !(yield* checkTls(target, reached, tls))) return undefined
  const door = { auth, tls, path, ...(name === undefined ? {} : { name }) }
  const visited = yield* visit(target, reached, door)
  if (visited === undefined) return undefined
  try {
    return yield* look(target, reached, visited)
  } finally {
    await visited.guest.close({ timeout: 0 })
  }
}

function toTarget(host: string, path: string, { url, timeoutMs = defaultTimeoutMs, signal }: DoctorOptions): Target {
  const at = new URL(url === undefined ? new URL(path, host) : url(host, path))
  at.protocol = at.protocol.replace(/^ws/, 'http')
  return { host, url: at, timeoutMs, signal: signal ?? new AbortController().signal }
}
