/**
 * Lock servers as processes, with clients in each, while this process kills them, restarts them and cuts them off; and
 * the judgement of the log that every holder wrote.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../network/free-port.ts'
import { makeNet } from '../network/net.ts'
import { randomFrom } from '../random.ts'
import { until } from '../until.ts'
import { disturb } from './disturb.ts'
import { judge, type Verdict } from './holders.ts'
import type { NodeReport } from './node.ts'
import { Server } from './server.ts'

export interface ProofOptions {
  readonly servers: number
  /** In each process. */
  readonly clients: number
  readonly ttlMs: number
  /** Rounds that must have ended well. */
  readonly rounds: number
  readonly seed: number
  /** Time for them, in ms. Default none. */
  readonly maxMs?: number
  /** Default true. */
  readonly faults?: boolean
  /** Which servers the clients of server number `at` ask. Default all. */
  readonly askedBy?: (at: number, hosts: readonly string[]) => readonly string[]
  readonly progress?: (text: string) => void
}

export interface Proof {
  readonly verdict: Verdict
  /** Rounds by how they ended. */
  readonly outcomes: Readonly<Record<string, number>>
  readonly faults: Readonly<Record<string, number>>
  /** What processes found wrong, and those that ended by themselves. */
  readonly wrong: readonly string[]
  readonly tookMs: number
}

const roundsMs = 100

/** Runs until enough rounds have ended well; then heals all, waits until nobody holds anything, and judges. */
export async function proveLocks(options: ProofOptions): Promise<Proof> {
  const folder = mkdtempSync(join(tmpdir(), 'it-grid-locks-'))
  const log = join(folder, 'holders.log')
  const random = randomFrom(options.seed)
  const names = Array.from({ length: options.servers }, (_, n) => `http://locks-${n}.test:9000`)
  const ports = new Set<number>()
  while (ports.size < names.length) ports.add(await freePort(random))
  const net = await makeNet(names, [...ports])
  const outcomes: Record<string, number> = {}
  const wrong: string[] = []
  const onReport = (report: NodeReport) => {
    if (report.kind === 'wrong') wrong.push(report.text)
    if (report.kind !== 'rounds') return
    for (const [outcome, count] of Object.entries(report.outcomes)) outcomes[outcome] = (outcomes[outcome] ?? 0) + count
  }
  const servers = names.map((local, n) => {
    const { clients, ttlMs, seed } = options
    const place = { local, hosts: names, port: [...ports][n] ?? 0, urls: net.urlsFor(local) }
    const asked = options.askedBy?.(n, names) ?? names
    const init = { ...place, servers: asked, clients, ttlMs, log, seed: seed + 1_000_003 * n }
    return new Server(init, onReport)
  })
  const startedMs = performance.now()
  const faults: Record<string, number> = {}
  try {
    await Promise.all(servers.map((server) => server.start()))
    const enough = new AbortController()
    const disturbance = { servers, net, random, faults, ttlMs: options.ttlMs }
    const disturbed = (options.faults === false ? Promise.resolve() : disturb(disturbance, enough.signal)).catch(
      (error) => wrong.push(`the faults failed: ${error.stack}`)
    )
    for (let told = 0; (outcomes.ok ?? 0) < options.rounds && wrong.length === 0; told++) {
      await delay(roundsMs)
      if (told % 100 === 99) options.progress?.(`${outcomes.ok ?? 0} rounds, ${JSON.stringify(faults)}`)
      const tookMs = performance.now() - startedMs
      if (tookMs > (options.maxMs ?? Infinity))
        wrong.push(`only ${outcomes.ok ?? 0} rounds in ${Math.round(tookMs)} ms`)
    }
    enough.abort()
    await disturbed
    for (const proxy of net.proxies) proxy.heal()
    for (const server of servers) server.quiet()
    await until(() => wrong.length > 0 || servers.every(({ isQuiet }) => isQuiet), 'all are out', 20 * options.ttlMs)
    if (wrong.length === 0) await Promise.all(servers.map((server) => server.close()))
    return { verdict: judge(log), outcomes, faults, wrong, tookMs: performance.now() - startedMs }
  } finally {
    await Promise.all(servers.map((server) => server.kill()))
    for (const server of servers) server.dispose()
    await net.close()
    rmSync(folder, { recursive: true })
  }
}
