/**
 * Rolling restarts: servers that call each other all the time are closed and started again, one after the other. Rejects as
 * soon as a call is lost, or any call fails that may have run.
 */

import { nameThat } from '../grid/manager.ts'
import { freePort } from '../network/free-port.ts'
import { Child } from '../process/child.ts'
import { randomFrom } from '../random.ts'
import type { RollingCounts, RollingNodeInit, RollingReport, RollingWords } from './rolling-node.ts'

export interface RollingOptions {
  readonly restarts: number
  readonly seed: number
  readonly workers?: number
  /** So long that a restart which uses it up cannot be missed. Default 60 000. */
  readonly graceMs?: number
  readonly onRestart?: (restarts: number, closeMs: number) => void
}

export interface RollingFacts {
  /** What each `close()` took. */
  readonly closeMs: readonly number[]
  /** Of all servers in all of their lives. */
  readonly counts: RollingCounts
}

type Node = Child<RollingWords, RollingReport>

const size = 3
const script = new URL('./rolling-node.ts', import.meta.url)

export async function rollingRestarts(options: RollingOptions): Promise<RollingFacts> {
  const rolling = new Rolling(options)
  try {
    return await rolling.run(await portsOf(options.seed))
  } finally {
    await rolling.kill()
  }
}

async function portsOf(seed: number): Promise<number[]> {
  const random = randomFrom(seed)
  const ports = new Set<number>()
  while (ports.size < size) ports.add(await freePort(random))
  return [...ports]
}

class Rolling {
  readonly #options: RollingOptions
  readonly #nodes: Node[] = []
  readonly #wrong: string[] = []
  readonly #counts = { requests: 0, again: 0, items: 0, feeds: 0, echoes: 0 }
  readonly #closeMs: number[] = []
  #starts = 0

  constructor(options: RollingOptions) {
    this.#options = options
  }

  async run(ports: readonly number[]): Promise<RollingFacts> {
    const { restarts, onRestart } = this.#options
    // The second one dials the first, the third is dialed by it.
    const first = 'http://rolling.test:9000'
    const hosts = [first, nameThat('dials', first), nameThat('is dialed', first)]
    const urls = Object.fromEntries(hosts.map((host, index) => [host, `http://127.0.0.1:${ports[index]}`]))
    const start = (index: number) => this.#start(index, { local: hosts[index] as string, hosts, urls }, ports[index])
    await Promise.all(hosts.map((_, index) => start(index)))
    for (let restart = 0; restart < restarts; restart++) {
      await this.#goesOn()
      await this.#close(restart % size)
      onRestart?.(restart + 1, this.#closeMs.at(-1) as number)
      await start(restart % size)
    }
    await this.#goesOn()
    const closeMs = [...this.#closeMs]
    for (const index of hosts.keys()) await this.#close(index)
    this.#throwWhatIsWrong()
    return { closeMs, counts: this.#counts }
  }

  async kill(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.kill()))
  }

  async #start(index: number, init: Pick<RollingNodeInit, 'local' | 'hosts' | 'urls'>, port = 0): Promise<void> {
    const { seed, workers = 2, graceMs = 60_000 } = this.#options
    const given: RollingNodeInit = { ...init, port, seed: seed + ++this.#starts, workers, graceMs }
    const node: Node = new Child(script, given, { onReport: (text) => this.#wrong.push(text) })
    this.#nodes[index] = node
    await node.ask('listening')
    await node.ask('go')
  }

  /** Each call of each server goes on. */
  async #goesOn(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.ask('more'))).catch((cause) => {
      this.#throwWhatIsWrong(cause)
      throw cause
    })
    this.#throwWhatIsWrong()
  }

  async #close(index: number): Promise<void> {
    const node = this.#nodes[index] as Node
    const { tookMs, counts } = await node.ask('close')
    await node.exited()
    this.#closeMs.push(tookMs)
    for (const name of Object.keys(counts) as (keyof RollingCounts)[]) this.#counts[name] += counts[name]
  }

  #throwWhatIsWrong(cause?: unknown): void {
    if (this.#wrong.length > 0) throw new Error(this.#wrong.join('\n'), { cause })
  }
}
