/** A port for a server that is restarted on it. */

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
