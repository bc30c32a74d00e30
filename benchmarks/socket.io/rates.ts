/** What broadcasts, answers of servers and lists of sockets cost, with each adapter in each round, the first one another each time. */

import type { Output } from '../harness/contest/terminal.ts'
import { median, percentile, ratios, rotated, spread } from '../harness/statistics.ts'
import { number, table } from '../harness/table.ts'
import type { Cluster } from './cluster.ts'

export interface Plan {
  readonly rounds: number
  readonly ms: number
  readonly events: number
  /** Questions of each kind before the first round. */
  readonly warm: number
}

type Round = Awaited<ReturnType<typeof measureRound>>

/** Questions of one kind: how long each took, in us, and what CPU each was on average. */
interface Asked {
  readonly times: readonly number[]
  readonly cpuUs: number
}

const header = [
  ...['adapter', 'broadcasts/s', 'from - to', 'x redis', 'us of CPU'],
  ...['serverSideEmitWithAck', 'fetchSockets'].flatMap((asked) => [`${asked} p50 us`, 'p99 us', 'us of CPU'])
]

/** The first round of each does not count. */
export async function measureRates(clusters: readonly Cluster[], plan: Plan, output: Output): Promise<string> {
  const all = clusters.map((cluster) => ({ cluster, rounds: [] as Round[] }))
  for (const { adapter, children, sockets } of clusters) {
    output.progress(`warming up: ${adapter}`)
    await Promise.all(children.map((child) => child.ask('warm', { count: plan.warm, sockets })))
  }
  for (let round = 0; round <= plan.rounds; round++) {
    for (const { cluster, rounds } of rotated(all, round)) {
      output.progress(`round ${round} of ${plan.rounds}: ${cluster.adapter}`)
      const measured = await measureRound(cluster, plan)
      if (round > 0) rounds.push(measured)
    }
  }
  const floor = all.find(({ cluster }) => cluster.adapter === 'redis')?.rounds.map(({ perSecond }) => perSecond)
  const rows = all.map(({ cluster, rounds }) => [cluster.adapter, ...cellsOf(rounds, floor)])
  return table(header, rows)
}

function cellsOf(rounds: readonly Round[], floor: readonly number[] | undefined): string[] {
  const rates = rounds.map(({ perSecond }) => perSecond)
  const { median: rate, min, max } = spread(rates)
  return [
    ...[number(rate), `${number(min)} - ${number(max)}`],
    floor === undefined ? '-' : number(ratios(rates, floor).median, 2),
    number(median(rounds.map(({ cpuUs }) => cpuUs))),
    ...askedCells(rounds.map(({ asks }) => asks)),
    ...askedCells(rounds.map(({ fetches }) => fetches))
  ]
}

function askedCells(rounds: readonly Asked[]): string[] {
  const times = rounds.flatMap((round) => round.times)
  return [percentile(times, 0.5), percentile(times, 0.99), median(rounds.map(({ cpuUs }) => cpuUs))].map((us) =>
    number(us)
  )
}

async function measureRound(cluster: Cluster, { ms, events }: Plan) {
  const { children, sockets } = cluster
  const [first] = children
  await Promise.all(children.map((child) => child.ask('expect')))
  const { elapsedMs, cpuUs } = await costOf(cluster, async () => {
    const heard = children.map((child) => child.ask('hear', events))
    await first.ask('emit', events)
    await Promise.all(heard)
  })
  const asks = await asked(cluster, () => first.ask('ask', ms))
  const fetches = await asked(cluster, () => first.ask('fetch', { ms, sockets }))
  return { perSecond: (events / elapsedMs) * 1000, cpuUs: cpuUs / events, asks, fetches }
}

async function asked(cluster: Cluster, work: () => Promise<number[]>): Promise<Asked> {
  const { value: times, cpuUs } = await costOf(cluster, work)
  return { times, cpuUs: cpuUs / times.length }
}

/** CPU is that of all servers and of Redis. */
async function costOf<T>(cluster: Cluster, work: () => Promise<T>) {
  const beforeUs = await totalCpuUs(cluster)
  const startMs = performance.now()
  const value = await work()
  const elapsedMs = performance.now() - startMs
  return { value, elapsedMs, cpuUs: (await totalCpuUs(cluster)) - beforeUs }
}

async function totalCpuUs({ children, redis }: Cluster): Promise<number> {
  const each = await Promise.all(children.map((child) => child.ask('cpuUs')))
  const ofRedis = redis === undefined ? 0 : await children[0].ask('redisCpuUs')
  return each.reduce((sum, us) => sum + us, ofRedis)
}
