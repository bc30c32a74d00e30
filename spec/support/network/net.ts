/** The network between server processes of one machine, as faults can be done to it: one proxy for each pair. */

import { type FaultProxy, faultProxy } from '../../../lib/extras/testing/index.ts'
import { dialerOf } from '../../../lib/index.ts'
import type { ServerInit } from '../process/server.ts'
import { freePorts } from './free-port.ts'

export interface Net {
  readonly proxies: readonly FaultProxy[]
  /** Those between `name` and the others. */
  around(name: string): FaultProxy[]
  /** Where `name` is, and where it finds the others. */
  initOf(name: string): ServerInit
  close(): Promise<void>
}

export async function makeNet(hosts: readonly string[]): Promise<Net> {
  const ports = await freePorts(hosts.length)
  const portOf = new Map(ports.map((port, n) => [hosts[n] as string, port]))
  const proxies = new Map<string, FaultProxy>()
  for (const [name, port] of portOf) {
    for (const dialer of hosts) {
      if (dialer === name || dialerOf(dialer, name) !== dialer) continue
      proxies.set(`${dialer} ${name}`, await faultProxy({ port }))
    }
  }
  const urlsFor = (dialer: string) =>
    hosts.flatMap((name): [string, string][] => {
      const proxy = proxies.get(`${dialer} ${name}`)
      return proxy === undefined ? [] : [[name, proxy.url]]
    })
  return {
    proxies: [...proxies.values()],
    around: (name) => [...proxies].flatMap(([pair, proxy]) => (pair.split(' ').includes(name) ? [proxy] : [])),
    initOf: (local) => ({ local, hosts, port: portOf.get(local), urls: Object.fromEntries(urlsFor(local)) }),
    async close() {
      await Promise.all([...proxies.values()].map((proxy) => proxy.close()))
    }
  }
}
