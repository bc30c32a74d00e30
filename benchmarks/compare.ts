/**
 * The comparison: the same workloads over every contestant, server and client in two processes on loopback.
 *
 * Rounds are interleaved between the contestants, so that a machine that slows down slows all of them. Every answer is
 * checked. Prints medians, spread, CPU of both processes, and the ratio to the bare `ws` echo of the same run.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import type { ClientSide, Contestant } from './contestant.ts'
import { contestants } from './contestants/index.ts'

interface Workload {
  readonly name: string
  /** Does as much as fits into `ms`; returns how many requests or messages. */
  run(client: ClientSide, ms: number): Promise<number>
}

const payload = randomBytes(512)
// The floor reads the first byte as a command; all others must not be favoured by another payload.
payload[0] = 0

function requests(callers: number): Workload {
  return {
    name: `request, ${callers} caller${callers === 1 ? '' : 's'}`,
    async run(client, ms) {
      const endMs = performance.now() + ms
      let count = 0
      const call = async () => {
        while (performance.now() < endMs) {
          const answer = await client.request(payload)
          if (Buffer.compare(answer, payload) !== 0) throw new Error('an answer differs from its request')
          count++
        }
      }
      await Promise.all(Array.from({ length: callers }, call))
      return count
    }
  }
}

const serverStream: Workload = {
  name: 'server stream, 512 B',
  async run(client, ms) {
    const endMs = performance.now() + ms
    let count = 0
    while (performance.now() < endMs) {
      await client.stream(20_000, 512, (message) => {
        if (message.length !== 512 || message[0] !== 7 || message[511] !== 7) throw new Error('a message differs')
        count++
      })
    }
    return count
  }
}

const workloads: readonly Workload[] = [requests(1), requests(64), requests(1024), serverStream]

interface Result {
  readonly perSecond: number
  /** CPU of both processes, in us per request or message. */
  readonly cpuUs: number
}

class Running {
  readonly contestant: Contestant
  readonly #child: ChildProcess
  readonly #client: ClientSide

  private constructor(contestant: Contestant, child: ChildProcess, client: ClientSide) {
    this.contestant = contestant
    this.#child = child
    this.#client = client
  }

  static async start(contestant: Contestant): Promise<Running> {
    const child = fork(new URL('./server.ts', import.meta.url), [contestant.name], { execArgv: ['--import', 'tsx'] })
    const [{ address }] = (await once(child, 'message')) as [{ address: string }]
    return new Running(contestant, child, await contestant.connect(address))
  }

  async measure(workload: Workload, ms: number): Promise<Result> {
    const before = await this.#cpuUs()
    const startMs = performance.now()
    const count = await workload.run(this.#client, ms)
    const elapsedMs = performance.now() - startMs
    return { perSecond: (count / elapsedMs) * 1000, cpuUs: ((await this.#cpuUs()) - before) / count }
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.send('close')
    await this.#client.close()
    await exited
  }

  async #cpuUs(): Promise<number> {
    this.#child.send('cpu')
    const [{ cpu }] = (await once(this.#child, 'message')) as [{ cpu: NodeJS.CpuUsage }]
    const own = process.cpuUsage()
    return cpu.user + cpu.system + own.user + own.system
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number
}

function format(results: readonly Result[], floor: number): string {
  const rates = results.map(({ perSecond }) => perSecond)
  const rate = Math.round(median(rates)).toLocaleString('en').padStart(9)
  const spread = `${Math.round(Math.min(...rates)).toLocaleString('en')}-${Math.round(Math.max(...rates)).toLocaleString('en')}`
  const cpu = median(results.map(({ cpuUs }) => cpuUs)).toFixed(1)
  return `${rate}/s  (${spread})  ${cpu.padStart(5)} us CPU  ratio ${(median(rates) / floor).toFixed(2)}`
}

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, ms: { type: 'string', default: '1000' } }
})
const rounds = Number(values.rounds)
const roundMs = Number(values.ms)
const running = await Promise.all(contestants.map((contestant) => Running.start(contestant)))
try {
  for (const workload of workloads) {
    const results = new Map<Running, Result[]>(running.map((each) => [each, []]))
    for (const each of running) await each.measure(workload, roundMs / 2)
    for (let round = 0; round < rounds; round++) {
      for (const each of running) results.get(each)?.push(await each.measure(workload, roundMs))
    }
    const floor = median((results.get(running[0] as Running) as Result[]).map(({ perSecond }) => perSecond))
    console.log(`\n${workload.name}`)
    for (const [each, rows] of results) console.log(`  ${each.contestant.name.padEnd(22)} ${format(rows, floor)}`)
  }
} finally {
  await Promise.all(running.map((each) => each.stop()))
}
