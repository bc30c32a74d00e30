/**
 * Rolling restarts: servers that call each other all the time are closed and started again, one after the other. Rejects as
 * soon as a call is lost, or any call fails that may have run.
 */

import { nameThat } from '../grid/manager.ts'
import { freePorts } from '../network/free-port.ts'
import { Child } from '../process/child.ts'
import { MortalServer } from '../process/mortal.ts'
import { addOutcomes } from './load.ts'
import type { RollingNodeInit, RollingReport, RollingWords } from './rolling-node.ts'

export interface RollingOptions {
  readonly restarts: number
  readonly seed: number
  readonly workers?: number
  /** So long that a restart which uses it up cannot be missed. Default 60 000. */
  readonly graceMs?: number
  readonly onRestart?: (restarts: number, closeMs: number) => void
}

const size = 3
const script = new URL('./rolling-node.ts', import.meta.url)
// The second one dials the first, the third is dialed by it.
const first = 'http://rolling.test:9000'
const hosts = [first, nameThat('dials', first), nameThat('is dialed', first)]

export async function rollingRestarts(options: RollingOptions) {
  const { restarts, seed, workers = 2, graceMs = 60_000, onRestart } = options
  const ports = await freePorts(size)
  const urls = Object.fromEntries(hosts.map((host, index) => [host, `http://127.0.0.1:${ports[index]}`]))
  const wrong: string[] = []
  const onReport = (text: string) => void wrong.push(text)
  const servers = hosts.map((local, index) => {
    const init = { local, hosts, urls, port: ports[index], workers, graceMs }
    const spawn = (start: number): Child<RollingWords, RollingReport> => {
      const given: RollingNodeInit = { ...init, seed: seed + size * start + index }
      return new Child(script, given, { onReport })
    }
    return new MortalServer(local, spawn, onReport)
  })
  /** Of all servers in all of their lives. */
  const counts: Record<string, number> = {}
  /** What each `close()` took. */
  const closeMs: number[] = []

  const throwWhatIsWrong = (cause?: unknown) => {
    if (wrong.length > 0) throw new Error(wrong.join('\n'), { cause })
  }

  /** Each call of each server goes on. */
  const goesOn = async () => {
    await Promise.all(servers.map(({ child }) => child.ask('more'))).catch((cause) => {
      throwWhatIsWrong(cause)
      throw cause
    })
    throwWhatIsWrong()
  }

  const start = async (server: (typeof servers)[number]) => {
    await (await server.start()).ask('go')
  }

  const close = async (server: (typeof servers)[number]) => {
    const { tookMs, counts: its } = await server.close()
    addOutcomes(counts, its)
    return tookMs
  }

  try {
    await Promise.all(servers.map(start))
    for (let restart = 0; restart < restarts; restart++) {
      const server = servers[restart % size] as (typeof servers)[number]
      await goesOn()
      closeMs.push(await close(server))
      onRestart?.(restart + 1, closeMs.at(-1) as number)
      await start(server)
    }
    await goesOn()
    for (const server of servers) await close(server)
    throwWhatIsWrong()
    return { closeMs, counts }
  } finally {
    await Promise.all(servers.map((server) => server.kill()))
  }
}
