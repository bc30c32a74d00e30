/** Ports for servers that are restarted on them. */

import { once } from 'node:events'
import { createServer } from 'node:net'
import { wholeBelow } from '../random.ts'

/** A free port that no outgoing conn takes while nobody listens there: below those that the system gives out. */
export async function freePort(random: () => number): Promise<number> {
  for (;;) {
    const port = 20_000 + wholeBelow(random, 12_000)
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
export async function freePorts(count: number, random: () => number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < count) ports.add(await freePort(random))
  return [...ports]
}
