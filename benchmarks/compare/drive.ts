/**
 * Runs one workload at a connected client for about so long, and checks every answer.
 *
 * Streams end when all that was planned arrived. How much to plan comes from the run before, so that fast and slow
 * contestants run equally long; the first run of a workload, the warm-up, finds it out by doubling.
 */

import { atOnce, during } from '../harness/callers.ts'
import type { Drive, Driven } from '../harness/contest/contestant.ts'
import { latenciesBeside } from '../harness/steady.ts'
import { checkAnswer, checkStreams } from './checks.ts'
import type { ClientSide, StreamPlan } from './contestant.ts'
import { ringOf } from './messages.ts'
import type { LatencyWorkload, RequestWorkload, StreamWorkload, Workload } from './workloads.ts'

/** Streams of a round start at different messages: this far apart in the ring. */
const firstStep = 37
/** With the first plan of a warm-up. */
const firstCount = 16

/** Messages per ms by workload, as of the last run. */
const rates = new Map<string, number>()

export const drive: Drive<ClientSide, Workload> = async (client, workload, ms) => {
  if (workload.kind === 'request') return await driveRequests(client, workload, ms)
  if (workload.kind === 'latency') return await driveLatency(client, workload, ms)
  return { operations: await driveStreams(client, workload, ms) }
}

async function driveRequests(client: ClientSide, { callers, bytes }: RequestWorkload, ms: number): Promise<Driven> {
  const ring = ringOf(bytes)
  let operations = 0
  let next = 0
  const goesOn = during(ms)
  await atOnce(callers, async () => {
    while (goesOn()) {
      const payload = ring.at(next++)
      checkAnswer(await client.request(payload), payload)
      operations++
    }
  })
  return { operations }
}

async function driveLatency(client: ClientSide, workload: LatencyWorkload, ms: number): Promise<Driven> {
  const bulk = driveStreams(client, { ...workload, kind: 'server-stream', streams: 1 }, ms)
  const ring = ringOf(workload.requestBytes)
  const latencies = latenciesBeside(bulk, workload.everyMs, async (index) => {
    const payload = ring.at(index)
    checkAnswer(await client.request(payload), payload)
  })
  const [operations, latenciesMs] = await Promise.all([bulk, latencies])
  return { operations, latenciesMs }
}

/** Returns how many messages arrived. */
async function driveStreams(client: ClientSide, workload: StreamWorkload, ms: number): Promise<number> {
  const known = rates.get(workload.id)
  if (known !== undefined) return await runStreams(client, workload, known * ms)
  const endMs = performance.now() + ms
  let operations = 0
  for (let count = firstCount; performance.now() < endMs; ) {
    const startMs = performance.now()
    operations += await runStreams(client, workload, count)
    // Doubled until a run takes a good part of the time, so that what starting costs does not show.
    if (performance.now() - startMs < ms / 4) count *= 2
  }
  return operations
}

async function runStreams(client: ClientSide, { id, kind, streams, bytes }: StreamWorkload, messages: number) {
  const run = kind === 'server-stream' ? client.serverStreams : client.echoStreams
  if (run === undefined) throw new Error('it has no such streams')
  const count = Math.max(1, Math.ceil(messages / streams))
  const plans = Array.from({ length: streams }, (_, i): StreamPlan => ({ bytes, count, first: i * firstStep }))
  const startMs = performance.now()
  await checkStreams(plans, client.streamsBytes === true, run)
  rates.set(id, (count * streams) / (performance.now() - startMs))
  return count * streams
}
