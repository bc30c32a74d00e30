/**
 * `etcdHosts`: the keys under a prefix of etcd. Each server puts a key of its own there, under a lease, and watches those of all.
 *
 * It speaks with etcd's JSON gateway. That its lease is kept alive is also the proof that the member behind the watch lives.
 */

import { type EtcdLease, EtcdMember } from './etcd-member.ts'
import { HttpClient, type HttpOptions, statusOf } from './http.ts'
import { maxHosts } from './kept-hosts.ts'
import { anObjectOrFunction, checkOptions, isHttpUrl, msFrom, required } from './options.ts'
import { jittered, pause, type Search } from './search.ts'
import { createSource, type HostSource } from './source.ts'

export interface EtcdHostsOptions extends HttpOptions {
  /** Of the members of etcd: `http://10.0.0.1:2379`. One is asked at a time, the next one when that fails. */
  readonly endpoints: readonly string[]
  /** Of the keys, such as `/grid/hosts`. The name of a server follows, after a slash. */
  readonly prefix: string
  /** Of the lease, in ms, in whole seconds: the key of a server that died vanishes after it. Default 10 000. */
  readonly ttlMs?: number
}

const defaultTtlMs = 10_000
const maxRetryMs = 5000
/** After so long a watch begins anew with a list: a watch alone cannot tell that it is dead. */
const renewMs = 120_000
/** For the farewell, in which the lease is revoked. */
const leaveMs = 1000

/**
 * The servers that have a key under a prefix of etcd. Keeps one of this server there as long as it runs.
 *
 * @throws {InvalidOptionError} naming the option that is wrong
 */
export function etcdHosts(options: EtcdHostsOptions): HostSource {
  const local = checkOptions('etcdHosts', options, {
    endpoints: required({
      must: 'a list of URLs of http or https',
      is: (value) => Array.isArray(value) && value.length > 0 && value.every(isHttpUrl)
    }),
    prefix: required({ must: 'a text with more than slashes', is: (value) => /[^/]/.test(String(value ?? '')) }),
    ttlMs: msFrom(1000),
    ...{ headers: anObjectOrFunction, tls: anObjectOrFunction }
  })
  const run = (search: Search) => new Registry(options, search).run()
  return createSource({ name: `etcdHosts(${options.prefix})`, local, options, run })
}

class Registry {
  readonly #options: EtcdHostsOptions
  readonly #search: Search
  readonly #prefix: string
  readonly #ownKey: string
  readonly #ttlMs: number
  /** Lasts over attempts, as the key does. */
  #lease: EtcdLease | undefined
  /** Of the endpoints; the first attempt is its first. */
  #turn = -1

  constructor(options: EtcdHostsOptions, search: Search) {
    const { prefix, ttlMs = defaultTtlMs } = options
    this.#options = options
    this.#search = search
    this.#prefix = `${prefix.replace(/\/$/, '')}/`
    this.#ownKey = this.#prefix + search.local
    this.#ttlMs = Math.ceil(ttlMs / 1000) * 1000
  }

  async run(): Promise<void> {
    await this.#search.repeat(maxRetryMs, () => this.#attempt())
    await this.#leave()
  }

  /** Until something fails at one member, or `renewMs`. The next one is made at the next member. */
  async #attempt(): Promise<number> {
    this.#turn += 1
    const ending = new AbortController()
    const end = () => ending.abort()
    this.#search.signal.addEventListener('abort', end)
    const client = new HttpClient(this.#options, ending.signal)
    try {
      await this.#follow(this.#member(client), ending.signal)
    } finally {
      this.#search.signal.removeEventListener('abort', end)
      end()
      client.close()
    }
    return 0
  }

  async #follow(member: EtcdMember, signal: AbortSignal): Promise<void> {
    // Of one that lasts already two thirds may be over, where another member did not answer.
    if (this.#lease !== undefined) await this.#unlessLost(member.keepAlive(this.#lease.id))
    else this.#lease = await member.grant(this.#ttlMs)
    const lease = this.#lease
    const { keys, revision } = await member.list(this.#prefix, maxHosts)
    const isThere = keys.some((found) => found.key === this.#ownKey && found.lease === lease.id)
    if (!isThere) await this.#unlessLost(member.put(this.#ownKey, this.#search.local, lease.id))
    const known = new Set([...keys.map(({ key }) => key), this.#ownKey])
    this.#found(known)
    await Promise.race([
      this.#watch(member, known, revision),
      this.#unlessLost(keepAlive(member, lease, signal)),
      pause(jittered(renewMs), signal)
    ])
  }

  async #watch(member: EtcdMember, known: Set<string>, revision: bigint): Promise<void> {
    for await (const events of member.watch(this.#prefix, revision + 1n, renewMs * 2)) {
      for (const { key, isDeleted } of events) {
        if (isDeleted) known.delete(key)
        else known.add(key)
      }
      if (known.size > maxHosts) throw new Error(`there are more than ${maxHosts} keys under ${this.#prefix}`)
      // Others must not miss this server because somebody tidied up, or because it slept for longer than its lease.
      if (!known.has(this.#ownKey)) throw new Error('the key of this server was deleted')
      if (events.length > 0) this.#found(known)
    }
  }

  #found(keys: ReadonlySet<string>): void {
    this.#search.found([...keys].map((key) => key.slice(this.#prefix.length)))
  }

  /** An answer that refuses the lease ends it; that there is no answer does not. */
  async #unlessLost(work: Promise<void>): Promise<void> {
    try {
      await work
    } catch (error) {
      if (statusOf(error) !== undefined) this.#lease = undefined
      throw error
    }
  }

  /** So that others know at once, and not after the lease. What fails here is told by the lease. */
  async #leave(): Promise<void> {
    if (this.#lease === undefined) return
    const client = new HttpClient(this.#options, AbortSignal.timeout(leaveMs))
    await this.#member(client)
      .revoke(this.#lease.id)
      .catch((error: unknown) => this.#search.reports.noted(`the lease could not be revoked: ${String(error)}`))
    client.close()
  }

  #member(client: HttpClient): EtcdMember {
    const { endpoints } = this.#options
    return new EtcdMember(client, endpoints[this.#turn % endpoints.length] as string, Math.floor(this.#ttlMs / 3))
  }
}

/** Rejects when it is lost. */
async function keepAlive(member: EtcdMember, lease: EtcdLease, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await pause(lease.ttlMs / 3, signal)
    if (!signal.aborted) await member.keepAlive(lease.id)
  }
}
