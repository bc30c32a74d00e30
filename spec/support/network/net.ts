/** The network between server processes of one machine, as faults can be done to it: one proxy for each pair. */

import { dialerOf } from '../../../lib/index.ts'
import { type Direction, FaultProxy } from './fault-proxy.ts'

export interface Net {
  readonly proxies: readonly FaultProxy[]
  /** Those between `name` and the others. */
  around(name: string): FaultProxy[]
  /** Where each of `names` finds the others. */
  urlsFor(name: string): Record<string, string>
  close(): Promise<void>
}

export async function makeNet(names: readonly string[], ports: readonly number[]): Promise<Net> {
  const proxies = new Map<string, FaultProxy>()
  for (const [number, name] of names.entries()) {
    for (const dialer of names) {
      if (dialer === name || dialerOf(dialer, name) !== dialer) continue
      const target = { host: '127.0.0.1', port: ports[number] ?? 0 }
      proxies.set(`${dialer} ${name}`, await FaultProxy.start({ host: '127.0.0.1', port: 0 }, target))
    }
  }
  return {
    proxies: [...proxies.values()],
    around: (name) => [...proxies].flatMap(([pair, proxy]) => (pair.split(' ').includes(name) ? [proxy] : [])),
    urlsFor: (dialer) =>
      Object.fromEntries(
        names.flatMap((name) => {
          const proxy = proxies.get(`${dialer} ${name}`)
          return proxy === undefined ? [] : [[name, `http://127.0.0.1:${proxy.port}`]]
        })
      ),
    async close() {
      await Promise.all([...proxies.values()].map((proxy) => proxy.close()))
    }
  }
}

export const directions: readonly Direction[] = ['toDialer', 'toListener']
