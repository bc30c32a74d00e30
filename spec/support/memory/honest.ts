/**
 * The process of the honest peers: each calls the victim at a steady pace, and counts answers and how long they took.
 */

import { once } from 'node:events'
import type { Manager } from '../../../lib/index.ts'
import { paced } from '../clock/pace.ts'
import { testManager } from '../grid/manager.ts'
import { until } from '../until.ts'
import type { HonestResult, ToHonest } from './messages.ts'

const timeout = paced(10_000)
const payload = Buffer.alloc(100, 'honest ')
const managers = new Map<string, Manager>()

/** Its manager, which stays between the measurements. */
async function managerOf(host: string, url: string): Promise<Manager> {
  const known = managers.get(host)
  if (known !== undefined) return known
  const manager = testManager({ local: host, hosts: [host, url] })
  managers.set(host, manager)
  await manager.connection(url).waitForConnect({ signal: AbortSignal.timeout(timeout) })
  return manager
}

async function run({ url, hosts, everyMs, forMs }: ToHonest): Promise<HonestResult> {
  const connections = await Promise.all(hosts.map(async (host) => (await managerOf(host, url)).connection(url)))
  const times: number[] = []
  const failures: string[] = []
  let calls = 0
  let pending = 0
  const call = async (connection: (typeof connections)[number]) => {
    const startMs = performance.now()
    calls++
    pending++
    try {
      const answer = await connection.request('echo', payload, { timeout })
      if (!payload.equals(answer)) throw new Error('another answer')
      times.push(performance.now() - startMs)
    } catch (error) {
      failures.push(String(error))
    } finally {
      pending--
    }
  }
  const startMs = performance.now()
  const timer = setInterval(() => {
    for (const connection of connections) call(connection)
  }, everyMs)
  await until(() => performance.now() - startMs > forMs, 'the time is over', forMs + 60_000)
  clearInterval(timer)
  const seconds = (performance.now() - startMs) / 1000
  const answeredInTime = times.length
  await until(() => pending === 0, 'every call has settled', 2 * timeout)
  times.sort((a, b) => a - b)
  const at = (part: number) => times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? Number.NaN
  return {
    calls,
    answered: times.length,
    failures: failures.slice(0, 5),
    perSecond: answeredInTime / seconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    maxMs: at(1)
  }
}

process.on('message', async (message: ToHonest) => {
  process.send?.(await run(message))
})
once(process, 'disconnect').then(() => process.exit())
