/** What a pod finds in its environment and in its files to speak with the API server. Tokens and certificates rotate there. */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import { InvalidOptionError } from '../../index.ts'
import { type HttpHeaders, type HttpOptions, readOption } from './http.ts'
import type { KubernetesHostsOptions } from './kubernetes-options.ts'

const defaultAccount = '/var/run/secrets/kubernetes.io/serviceaccount'

export interface Cluster extends Pick<HttpOptions, 'headers' | 'tls'> {
  readonly endpoint: string
  namespace(): Promise<string>
}

/**
 * Where the API server is and how this pod is known to it. Nothing of the account goes to an `endpoint` that is given, unless
 * an `account` is given too.
 *
 * @throws {InvalidOptionError} when there is no `endpoint`, and this is no pod
 */
export function inCluster(options: KubernetesHostsOptions): Cluster {
  const { endpoint = defaultEndpoint(), account = options.endpoint === undefined ? defaultAccount : undefined } =
    options
  const namespace = async () => {
    if (account === undefined) throw new Error('namespace is needed outside of a cluster')
    return (await readFile(join(account, 'namespace'), 'utf8')).trim()
  }
  if (account === undefined) return { ...options, endpoint, namespace }
  // Read before each request: a kubelet replaces the token long before it expires.
  const headers = async (): Promise<HttpHeaders> => {
    const token = (await readFile(join(account, 'token'), 'utf8')).trim()
    return { authorization: `Bearer ${token}`, ...(await readOption(options.headers)) }
  }
  const tls = async (): Promise<ConnectionOptions> => {
    return { ca: await readFile(join(account, 'ca.crt')), ...(await readOption(options.tls)) }
  }
  return { endpoint, namespace, headers, tls }
}

function defaultEndpoint(): string {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = process.env
  if (host === undefined) {
    throw new InvalidOptionError(
      'kubernetesHosts() needs an endpoint: this is no pod, KUBERNETES_SERVICE_HOST is not set'
    )
  }
  return `https://${host.includes(':') ? `[${host}]` : host}:${port}`
}
