/**
 * `dnsHosts`: the hosts that SRV, A or AAAA records name, asked for again and again.
 *
 * An answer that says that there is no such name or record is an answer without hosts. All else that goes wrong is none.
 */

import { Resolver } from 'node:dns/promises'
import { type Name, nameOf } from './kept-hosts.ts'
import {
  aPort,
  aScheme,
  aText,
  checkOptions,
  oneOf,
  type PollOptions,
  pollRules,
  type Rule,
  required
} from './options.ts'
import { askInTurn, searchNames } from './resolv-conf.ts'
import { jittered, type Search, within } from './search.ts'
import { createSource, type HostSource } from './source.ts'

/** A `Resolver` of `node:dns/promises`, that module itself, or what answers as they do. */
export interface DnsResolver {
  resolveSrv(name: string): Promise<readonly { readonly name: string; readonly port: number }[]>
  resolve4(name: string): Promise<readonly string[]>
  resolve6(name: string): Promise<readonly string[]>
}

export type DnsHostsOptions = PollOptions & {
  /** Without a dot at its end, the search domains of `/etc/resolv.conf` apply, as elsewhere on the machine. */
  readonly name: string
  /** Default that of `local`. */
  readonly scheme?: 'http' | 'https'
  /** Asked in place of the name servers of the machine. Search domains are its own matter then. */
  readonly resolver?: DnsResolver
} & ({ readonly type: 'SRV' } | { readonly type: 'A' | 'AAAA'; readonly port: number })

/** Of one query at one server, and how often each one is asked. */
const system = { timeout: 2000, tries: 2 }
/** Of all queries of one look. */
const lookMs = 15_000
const defaultEveryMs = 5000
const methods = { SRV: 'resolveSrv', A: 'resolve4', AAAA: 'resolve6' } as const

/**
 * The hosts of DNS records: `SRV` names host and port of each; `A` and `AAAA` its address, the port is the same for all.
 *
 * @throws {InvalidOptionError} naming the option that is wrong
 */
export function dnsHosts(options: DnsHostsOptions): HostSource {
  const local = checkOptions('dnsHosts', options, {
    ...{ ...pollRules, name: required(aText), type: required(oneOf('SRV', 'A', 'AAAA')), scheme: aScheme },
    ...{
      port:
        Object(options).type === 'SRV' ? { must: 'left out: SRV records have it', is: () => false } : required(aPort)
    },
    resolver: aResolver(Object(options).type)
  })
  const { everyMs = defaultEveryMs, name } = options
  const run = (search: Search) =>
    search.repeat(everyMs, async () => {
      search.found(await look(options, local, search.signal))
      return jittered(everyMs)
    })
  return createSource({ name: `dnsHosts(${name})`, local, options, run })
}

function aResolver(type: DnsHostsOptions['type']): Rule {
  const method = methods[type]
  return { must: `one with ${method}()`, is: (value) => typeof Reflect.get(Object(value), method) === 'function' }
}

/** The names that the records give, which may be wrong ones. */
async function look(options: DnsHostsOptions, local: string, signal: AbortSignal): Promise<readonly Name[]> {
  const { resolver, name } = options
  if (resolver !== undefined) return await within(lookMs, ask(options, local, resolver, name), signal)
  // A new one for each look: name servers of the machine that have changed are asked at once.
  const ours = new Resolver(system)
  try {
    const work = async () => askInTurn(await searchNames(name), (each) => ask(options, local, ours, each))
    return await within(lookMs, work(), signal)
  } finally {
    ours.cancel()
  }
}

async function ask(options: DnsHostsOptions, local: string, resolver: DnsResolver, name: string): Promise<Name[]> {
  const { scheme = new URL(local).protocol.slice(0, -1) } = options
  try {
    if (options.type === 'SRV') {
      const records = await resolver.resolveSrv(name)
      // A target that is the root says that the service is not available (RFC 2782).
      return records.flatMap((record) => {
        const target = record.name.replace(/\.$/, '')
        return target === '' ? [] : [nameOf(scheme, target, record.port)]
      })
    }
    const addresses = options.type === 'A' ? await resolver.resolve4(name) : await resolver.resolve6(name)
    return addresses.map((address) => nameOf(scheme, address, options.port))
  } catch (error) {
    if (isNoSuchName(error)) return []
    throw error
  }
}

function isNoSuchName(error: unknown): boolean {
  const { code } = Object(error)
  return code === 'ENOTFOUND' || code === 'ENODATA'
}
