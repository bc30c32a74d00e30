/** What is asked of one member of etcd, by its JSON gateway: bytes are base64, and numbers of 64 bits are strings. */

import { arrayOf, type HttpClient, membersOf, urlOf } from './http.ts'
import { maxMs } from './options.ts'

export interface EtcdKey {
  readonly key: string
  /** The lease that it has. */
  readonly lease: string
}

export interface EtcdLease {
  readonly id: string
  readonly ttlMs: number
}

/** All keys with a prefix, and as of when. */
export interface EtcdList {
  readonly keys: readonly EtcdKey[]
  readonly revision: bigint
}

export interface EtcdEvent {
  readonly key: string
  readonly isDeleted: boolean
}

export class EtcdMember {
  readonly #client: HttpClient
  readonly #endpoint: string
  readonly #timeoutMs: number

  /** @param timeoutMs of each request, but for a watch */
  constructor(client: HttpClient, endpoint: string, timeoutMs: number) {
    this.#client = client
    this.#endpoint = endpoint
    this.#timeoutMs = timeoutMs
  }

  async grant(ttlMs: number): Promise<EtcdLease> {
    const { ID, TTL } = await this.#ask('/v3/lease/grant', { TTL: ttlMs / 1000 })
    const grantedMs = Number(TTL) * 1000
    // What it grants may be longer: it has a minimum. A time that no timer counts would be one of nothing.
    return { id: readId(ID, 'an ID of the lease'), ttlMs: grantedMs > 0 ? Math.min(grantedMs, maxMs) : ttlMs }
  }

  /** @throws {Error} when the lease is over */
  async keepAlive(lease: string): Promise<void> {
    const { result, error } = await this.#ask('/v3/lease/keepalive', { ID: lease })
    if (error !== undefined) throw toError(error)
    if (!(Number(membersOf(result).TTL) > 0)) throw lost
  }

  async revoke(lease: string): Promise<void> {
    await this.#ask('/v3/lease/revoke', { ID: lease })
  }

  async put(key: string, value: string, lease: string): Promise<void> {
    await this.#ask('/v3/kv/put', { key: encode(key), value: encode(value), lease })
  }

  /** @throws {Error} also when there are more than `limit` */
  async list(prefix: string, limit: number): Promise<EtcdList> {
    const found = await this.#ask('/v3/kv/range', { ...range(prefix), limit: String(limit), keys_only: true })
    if (found.more === true) throw new Error(`there are more than ${limit} keys under ${prefix}`)
    const keys = arrayOf(found.kvs ?? [], 'keys').map((entry) => {
      const { key, lease = '0' } = membersOf(entry)
      return { key: decode(key), lease: String(lease) }
    })
    return { keys, revision: BigInt(readId(membersOf(found.header).revision, 'a revision')) }
  }

  /**
   * What changes under a prefix from a revision on.
   *
   * @throws {Error} also when it is canceled, such as for a revision that is compacted
   */
  async *watch(prefix: string, fromRevision: bigint, timeoutMs: number): AsyncGenerator<readonly EtcdEvent[]> {
    const body = { create_request: { ...range(prefix), start_revision: String(fromRevision) } }
    for await (const line of this.#client.lines({ url: urlOf(this.#endpoint, '/v3/watch'), body, timeoutMs })) {
      const { result, error } = membersOf(line)
      if (error !== undefined) throw toError(error)
      const { events = [], canceled, cancel_reason: reason, compact_revision: compacted } = membersOf(result)
      if (canceled === true) throw new Error(`the watch was canceled: ${String(reason ?? `compacted at ${compacted}`)}`)
      yield arrayOf(events, 'events').map((event) => {
        const { type, kv } = membersOf(event)
        return { key: decode(membersOf(kv).key), isDeleted: type === 'DELETE' }
      })
    }
    throw new Error('the watch has ended')
  }

  async #ask(path: string, body: object): Promise<Readonly<Record<string, unknown>>> {
    const url = urlOf(this.#endpoint, path)
    const { value } = await this.#client.json({ url, body, timeoutMs: this.#timeoutMs })
    return membersOf(value)
  }
}

/** Of a lease: the member answers, and does not know it. */
const lost = Object.assign(new Error('the lease was lost'), { status: 404 })

function range(prefix: string) {
  const end = Buffer.from(prefix)
  // A prefix ends with a slash, so its last byte can be counted up.
  end[end.length - 1] = (end.at(-1) as number) + 1
  return { key: encode(prefix), range_end: end.toString('base64') }
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64')
}

function decode(text: unknown): string {
  if (typeof text !== 'string') throw new Error('an answer with a key that is not a text')
  return Buffer.from(text, 'base64').toString()
}

function readId(value: unknown, what: string): string {
  if (typeof value === 'string' && /^-?\d{1,20}$/.test(value)) return value
  throw new Error(`an answer without ${what}: is this etcd?`)
}

function toError(error: unknown): Error {
  const { message } = membersOf(error)
  return new Error(`etcd answers: ${typeof message === 'string' ? message : JSON.stringify(error).slice(0, 200)}`)
}
