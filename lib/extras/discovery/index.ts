/**
 * `it-grid/discovery`: the hosts of a grid from DNS or a file, as the `hosts` of a manager.
 *
 * Each source keeps its last good list through bad answers and drops a host only after `keepMs`. It never throws once it is made.
 */

export { type DnsHostsOptions, type DnsResolver, dnsHosts } from './dns.ts'
export { fileHosts } from './file.ts'
export type { DiscoveryOptions, PollOptions } from './options.ts'
export type { HostSource } from './source.ts'
