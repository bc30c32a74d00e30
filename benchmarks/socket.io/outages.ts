/** What an adapter does when a server that is asked is killed, and when its Redis is away for two seconds. */

import { setTimeout as delay } from 'node:timers/promises'
import { startRedis } from '../harness/redis-server.ts'
import { table } from '../harness/table.ts'
import type { AdapterName } from './adapters.ts'
import { type Cluster, openCluster } from './cluster.ts'

/** Long enough for all others to have answered. */
const hangMs = 500
const outageMs = 2000
const events = 300
/** Longer than any adapter waits. */
const patienceMs = 30_000

export async function measureOutages(adapters: readonly AdapterName[]): Promise<string> {
  const rows: string[][] = []
  for (const adapter of adapters) {
    rows.push([adapter, ...(await withCluster(adapter, killServer)), ...(await withCluster(adapter, killRedis))])
  }
  const header = [
    'adapter',
    'fetchSockets that was waiting for a killed server',
    'answered after the kill',
    'fetchSockets is right again',
    `of ${events} events, Redis away for ${outageMs / 1000} s, another server heard`,
    'fetchSockets meanwhile'
  ]
  return table(header, rows)
}

async function killServer({ children: [first, , victim] }: Cluster): Promise<string[]> {
  await victim.ask('hang')
  await delay(100)
  const answer = timed(() => first.ask('fetchOnce'))
  await delay(hangMs)
  const killedMs = performance.now()
  await victim.stop()
  const { value, endMs } = await answer
  return [value, ms(endMs - killedMs), await untilRight(first, '2 sockets', killedMs)]
}

async function killRedis(cluster: Cluster): Promise<string[]> {
  const [first, second] = cluster.children
  // Gaps are what is measured.
  const before = await second.ask('count')
  const emitted = first.ask('trickle', events)
  await delay(200)
  await cluster.redis?.kill()
  const meanwhile = timed(() => first.ask('fetchOnce'))
  await delay(outageMs)
  if (cluster.redis !== undefined) cluster.redis = await startRedis(cluster.redisPort)
  await emitted
  const { value, startMs, endMs } = await meanwhile
  await delay(outageMs)
  return [`${(await second.ask('count')) - before}`, `${value} after ${ms(endMs - startMs)}`]
}

/** With a cluster of its own, of a client at each server. */
async function withCluster(adapter: AdapterName, kill: (cluster: Cluster) => Promise<string[]>): Promise<string[]> {
  const cluster = await openCluster(adapter, 1)
  try {
    return await kill(cluster)
  } finally {
    await cluster.close()
  }
}

async function untilRight(server: Cluster['children'][0], wanted: string, sinceMs: number): Promise<string> {
  for (const endMs = performance.now() + patienceMs; performance.now() < endMs; ) {
    if ((await server.ask('fetchOnce')) === wanted) return `after ${ms(performance.now() - sinceMs)}`
  }
  return 'never'
}

async function timed<T>(work: () => Promise<T>) {
  const startMs = performance.now()
  const value = await work()
  return { value, startMs, endMs: performance.now() }
}

function ms(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`
}
