/** The near end: this process, connected to a far end in a process of its own, over a WebSocket on loopback. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Connection, GridStream, Manager } from '../../lib/index.ts'
import { Child } from '../harness/commands.ts'
import { connectGrid } from '../harness/grid.ts'
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

/** Something that many of can be open, or under way, between the two ends. */
export interface Things<Opened> {
  open(ends: Ends, count: number): Promise<Opened>
  end(ends: Ends, opened: Opened): Promise<void>
}

type Echoes = readonly GridStream<Uint8Array, Uint8Array>[]

/** Two-way streams, on each of which a message has gone each way. Each is seen to end. */
export const echoStreams: Things<Echoes> = {
  async open({ peer }, count) {
    const streams = Array.from({ length: count }, () => peer.newStream(echoes))
    const exchange = async (stream: GridStream<Uint8Array, Uint8Array>, index: number) => {
      const payload = numbered(index)
      const [, { value }] = await Promise.all([stream.send(payload), stream.responses.next()])
      if (value === undefined || Buffer.compare(value, payload) !== 0) throw new Error('a message came back changed')
    }
    await Promise.all(streams.map(exchange))
    return streams
  },
  async end(_ends, streams) {
    const end = async ({ requests, responses, closed }: GridStream<Uint8Array, Uint8Array>) => {
      requests.end()
      const { done } = await responses.next()
      const { how } = await closed
      if (done !== true || how !== 'ended') throw new Error(`a stream ${how} in place of ending`)
    }
    await Promise.all(streams.map(end))
  }
}

/** Streams of responses only, each of which has sent one. */
export function responseStreams(definition: typeof news): Things<readonly GridStream<never, Uint8Array>[]> {
  return {
    async open({ peer }, count) {
      const streams = Array.from({ length: count }, () => peer.newStream(definition))
      await Promise.all(streams.map((stream) => stream.responses.next()))
      return streams
    },
    async end(_ends, streams) {
      for (const stream of streams) stream.cancel()
    }
  }
}

/** Requests that the far end holds until it answers all of them. */
export const heldRequests: Things<readonly Promise<Uint8Array>[]> = {
  async open({ far, peer }, count) {
    const answers = Array.from({ length: count }, (_, index) => peer.request('hold', numbered(index)))
    while ((await far.ask('held')) < count) await delay(pollMs)
    return answers
  },
  async end({ far }, answers) {
    await far.ask('release')
    for (const [index, answer] of answers.entries()) {
      const payload = Buffer.from(await answer)
      const isOwn = payload.length === 4 && payload.readUInt32LE(0) === index
      if (!isOwn) throw new Error('an answer is not that of its request')
    }
  }
}

function numbered(index: number): Uint8Array {
  const payload = Buffer.alloc(64)
  payload.writeUInt32LE(index)
  return payload
}
