/** A Socket.IO server with some clients, as a process: one of three that an adapter makes one. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import { setTimeout as delay, setImmediate as turnOver } from 'node:timers/promises'
import { Server } from 'socket.io'
import { io as connect, type Socket } from 'socket.io-client'
import { timedFor } from '../harness/callers.ts'
import { cpuUs, serveCommands, WrongAnswer } from '../harness/commands.ts'
import { type AdapterName, adapters, connectRedis } from './adapters.ts'

interface Start {
  readonly adapter: AdapterName
  readonly port: number
  readonly hosts: readonly string[]
  readonly redisPort: number
  readonly clients: number
}

/** Events that are emitted in one turn. */
const turn = 50

let io: Server
let redisPort = 0
const clients: Socket[] = []
/** How many events the client in the room has heard. */
let heard = 0
/** How many it had heard before those that are to come in order; undefined while none are. */
let heardBefore: number | undefined
let wrong: WrongAnswer | undefined
let onHeard: () => void = () => undefined

const commands = {
  async start({ adapter, port, hosts, redisPort: ofRedis, clients: count }: Start): Promise<void> {
    redisPort = ofRedis
    const http = createServer()
    const local = `http://127.0.0.1:${port}`
    io = new Server(http, { adapter: await adapters[adapter]({ http, local, hosts, redisPort }) })
    io.on('ask', (answer: (text: string) => void) => answer('here'))
    await once(http.listen(port, '127.0.0.1'), 'listening')
    for (let n = 0; n < count; n++) clients.push(await join(local))
    const [member] = clients
    member?.on('event', (n: number) => {
      const place = heard++ - (heardBefore ?? 0)
      if (heardBefore !== undefined && n !== place) wrong ??= new WrongAnswer(`event ${n} in the place of ${place}`)
      onHeard()
    })
    // Here, and not by the adapter: that of Redis may not hear itself yet.
    io.sockets.sockets.get(String(member?.id))?.join('room')
  },

  /** Resolves when so many servers have so many clients. */
  async ready({ servers, clients: count }: { readonly servers: number; readonly clients: number }): Promise<void> {
    for (const endMs = performance.now() + 120_000; performance.now() < endMs; ) {
      const sockets = await io.fetchSockets().catch(() => [])
      if (sockets.length === count && (await io.of('/').adapter.serverCount()) === servers) return
      await delay(20)
    }
    throw new Error('the servers do not find each other')
  },

  /** Events are to be heard in order, from now on. */
  expect(): void {
    heardBefore = heard
  },

  /** Resolves when the client in the room has heard so many of them. */
  async hear(count: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      onHeard = () => {
        if (wrong !== undefined) reject(wrong)
        else if (heard - (heardBefore ?? 0) === count) resolve()
      }
      onHeard()
    })
    heardBefore = undefined
  },

  /** Emits so many to the room. */
  async emit(count: number): Promise<void> {
    for (let n = 0; n < count; ) {
      for (const end = Math.min(n + turn, count); n < end; n++) io.to('room').emit('event', n, 'some text of an event')
      await turnOver()
    }
  },

  /** Emits one each 10 ms. */
  async trickle(count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      io.to('room').emit('event', n, 'some text of an event')
      await delay(10)
    }
  },

  /** How many it has heard in all. */
  count: () => heard,

  /** So many of each, before anything is measured: code that has run seldom is slow. */
  async warm({ count, sockets }: { readonly count: number; readonly sockets: number }): Promise<void> {
    for (let n = 0; n < count; n++) {
      await ask()
      await fetchSockets(sockets)
    }
  },

  /** One after the other, for so long: how long each took, in us. */
  ask: (ms: number): Promise<number[]> => timesOf(ms, ask),

  fetch: ({ ms, sockets }: { readonly ms: number; readonly sockets: number }): Promise<number[]> =>
    timesOf(ms, () => fetchSockets(sockets)),

  /** How many it found, or why it did not. */
  fetchOnce: async (): Promise<string> => {
    return await io.fetchSockets().then(
      ({ length }) => `${length} sockets`,
      (error) => `error: ${error.message}`
    )
  },

  /** Answers nothing any more. */
  hang(): void {
    setTimeout(() => {
      while (true);
    })
  },

  cpuUs,

  /** Of Redis, so far. */
  async redisCpuUs(): Promise<number> {
    const redis = await connectRedis(redisPort)
    const info = await redis.info('cpu')
    redis.disconnect()
    const seconds = [...info.matchAll(/^used_cpu_(?:user|sys):(\S+)/gm)].map(([, text]) => Number(text))
    return seconds.reduce((sum, each) => sum + each, 0) * 1e6
  }
}
export type ServerCommands = typeof commands
serveCommands(commands)

async function join(url: string): Promise<Socket> {
  const client = connect(url, { transports: ['websocket'], forceNew: true })
  await new Promise<void>((resolve) => client.once('connect', () => resolve()))
  return client
}

async function ask(): Promise<void> {
  const answers = await io.serverSideEmitWithAck('ask')
  if (answers.length !== 2) throw new WrongAnswer(`${answers.length} answers of 2 servers`)
}

async function fetchSockets(sockets: number): Promise<void> {
  const found = await io.fetchSockets()
  if (found.length !== sockets) throw new WrongAnswer(`${found.length} sockets, not ${sockets}`)
}

async function timesOf(ms: number, work: () => Promise<void>): Promise<number[]> {
  return (await timedFor(ms, 1, work)).map((tookMs) => tookMs * 1000)
}
