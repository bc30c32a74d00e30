/**
 * What a lock service does when a server is killed while somebody has a lock: who is told, who gets the lock next, and whether two
 * believe to have it at once.
 */

import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../../examples/free-port.ts'
import { Child, messageOf } from '../harness/commands.ts'
import { besides } from '../harness/library.ts'
import { type RedisServer, startRedis } from '../harness/redis-server.ts'
import { table } from '../harness/table.ts'
import { connectClient } from './contestants/lock-client.ts'
import type { ServerCommands } from './killed-server.ts'

/** How long a grant lasts. */
const ttlMs = 2000
/** The server that was killed starts again after so long. */
const downMs = 200
const watchMs = 3 * ttlMs

/** Runs `work` while it has the lock; `signal` aborts when the lock is lost. Rejects when there is none within `timeoutMs`. */
type Holding = (work: (signal: AbortSignal) => Promise<void>, timeoutMs: number) => Promise<void>

interface Service {
  readonly holders: readonly [Holding, Holding]
  killAndRestart(): Promise<void>
  close(): Promise<void>
}

/** Times are from the kill on; undefined for never within three times the time of a grant. */
async function kill({ holders: [holder, next], killAndRestart, close }: Service) {
  try {
    let toldMs: number | undefined
    let nextMs: number | undefined
    let killedMs = 0
    const over = new AbortController()
    let held = Promise.resolve()
    await new Promise<void>((begin, fail) => {
      held = holder(async (signal) => {
        begin()
        await Promise.race([once(signal, 'abort'), once(over.signal, 'abort')])
        if (signal.aborted) toldMs = performance.now() - killedMs
      }, watchMs)
      held.catch(fail)
    })
    await delay(ttlMs / 2)
    killedMs = performance.now()
    const restarted = killAndRestart()
    const got = next(async () => {
      nextMs = performance.now() - killedMs
    }, watchMs)
    await Promise.all([got.catch(() => undefined), restarted, delay(watchMs)])
    over.abort()
    await held.catch(() => undefined)
    const untilMs = toldMs ?? watchMs
    return { toldMs, nextMs, bothMs: nextMs === undefined ? 0 : Math.max(0, untilMs - nextMs) }
  } finally {
    await close()
  }
}

async function gridOf(size: number): Promise<Service> {
  const ports = await Promise.all(Array.from({ length: size }, freePort))
  const hosts = ports.map((port) => `http://127.0.0.1:${port}`)
  const start = async (at: number, quietMs: number) => {
    const child = new Child<ServerCommands>(besides(import.meta.url, './killed-server'))
    await child.ask('listen', { port: ports[at] as number, hosts, ttlMs, quietMs })
    return child
  }
  // They have run for long.
  const children = await Promise.all(hosts.map((_, at) => start(at, 0)))
  const { client, manager } = await connectClient(hosts, { requestTimeoutMs: 500 })
  const holding: Holding = (work, timeout) => client.withLock(['door'], work, { timeout })
  return {
    holders: [holding, holding],
    async killAndRestart() {
      await children[0]?.stop()
      await delay(downMs)
      children[0] = await start(0, ttlMs)
    },
    async close() {
      await manager.close({ timeout: 0 })
      await Promise.all(children.map((child) => child.stop()))
    }
  }
}

async function redis(): Promise<Service> {
  const [{ Redlock }, { Redis }] = await Promise.all([import('@sesamecare-oss/redlock'), import('ioredis')])
  const port = await freePort()
  let server: RedisServer = await startRedis(port)
  const connect = () => {
    const connection = new Redis(port, '127.0.0.1', { maxRetriesPerRequest: 1 })
    // It reconnects; without a listener each failure is printed.
    return connection.on('error', () => undefined)
  }
  const connections = [connect(), connect()] as const
  const holdingBy = (connection: (typeof connections)[0]): Holding => {
    return async (work, timeoutMs) => {
      const redlock = new Redlock([connection]).on('error', () => undefined)
      // After some attempts an error ends the wait: who still wants the lock asks again.
      for (const endMs = performance.now() + timeoutMs; ; ) {
        let isIn = false
        try {
          return await redlock.using(['door'], ttlMs, async (signal) => {
            isIn = true
            await work(signal as AbortSignal)
          })
        } catch (error) {
          if (isIn || performance.now() > endMs) throw error
        }
      }
    }
  }
  return {
    holders: [holdingBy(connections[0]), holdingBy(connections[1])],
    async killAndRestart() {
      await server.kill()
      await delay(downMs)
      server = await startRedis(port)
    },
    async close() {
      for (const connection of connections) connection.disconnect()
      await server.kill()
    }
  }
}

const services: readonly (readonly [label: string, start: () => Promise<Service>])[] = [
  ['it-grid/locks, 1 server', () => gridOf(1)],
  ['it-grid/locks, 1 of 3 servers', () => gridOf(3)],
  ['Redis, Redlock', redis]
]

/** A table; a service that cannot run says why. */
export async function killedTable(): Promise<string> {
  const rows: string[][] = []
  for (const [label, start] of services) rows.push([label, ...(await rowOf(start))])
  const header = [
    'killed, and restarted after 200 ms',
    'holder is told after',
    'next one has it after',
    'both believe to have it for'
  ]
  return table(header, rows)
}

async function rowOf(start: () => Promise<Service>): Promise<string[]> {
  try {
    const { toldMs, nextMs, bothMs } = await kill(await start())
    if (toldMs === undefined && nextMs === undefined) return ['keeps the lock', 'waits', time(bothMs)]
    return [time(toldMs), time(nextMs), time(bothMs)]
  } catch (error) {
    return [`cannot run: ${messageOf(error).split('\n')[0]}`, '-', '-']
  }
}

function time(ms: number | undefined): string {
  return ms === undefined ? `not within ${watchMs} ms` : `${Math.round(ms)} ms`
}
