/** Speaks as much of the API of Kubernetes as EndpointSlices need: lists, watches from a version on, bookmarks, 410. */

import type { ServerResponse } from 'node:http'
import { type Create, FaultyServer } from './faulty-server.ts'

export interface Slice {
  readonly name: string
  readonly addressType?: string
  /** Host names or addresses. */
  readonly pods: readonly { readonly hostname?: string; readonly address?: string }[]
  readonly ports?: readonly { readonly name?: string; readonly port: number }[]
}

export class KubernetesServer extends FaultyServer {
  version = 100
  /** Watches from an older version are refused. */
  oldest = 0
  readonly #slices = new Map<string, object>()
  readonly #events: { readonly version: number; readonly line: string }[] = []
  readonly #watches = new Set<ServerResponse>()

  constructor(create?: Create) {
    super((_, response, { searchParams }) => {
      if (!searchParams.has('watch')) return void response.end(JSON.stringify(this.#list()))
      const version = Number(searchParams.get('resourceVersion'))
      if (version < this.oldest) return void response.writeHead(410).end(JSON.stringify(tooOld))
      response.writeHead(200).flushHeaders()
      for (const event of this.#events) if (event.version > version) response.write(event.line)
      this.#watches.add(response)
      response.on('close', () => this.#watches.delete(response))
    }, create)
  }

  static async start(...slices: readonly Slice[]): Promise<KubernetesServer> {
    const server = new KubernetesServer()
    for (const slice of slices) server.set(slice)
    await server.listen()
    return server
  }

  get watching(): number {
    return this.#watches.size
  }

  set(slice: Slice): void {
    const { name, addressType = 'IPv4', pods, ports = [{ name: 'grid', port: 9 }] } = slice
    const type = this.#slices.has(name) ? 'MODIFIED' : 'ADDED'
    const object = {
      metadata: { name, resourceVersion: String(++this.version) },
      ...{ addressType, ports },
      endpoints: pods.map(({ hostname, address }) => ({ hostname, addresses: [address ?? '10.0.0.1'] }))
    }
    this.#slices.set(name, object)
    this.#happened(type, object)
  }

  delete(name: string): void {
    const object = { ...this.#slices.get(name), metadata: { name, resourceVersion: String(++this.version) } }
    this.#slices.delete(name)
    this.#happened('DELETED', object)
  }

  /** Something else has changed; the version counts on. */
  bookmark(): void {
    this.version += 50
    this.tell(line('BOOKMARK', { metadata: { resourceVersion: String(this.version) } }))
  }

  /** To each watch, as it is. */
  tell(text: string | Uint8Array): void {
    for (const response of this.#watches) response.write(text)
  }

  /** Of each watch: half of a line, and then the end of the conn, or of the answer, as a proxy may make it. */
  cutInLine(what: 'conn' | 'answer'): void {
    this.tell('{"type":"MODIFIED","object":{"metadata":{"na')
    this.endWatches((response) => (what === 'conn' ? setImmediate(() => response.destroy()) : response.end()))
  }

  /** As after `timeoutSeconds`. */
  endWatches(end = (response: ServerResponse): unknown => response.end()): void {
    for (const response of this.#watches) end(response)
    this.#watches.clear()
  }

  #list(): object {
    return {
      kind: 'EndpointSliceList',
      metadata: { resourceVersion: String(this.version) },
      items: [...this.#slices.values()]
    }
  }

  #happened(type: string, object: object): void {
    this.#events.push({ version: this.version, line: line(type, object) })
    this.tell(line(type, object))
  }
}

const line = (type: string, object: object) => `${JSON.stringify({ type, object })}\n`
const tooOld = { kind: 'Status', status: 'Failure', reason: 'Expired', message: 'too old resource version', code: 410 }

export const goneLine = line('ERROR', tooOld)
