/** Shared by what starts servers that start again on their ports: the demo, the benchmarks, the specs. */

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

const [first, count] = [20_000, 12_000]

/**
 * A free port that no outgoing conn takes while nobody listens there: below those that the system gives out. By chance, not by a
 * seed. It is given once, as long as this process runs: its server may be down, and HAProxy and BIND listen beside others on one port.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = first + Math.floor(Math.random() * count)
    const lease = await take(port)
    if (lease === undefined) continue
    if (await isFree(port)) return port
    lease.close()
  }
}

/** Of all who take ports here, one process has the UDP port that stands for it, until it ends. It is below all of those given. */
async function take(port: number) {
  const lease = createSocket('udp4').bind({ port: port - count, address: '127.0.0.1' })
  const isTaken = await succeeds(once(lease, 'listening'))
  if (isTaken) return lease.unref()
  lease.close()
  return undefined
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer().listen(port, '127.0.0.1')
  if (!(await succeeds(once(probe, 'listening')))) return false
  await once(probe.close(), 'close')
  return true
}

const succeeds = (attempt: Promise<unknown>): Promise<boolean> =>
  attempt.then(
    () => true,
    () => false
  )
