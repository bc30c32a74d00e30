/** Ports for servers that are restarted on them. By chance, not by a seed: two runs of one spec on a machine must not meet. */

import { once } from 'node:events'
import { createServer } from 'node:net'

/** A free port that no outgoing conn takes while nobody listens there: below those that the system gives out. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const probe = createServer()
    const free = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false))
      probe.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!free) continue
    probe.close()
    await once(probe, 'close')
    return port
  }
}

/** As many, no two of them the same. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < count) ports.add(await freePort())
  return [...ports]
}
