/** What broadcasts, answers of servers and lists of sockets cost, with each adapter in each round, the first one another each time. */

import type { Output } from '../harness/contest/terminal.ts'
import { median, percentile, ratios, spread } from '../harness/statistics.ts'
import { number, table } from '../harness/table.ts'
import type { AdapterName } from './adapters.ts'
import type { Cluster } from './cluster.ts'

export interface Plan {
  readonly rounds: number
  readonly ms: number
  readonly events: number
  /** Questions of each kind before the first round. */
  readonly warm: number
}

interface Round {
  readonly eventsPerSecond: number
  readonly cpuUsPerEvent: number
  readonly asks: readonly number[]
  readonly cpuUsPerAsk: number
  readonly fetches: readonly number[]
  readonly cpuUsPerFetch: number
}

/** The first round of each does not count. */
export async function measureRates(clusters: readonly Cluster[], plan: Plan, output: Output): Promise<string> {
  const rounds = new Map<AdapterName, Round[]>(clusters.map(({ adapter }) => [adapter, []]))
  for (const { adapter, children, sockets } of clusters) {
    output.progress(`warming up: ${adapter}`)
    await Promise.all(children.map((child) => child.ask('warm', { count: plan.warm, sockets })))
  }
  for (let round = 0; round <= plan.rounds; round++) {
    for (const at of clusters.keys()) {
      const cluster = clusters[(round + at) % clusters.length] as Cluster
      output.progress(`round ${round} of ${plan.rounds}: ${cluster.adapter}`)
      const measured = await measureRound(cluster, plan)
      if (round > 0) rounds.get(cluster.adapter)?.push(measured)
    }
  }
  const floor = rounds.get('redis')?.map(({ eventsPerSecond }) => eventsPerSecond)
  return table(
    [
      'adapter',
      'broadcasts/s',
      'from - to',
      'x redis',
      'us of CPU',
      'serverSideEmitWithAck p50 us',
      'p99 us',
      'us of CPU',
      'fetchSockets p50 us',
      'p99 us',
      'us of CPU'
    ],
    [...rounds].map(([adapter, measured]) => [adapter, ...cellsOf(measured, floor)])
  )
}

function cellsOf(rounds: readonly Round[], floor: readonly number[] | undefined): string[] {
  const rates = rounds.map(({ eventsPerSecond }) => eventsPerSecond)
  const { median: rate, min, max } = spread(rates)
  const asks = rounds.flatMap((round) => round.asks)
  const fetches = rounds.flatMap((round) => round.fetches)
  return [
    ...[number(rate), `${number(min)} - ${number(max)}`],
    floor === undefined ? '-' : number(ratios(rates, floor).median, 2),
    number(median(rounds.map(({ cpuUsPerEvent }) => cpuUsPerEvent))),
    ...timesOf(asks),
    number(median(rounds.map(({ cpuUsPerAsk }) => cpuUsPerAsk))),
    ...timesOf(fetches),
    number(median(rounds.map(({ cpuUsPerFetch }) => cpuUsPerFetch)))
  ]
}

function timesOf(times: readonly number[]): string[] {
  return [0.5, 0.99].map((part) => number(percentile(times, part)))
}

async function measureRound(cluster: Cluster, { ms, events }: Plan): Promise<Round> {
  const [first] = cluster.children
  if (first === undefined) throw new Error('a cluster has servers')
  await Promise.all(cluster.children.map((child) => child.ask('expect')))
  const beforeUs = await totalCpuUs(cluster)
  const startMs = performance.now()
  const heard = cluster.children.map((child) => child.ask('hear', events))
  await first.ask('emit', events)
  await Promise.all(heard)
  const tookMs = performance.now() - startMs
  const cpuUsPerEvent = ((await totalCpuUs(cluster)) - beforeUs) / events
  const [asks, cpuUsPerAsk] = await withCpu(cluster, () => first.ask('ask', ms))
  const [fetches, cpuUsPerFetch] = await withCpu(cluster, () => first.ask('fetch', { ms, sockets: cluster.sockets }))
  return { eventsPerSecond: (events / tookMs) * 1000, cpuUsPerEvent, asks, cpuUsPerAsk, fetches, cpuUsPerFetch }
}

/** How long each took, and what CPU each was on average. */
async function withCpu(cluster: Cluster, work: () => Promise<number[]>): Promise<[times: number[], cpuUs: number]> {
  const beforeUs = await totalCpuUs(cluster)
  const times = await work()
  return [times, ((await totalCpuUs(cluster)) - beforeUs) / times.length]
}

async function totalCpuUs({ children, redis }: Cluster): Promise<number> {
  const each = await Promise.all(children.map((child) => child.ask('cpuUs')))
  const ofRedis = redis === undefined ? 0 : ((await children[0]?.ask('redisCpuUs')) ?? 0)
  return each.reduce((sum, us) => sum + us, ofRedis)
}
