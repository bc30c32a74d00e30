/** Shared by what starts servers that start again on their ports: the demo, the benchmarks, the specs. */

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

const [first, count] = [20_000, 12_000]
/** Nearly all of them may be taken. What fails that often is something else, such as a limit of this process. */
const maxAttempts = 1000

/**
 * A free port that no outgoing conn takes while nobody listens there: below those that the system gives out. By chance, not by a
 * seed. It is given once, as long as this process runs: its server may be down, and HAProxy and BIND listen beside others on one port.
 */
export async function freePort(): Promise<number> {
  let cause: unknown
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const port = first + Math.floor(Math.random() * count)
    try {
      await take(port)
      return port
    } catch (error) {
      cause = error
    }
  }
  throw new Error(`none of ${maxAttempts} ports from ${first} to ${first + count - 1} is free: ${cause}`, { cause })
}

/** Of all who take ports here, one process has the UDP port that stands for it, until it ends. It is below all of those given. */
async function take(port: number): Promise<void> {
  // Workers of a cluster would share it.
  const lease = createSocket('udp4').bind({ port: port - count, address: '127.0.0.1', exclusive: true })
  try {
    await once(lease, 'listening')
    await lookFree(port)
    lease.unref()
  } catch (error) {
    lease.close()
    throw error
  }
}

async function lookFree(port: number): Promise<void> {
  const probe = createServer().listen({ port, host: '127.0.0.1', exclusive: true })
  await once(probe, 'listening')
  await once(probe.close(), 'close')
}
