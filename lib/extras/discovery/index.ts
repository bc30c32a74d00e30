/**
 * `it-grid/discovery`: the hosts of a grid from DNS, a file, etcd, Consul or Kubernetes, as the `hosts` of a manager.
 *
 * Each source keeps its last good list through bad answers and drops a host only after `keepMs`. It never throws once it is made.
 */

export { type ConsulHostsOptions, consulHosts } from './consul.ts'
export { type DnsHostsOptions, type DnsResolver, dnsHosts } from './dns.ts'
export { type EtcdHostsOptions, etcdHosts } from './etcd.ts'
export { fileHosts } from './file.ts'
export type { HttpHeaders, HttpOptions } from './http.ts'
export { kubernetesHosts } from './kubernetes.ts'
export type { KubernetesHostsOptions } from './kubernetes-options.ts'
export type { DiscoveryOptions, PollOptions } from './options.ts'
export type { HostSource } from './source.ts'
