/**
 * Lock servers as processes, with clients in each, while this process kills them, restarts them and cuts them off; and
 * the judgement of the log that every holder wrote.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { addOutcomes } from '../calls/load.ts'
import { machineMs } from '../clock/machine.ts'
import { errorStack } from '../errors.ts'
import { makeNet } from '../network/net.ts'
import { Child } from '../process/child.ts'
import { MortalServer } from '../process/mortal.ts'
import { randomFrom } from '../random.ts'
import { until } from '../until.ts'
import { disturb } from './disturb.ts'
import { judge, writeLine } from './holders.ts'
import type { NodeInit, NodeReport, NodeWords } from './node.ts'

/** A server of the proof. */
export type Server = MortalServer<NodeWords, NodeReport>

export interface ProofOptions {
  readonly servers: number
  /** In each process. */
  readonly clients: number
  readonly ttlMs: number
  /** Rounds that must have ended well. */
  readonly rounds: number
  readonly seed: number
  /** Default true. */
  readonly faults?: boolean
  /** Which servers the clients of server number `at` ask. Default all. */
  readonly askedBy?: (at: number, hosts: readonly string[]) => readonly string[]
  readonly progress?: (text: string) => void
}

const roundsMs = 100
/** Some round ends sooner on an idle machine, whatever befalls the servers. */
const stuckMs = 30_000
const script = new URL('./node.ts', import.meta.url)

/** Resolves when it listens, and its clients have begun. */
export async function startToWork(server: Server): Promise<void> {
  const child = await server.start()
  await child.ask('go')
}

/** Runs until enough rounds have ended well; then heals all, waits until nobody holds anything, and judges. */
export async function proveLocks(options: ProofOptions) {
  const folder = mkdtempSync(join(tmpdir(), 'it-grid-locks-'))
  const log = join(folder, 'holders.log')
  const random = randomFrom(options.seed)
  const names = Array.from({ length: options.servers }, (_, n) => `http://locks-${n}.test:9000`)
  const net = await makeNet(names)
  const outcomes: Record<string, number> = {}
  const wrong: string[] = []
  const onReport = (report: NodeReport) => {
    if (typeof report === 'string') wrong.push(report)
    else addOutcomes(outcomes, report)
  }
  const servers = names.map((local, n): Server => {
    const { clients, ttlMs, seed } = options
    const common = { ...net.initOf(local), servers: options.askedBy?.(n, names) ?? names, clients, ttlMs, log }
    const spawn = (start: number) => {
      const init: NodeInit = { ...common, start, seed: seed + 1_000_003 * n + 104_729 * start }
      const child = new Child<NodeWords, NodeReport>(script, init, { onReport })
      // Nobody is inside in a process that is no more.
      child.gone.then(() => {
        writeLine(log, { what: 'gone', process: `${local}#${start}`, atMs: child.killedAtMs ?? machineMs() })
      })
      return child
    }
    return new MortalServer<NodeWords, NodeReport>(local, spawn, (text) => wrong.push(text))
  })
  const startedMs = performance.now()
  const faults: Record<string, number> = {}
  try {
    await Promise.all(servers.map(startToWork))
    const enough = new AbortController()
    const disturbing = async () => {
      if (options.faults !== false) await disturb(servers, net, random, options.ttlMs, faults, enough.signal)
    }
    const disturbed = disturbing().catch((error) => wrong.push(`the faults failed: ${errorStack(error)}`))
    const ended = () => outcomes.ok ?? 0
    for (let told = 0; ended() < options.rounds && wrong.length === 0; told++) {
      const before = ended()
      await delay(roundsMs)
      if (told % 100 === 99) options.progress?.(`${ended()} rounds, ${JSON.stringify(faults)}`)
      await until(() => ended() > before || wrong.length > 0, 'another round', stuckMs)
    }
    enough.abort()
    await disturbed
    for (const proxy of net.proxies) proxy.heal()
    if (wrong.length === 0) await Promise.all(servers.map(({ child }) => child.ask('quiet')))
    if (wrong.length === 0) await Promise.all(servers.map((server) => server.close()))
    return { verdict: judge(readFileSync(log, 'utf8')), outcomes, faults, wrong, tookMs: performance.now() - startedMs }
  } finally {
    await Promise.all(servers.map((server) => server.kill()))
    await net.close()
    rmSync(folder, { recursive: true })
  }
}
