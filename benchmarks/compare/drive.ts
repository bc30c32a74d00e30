/**
 * Runs one workload against a connected client for about so long, and checks every answer.
 *
 * Streams end when all that was planned arrived. How much to plan comes from the run before, so that fast and slow
 * contestants run equally long; the first run of a workload, the warm-up, finds it out by doubling.
 */

import { checkAnswer, checkStreams } from './checks.ts'
import type { ClientSide, Contestant, StreamPlan } from './contestant.ts'
import { probe } from './latency.ts'
import { ringOf } from './messages.ts'
import type { LatencyWorkload, OperationWorkload, RequestWorkload, StreamWorkload, Workload } from './workloads.ts'

export interface Driven {
  readonly operations: number
  readonly latenciesMs?: readonly number[]
}

/** Streams of a round start at different messages: this far apart in the ring. */
const firstStep = 37
/** With the first plan of a warm-up. */
const firstCount = 16

/** Messages per ms by workload, as of the last run. */
const rates = new Map<string, number>()

export async function drive(
  contestant: Contestant,
  client: ClientSide,
  workload: Workload,
  ms: number
): Promise<Driven> {
  if (workload.kind === 'request') return await driveRequests(client, workload, ms)
  if (workload.kind === 'latency') return await driveLatency(contestant, client, workload, ms)
  if (workload.kind === 'operation') return await driveOperations(client, workload, ms)
  return { operations: await driveStreams(contestant, client, workload, ms) }
}

async function driveRequests(client: ClientSide, workload: RequestWorkload, ms: number): Promise<Driven> {
  if (client.request === undefined) throw new Error('it makes no requests')
  const request = client.request.bind(client)
  const ring = ringOf(workload.bytes)
  let operations = 0
  let next = 0
  let isOver = false
  const call = async (): Promise<void> => {
    while (!isOver) {
      const payload = ring.at(next++)
      checkAnswer(await request(payload), payload)
      operations++
    }
  }
  setTimeout(() => {
    isOver = true
  }, ms)
  await Promise.all(Array.from({ length: workload.callers }, call))
  return { operations }
}

async function driveOperations(client: ClientSide, { callers }: OperationWorkload, ms: number): Promise<Driven> {
  if (client.operate === undefined) throw new Error('it has no operation')
  const operate = client.operate.bind(client)
  const latenciesMs: number[] = []
  let isOver = false
  const call = async (): Promise<void> => {
    while (!isOver) {
      const startMs = performance.now()
      await operate()
      latenciesMs.push(performance.now() - startMs)
    }
  }
  setTimeout(() => {
    isOver = true
  }, ms)
  await Promise.all(Array.from({ length: callers }, call))
  return { operations: latenciesMs.length, latenciesMs }
}

async function driveLatency(
  contestant: Contestant,
  client: ClientSide,
  workload: LatencyWorkload,
  ms: number
): Promise<Driven> {
  if (client.request === undefined) throw new Error('it makes no requests')
  const probing = probe(client.request.bind(client), workload)
  const bulk = { ...workload, kind: 'server-stream', streams: 1 } as const
  const driven = driveStreams(contestant, client, bulk, ms)
  const [operations, latenciesMs] = await Promise.all([driven, probing.until(driven)])
  return { operations, latenciesMs }
}

/** Returns how many messages arrived. */
async function driveStreams(
  contestant: Contestant,
  client: ClientSide,
  workload: StreamWorkload,
  ms: number
): Promise<number> {
  const known = rates.get(workload.id)
  if (known !== undefined) return await runStreams(contestant, client, workload, known * ms)
  const endMs = performance.now() + ms
  let operations = 0
  for (let count = firstCount; performance.now() < endMs; ) {
    const startMs = performance.now()
    operations += await runStreams(contestant, client, workload, count)
    // Doubled until a run takes a good part of the time, so that what starting costs does not show.
    if (performance.now() - startMs < ms / 4) count *= 2
  }
  return operations
}

async function runStreams(
  contestant: Contestant,
  client: ClientSide,
  { id, kind, streams, bytes }: StreamWorkload,
  messages: number
): Promise<number> {
  const run = kind === 'server-stream' ? client.serverStreams : client.echoStreams
  if (run === undefined) throw new Error('it has no such streams')
  const count = Math.max(1, Math.ceil(messages / streams))
  const plans = Array.from({ length: streams }, (_, i): StreamPlan => ({ bytes, count, first: i * firstStep }))
  const startMs = performance.now()
  await checkStreams(plans, contestant.streamsBytes === true, run.bind(client))
  rates.set(id, (count * streams) / (performance.now() - startMs))
  return count * streams
}
