/** The near end: this process, connected to a far end in a process of its own, over a WebSocket on loopback. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Connection, GridStream, Manager } from '../../lib/index.ts'
import { Child } from '../harness/commands.ts'
import { connectGrid } from '../harness/grid.ts'
import { held, type Memory, memoryNow, mib, perThing } from '../harness/memory.ts'
import { number, table } from '../harness/table.ts'
import type { FarCommands } from './far.ts'
import { countsOf, echoes, grid, isIdle, type news, options } from './grid.ts'

export interface Ends {
  readonly far: Child<FarCommands>
  readonly manager: Manager
  /** The near end's connection to the far end. */
  readonly peer: Connection
  close(): Promise<void>
}

const pollMs = 5
const idleTimeoutMs = 30_000

export async function connectEnds(): Promise<Ends> {
  const far = new Child<FarCommands>(new URL('./far.ts', import.meta.url))
  const { manager, peer } = await connectGrid(grid, options, await far.ask('address'))
  const close = async () => {
    await manager.close({ timeout: 100 })
    await far.stop()
  }
  return { far, manager, peer, close }
}

export interface BothMemories {
  readonly near: Memory
  readonly far: Memory
}

export async function memoryOf({ far }: Ends): Promise<BothMemories> {
  return { near: await memoryNow(), far: await far.ask('memory') }
}

/** What both ends hold before, with, and after `count` things. */
export function stagesTable(
  [during, each]: readonly [during: string, each: string],
  stages: readonly [before: BothMemories, during: BothMemories, after: BothMemories],
  count: number
): string {
  const rows = (['near', 'far'] as const).map((end) => {
    const [before, during] = stages
    const cost = `${number(held(perThing(before[end], during[end], count)))} B`
    return [end === 'near' ? 'caller' : 'handler', ...stages.map((stage) => mib(held(stage[end]))), cost]
  })
  return table(['end', 'before', during, 'after', each], rows)
}

/** Waits until nothing is open, runs or waits on either end. */
export async function assertIdle({ far, manager }: Ends): Promise<void> {
  const deadlineMs = performance.now() + idleTimeoutMs
  for (;;) {
    const both = [countsOf(manager), await far.ask('counts')]
    if (both.every(isIdle)) return
    if (performance.now() > deadlineMs) throw new Error(`left behind: ${JSON.stringify(both)}`)
    await delay(pollMs)
  }
}

/** Opens `count` two-way streams; a message has gone each way on each of them when it resolves. */
export async function openEchoes({ peer }: Ends, count: number): Promise<GridStream<Uint8Array, Uint8Array>[]> {
  const streams = Array.from({ length: count }, () => peer.newStream(echoes))
  const exchange = async (stream: GridStream<Uint8Array, Uint8Array>, index: number) => {
    const payload = numbered(index)
    const [, { value }] = await Promise.all([stream.send(payload), stream.responses.next()])
    if (value === undefined || Buffer.compare(value, payload) !== 0) throw new Error('a message came back changed')
  }
  await Promise.all(streams.map(exchange))
  return streams
}

/** Ends the requests of each, and sees each end. */
export async function endEchoes(streams: readonly GridStream<Uint8Array, Uint8Array>[]): Promise<void> {
  await Promise.all(
    streams.map(async (stream) => {
      stream.requests.end()
      const { done } = await stream.responses.next()
      const { how } = await stream.closed
      if (done !== true || how !== 'ended') throw new Error(`a stream ${how} in place of ending`)
    })
  )
}

export type News = typeof news

/** Opens `count` streams of responses only, each of which has sent one. */
export async function openNews({ peer }: Ends, definition: News, count: number) {
  const streams = Array.from({ length: count }, () => peer.newStream(definition))
  await Promise.all(streams.map((stream) => stream.responses.next()))
  return streams
}

/** Makes `count` requests that the far end holds; all have arrived there when it resolves. */
export async function holdRequests({ far, peer }: Ends, count: number): Promise<Promise<Uint8Array>[]> {
  const answers = Array.from({ length: count }, (_, index) => peer.request('hold', numbered(index)))
  while ((await far.ask('held')) < count) await delay(pollMs)
  return answers
}

/** Lets the far end answer them all. */
export async function releaseRequests({ far }: Ends, answers: readonly Promise<Uint8Array>[]): Promise<void> {
  await far.ask('release')
  for (const [index, answer] of answers.entries()) {
    const payload = Buffer.from(await answer)
    if (payload.length !== 4 || payload.readUInt32LE(0) !== index)
      throw new Error('an answer is not that of its request')
  }
}

const payloadBytes = 64

function numbered(index: number): Uint8Array {
  const payload = Buffer.alloc(payloadBytes)
  payload.writeUInt32LE(index)
  return payload
}
