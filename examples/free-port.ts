/** Shared by what starts servers that start again on their ports: the demo, the benchmarks, the specs. */

import { once } from 'node:events'
import { createServer } from 'node:net'

/** A free port that no outgoing conn takes while nobody listens there: below those that the system gives out. By chance, not by a seed. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const probe = createServer().listen(port, '127.0.0.1')
    const isFree = await once(probe, 'listening').then(
      () => true,
      () => false
    )
    if (!isFree) continue
    await once(probe.close(), 'close')
    return port
  }
}
