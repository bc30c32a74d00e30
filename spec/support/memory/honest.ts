/** The process of the honest peers: each calls the victim at a steady pace, and counts answers and how long they took. */

import { percentile } from '../../../benchmarks/harness/statistics.ts'
import type { Connection } from '../../../lib/index.ts'
import { paced } from '../clock/pace.ts'
import { dialerTo, testManager } from '../grid/manager.ts'
import { obey } from '../process/obey.ts'
import { until } from '../until.ts'
import { victimName } from './processes.ts'

export type HonestWords = typeof words
export type HonestResult = Awaited<ReturnType<HonestWords['call']>>

const timeout = paced(10_000)
const payload = Buffer.alloc(100, 'honest ')
/** They stay between the measurements. */
const connections = new Map<string, Connection>()

async function connect(host: string, url: string): Promise<void> {
  if (connections.has(host)) return
  const manager = testManager({ local: host, hosts: [victimName], dialer: dialerTo(() => url) })
  connections.set(host, manager.connection(victimName))
  await connections.get(host)?.waitForConnect({ signal: AbortSignal.timeout(timeout) })
}

const words = {
  /** Each of `hosts` makes a call every so many ms, for so long. */
  async call(url: string, hosts: readonly string[], everyMs: number, forMs: number) {
    await Promise.all(hosts.map((host) => connect(host, url)))
    const times: number[] = []
    const failures: string[] = []
    let calls = 0
    let pending = 0
    const call = async (connection: Connection) => {
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
      for (const connection of connections.values()) call(connection)
    }, everyMs)
    await until(() => performance.now() - startMs > forMs, 'the time is over', forMs + 60_000)
    clearInterval(timer)
    const perSecond = times.length / ((performance.now() - startMs) / 1000)
    await until(() => pending === 0, 'every call has settled', 2 * timeout)
    const [p50Ms, p99Ms, maxMs] = [0.5, 0.99, 1].map((part) => percentile(times, part)) as [number, number, number]
    return { calls, answered: times.length, failures: failures.slice(0, 5), perSecond, p50Ms, p99Ms, maxMs }
  }
}
obey(words)
