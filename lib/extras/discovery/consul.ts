/**
 * `consulHosts`: the instances of a service in Consul, by blocking queries.
 *
 * The rules for their index are those of Consul's documentation: back to 0 when it goes backwards, and never below 1.
 */

import { arrayOf, HttpClient, type HttpOptions, type JsonAnswer, membersOf, urlOf } from './http.ts'
import { type Name, nameOf } from './kept-hosts.ts'
import { anObject, anObjectOrFunction, anOrigin, aScheme, aText, checkOptions, required } from './options.ts'
import type { Search } from './search.ts'
import { createSource, type HostSource } from './source.ts'

export interface ConsulHostsOptions extends HttpOptions {
  /** Of an agent or a server: `http://127.0.0.1:8500`. */
  readonly endpoint: string
  readonly service: string
  /** Default that of `local`. */
  readonly scheme?: 'http' | 'https'
  /** More of the query, such as `dc`, `ns`, `partition`, `filter`, `stale`. */
  readonly query?: Readonly<Record<string, string>>
}

/** How long the server holds a query at most. It adds up to a sixteenth. */
const waitMs = 30_000
/** Beside that, for the answer to arrive. */
const spareMs = 10_000
const maxRetryMs = 5000

/**
 * The instances of a service in Consul whose checks are not critical. Servers register themselves as they do for others.
 *
 * @throws {InvalidOptionError} naming the option that is wrong
 */
export function consulHosts(options: ConsulHostsOptions): HostSource {
  const local = checkOptions('consulHosts', options, {
    ...{ endpoint: required(anOrigin), service: required(aText), scheme: aScheme },
    ...{ headers: anObjectOrFunction, tls: anObjectOrFunction, query: anObject }
  })
  const { endpoint, service, scheme = new URL(local).protocol.slice(0, -1) } = options
  const path = `/v1/health/service/${encodeURIComponent(service)}`
  const run = async (search: Search) => {
    const client = new HttpClient(options, search.signal)
    let index = 0n
    await search.repeat(maxRetryMs, async () => {
      const query: Record<string, string> = index === 0n ? {} : { index: String(index), wait: `${waitMs / 1000}s` }
      // What fails begins anew: a server that has restarted counts from the beginning.
      const asked = index
      index = 0n
      const url = urlOf(endpoint, path, { ...options.query, ...query })
      const answer = await client.json({ url, timeoutMs: asked === 0n ? spareMs : waitMs * (1 + 1 / 16) + spareMs })
      const next = nextIndex(answer, asked)
      search.found(toNames(answer, scheme))
      index = next
      return 0
    })
    client.close()
  }
  return createSource({ name: `consulHosts(${service})`, local, options, run })
}

function nextIndex({ headers }: JsonAnswer, asked: bigint): bigint {
  const text = String(headers['x-consul-index'])
  if (!/^\d{1,20}$/.test(text)) throw new Error('an answer without X-Consul-Index: is this Consul?')
  const index = BigInt(text)
  if (index < asked) return 0n
  return index < 1n ? 1n : index
}

function toNames({ value, headers }: JsonAnswer, scheme: string): Name[] {
  // What a token may not see is left out without an error.
  const isFiltered = headers['x-consul-results-filtered-by-acls'] === 'true'
  const hidden = new Error('the token may not see all of them: it needs service:read, and node:read of their nodes')
  const names = arrayOf(value, 'a list of instances').flatMap((entry) => {
    const { Node, Service, Checks } = membersOf(entry)
    if (Array.isArray(Checks) && Checks.some((check) => membersOf(check).Status === 'critical')) return []
    const { Address, Port } = membersOf(Service)
    // Without an address of its own, a service has that of its node.
    return [nameOf(scheme, Address || membersOf(Node).Address, Port)]
  })
  if (isFiltered && names.length === 0) throw hidden
  return isFiltered ? [...names, hidden] : names
}
