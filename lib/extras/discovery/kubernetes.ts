/**
 * `kubernetesHosts`: the pods of a service, by its EndpointSlices: one list, then a watch that goes on from it.
 *
 * A watch that the server ends is continued at its last version; after anything else comes a new list.
 */

import { arrayOf, HttpClient, membersOf, statusOf, urlOf } from './http.ts'
import type { KubernetesHostsOptions } from './kubernetes-options.ts'
import { anObjectOrFunction, anOrigin, aScheme, aText, checkOptions, oneOf, required } from './options.ts'
import { jittered, pause, type Search } from './search.ts'
import { inCluster } from './service-account.ts'
import { Slices } from './slices.ts'
import { createSource, type HostSource } from './source.ts'

const listMs = 10_000
/** The server is asked to end a watch after this. It sends bookmarks in between, but does not promise when. */
const watchMs = 60_000
/** Beside that, until it counts as dead. */
const spareMs = 10_000
const maxRetryMs = 5000
/** Between two watches. It doubles while they bring nothing and are over at once, up to `maxRetryMs`. */
const pauseMs = 200
const gone = 410

/**
 * The pods behind a service of Kubernetes, ready or not. The account of the pod must be allowed to `list` and `watch`
 * `endpointslices` of `discovery.k8s.io`.
 *
 * @throws {InvalidOptionError} naming the option that is wrong, or when this is no pod and there is no `endpoint`
 */
export function kubernetesHosts(options: KubernetesHostsOptions): HostSource {
  const local = checkOptions('kubernetesHosts', options, {
    ...{ service: required(aText), namespace: aText, portName: aText, scheme: aScheme },
    ...{ names: required(oneOf('hostname', 'address')), endpoint: anOrigin, account: aText },
    ...{ headers: anObjectOrFunction, tls: anObjectOrFunction }
  })
  const { service } = options
  const cluster = inCluster(options)
  const run = async (search: Search) => {
    const client = new HttpClient(cluster, search.signal)
    const watch = new Watch(client, options, local, search)
    await search.repeat(maxRetryMs, async () => {
      const namespace = options.namespace ?? (await cluster.namespace())
      return await watch.follow(cluster.endpoint, namespace)
    })
    client.close()
  }
  return createSource({ name: `kubernetesHosts(${service})`, local, options, run })
}

class Watch {
  readonly #client: HttpClient
  readonly #options: KubernetesHostsOptions
  readonly #local: string
  readonly #search: Search
  /** Watches in turn that brought nothing. */
  #idle = 0

  constructor(client: HttpClient, options: KubernetesHostsOptions, local: string, search: Search) {
    this.#client = client
    this.#options = options
    this.#local = local
    this.#search = search
  }

  /** Resolves when a list is needed, with the ms until then. */
  async follow(endpoint: string, namespace: string): Promise<number> {
    const path = `/apis/discovery.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/endpointslices`
    const selector = { labelSelector: `kubernetes.io/service-name=${this.#options.service}` }
    const { value } = await this.#client.json({ url: urlOf(endpoint, path, selector), timeoutMs: listMs })
    const slices = new Slices(this.#options, this.#local)
    for (const item of arrayOf(membersOf(value).items, 'items')) slices.set(item)
    this.#search.found(slices.names())
    let version = versionOf(value)
    let startedMs = 0
    try {
      while (!this.#search.signal.aborted) {
        startedMs = performance.now()
        const query = { watch: '1', allowWatchBookmarks: 'true', timeoutSeconds: String(watchMs / 1000) }
        const url = urlOf(endpoint, path, { ...selector, ...query, resourceVersion: version })
        for await (const event of this.#client.lines({ url, timeoutMs: watchMs + spareMs })) {
          version = this.#take(event, slices)
          this.#idle = 0
        }
        await pause(this.#restMs(startedMs), this.#search.signal)
      }
    } catch (error) {
      if (statusOf(error) !== gone) throw error
      this.#search.reports.noted('the watch is too old; it begins anew with a list')
    }
    return this.#restMs(startedMs)
  }

  /** How long to leave the server alone: it may end each watch at once, for as long as it likes. */
  #restMs(startedMs: number): number {
    if (performance.now() - startedMs > maxRetryMs) this.#idle = 0
    return jittered(Math.min(maxRetryMs, pauseMs * 2 ** this.#idle++))
  }

  /** Returns the version at which a watch goes on. */
  #take(event: unknown, slices: Slices): string {
    const { type, object } = membersOf(event)
    if (type === 'ERROR') throw toError(object)
    if (type === 'ADDED' || type === 'MODIFIED') slices.set(object)
    else if (type === 'DELETED') slices.delete(object)
    if (type !== 'BOOKMARK') this.#search.found(slices.names())
    return versionOf(object)
  }
}

function toError(object: unknown): Error {
  const { code, message, reason } = membersOf(object)
  return Object.assign(new Error(`the watch failed: ${String(message ?? reason ?? code)}`), { status: code })
}

function versionOf(object: unknown): string {
  const { resourceVersion } = membersOf(membersOf(object).metadata)
  if (typeof resourceVersion === 'string' && resourceVersion !== '') return resourceVersion
  throw new Error('an answer without a resourceVersion: is this the API of Kubernetes?')
}
