/** What `kubernetesHosts` can be told: of which pods, by which names, and where the API server is. */

import type { HttpOptions } from './http.ts'

export interface KubernetesHostsOptions extends HttpOptions {
  /** A headless one, in most cases with `publishNotReadyAddresses`. */
  readonly service: string
  /** Default that of the pod. */
  readonly namespace?: string
  /** Of the service. It can be left out where there is only one port. */
  readonly portName?: string
  /** Default that of `local`. */
  readonly scheme?: 'http' | 'https'
  /** `pod-0.service`, for the pods of a StatefulSet; or the address of the pod. */
  readonly names: 'hostname' | 'address'
  /** Of the API server. Default that of the cluster of the pod, which is authenticated by the account of the pod. */
  readonly endpoint?: string
  /** The folder of `token`, `ca.crt` and `namespace`. Default `/var/run/secrets/kubernetes.io/serviceaccount`. */
  readonly account?: string
}
