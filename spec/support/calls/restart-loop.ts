/**
 * Kills a server with SIGKILL and starts it again, many times, while this process calls it and is called by it; and says
 * what this process saw and holds, before and after.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { type Connection, connectWS, dialerOf, Manager, sharedSecret, silentLogger } from '../../../lib/index.ts'
import { openStreams, takeVitals, type Vitals } from '../grid/vitals.ts'
import { freePort } from '../network/free-port.ts'
import { childEnvironment, sourceArgs } from '../process/child.ts'
import { oneOf, randomFrom } from '../random.ts'
import { until } from '../until.ts'
import { excusedCode, mixedCalls, serveMixedCalls } from './mixed.ts'
import type { RestartServerInit, RestartServerReport } from './restart-server.ts'

export interface RestartLoopOptions {
  readonly restarts: number
  /** Restarts before the first look at what this process holds. */
  readonly warmUp: number
  /** Whether this process dials the server, or is dialed by it. */
  readonly dials: boolean
  readonly seed: number
  /** Calls that go on at the same time. */
  readonly workers?: number
  readonly onRestart?: (restarts: number) => void
}

export interface RestartLoopFacts {
  readonly restarts: number
  /** `restart` events that told the right two instances. */
  readonly told: number
  /** How many calls ended how. */
  readonly outcomes: Readonly<Record<string, number>>
  /** The longest time from a kill until all calls on that instance had settled. */
  readonly slowestSettleMs: number
  readonly start: Vitals
  readonly end: Vitals
}

/** A call without a deadline must settle when its server dies. */
const settleMs = 5000
const startMs = 20_000
/** What a server has to answer before it is killed. */
const callsPerLife = 10

const script = new URL('./restart-server.ts', import.meta.url)

export async function restartLoop(options: RestartLoopOptions): Promise<RestartLoopFacts> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const [own, other] = namesWhere(options.dials)
  const port = await freePort(randomFrom(options.seed))
  const manager = new Manager({
    local: own,
    hosts: [own, other],
    auth: sharedSecret('a secret of the specs'),
    logger: silentLogger,
    reconnect: { firstDelayMs: 5, baseDelayMs: 10, maxDelayMs: 50 },
    dialer: (_address, dialOptions) => connectWS()(`http://127.0.0.1:${port}`, dialOptions)
  })
  serveMixedCalls(manager)
  manager.attach(server)
  const peerUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const init = { local: other, peer: own, peerUrl, port, seed: options.seed }
  const loop = new RestartLoop(manager, manager.connection(other), init, options)
  try {
    return await loop.run()
  } finally {
    await loop.stop()
    await manager.close({ timeout: 1 })
    server.close()
    await once(server, 'close')
  }
}

class RestartLoop {
  readonly #manager: Manager
  readonly #connection: Connection
  readonly #init: RestartServerInit
  readonly #options: RestartLoopOptions
  readonly #random: () => number
  readonly #outcomes: Record<string, number> = { ok: 0 }
  readonly #running = new Set<object>()
  readonly #told: string[] = []
  readonly #wrong: string[] = []
  #workers: Promise<unknown> = Promise.resolve()
  #working = false
  #child: ChildProcess | undefined
  #instance: string | undefined
  #slowestSettleMs = 0

  constructor(manager: Manager, connection: Connection, init: RestartServerInit, options: RestartLoopOptions) {
    this.#manager = manager
    this.#connection = connection
    this.#init = init
    this.#options = options
    this.#random = randomFrom(options.seed)
    connection.on('restart', ({ previous, instance }) => this.#told.push(`${previous} ${instance}`))
  }

  async run(): Promise<RestartLoopFacts> {
    const { restarts, warmUp, onRestart } = this.#options
    const expected: string[] = []
    let start: Vitals | undefined
    await this.#startChild(0)
    for (let restart = 1; restart <= restarts; restart++) {
      if (restart - 1 === warmUp) start = await this.#rest()
      if (!this.#working) this.#work()
      const answered = (this.#outcomes.ok ?? 0) + callsPerLife
      await until(() => (this.#outcomes.ok ?? 0) >= answered, 'the server answers', startMs)
      await delay(this.#random() * 20)
      const previous = this.#instance
      await this.#killChild()
      await this.#startChild(restart)
      expected.push(`${previous} ${this.#instance}`)
      if (this.#wrong.length > 0) throw new Error(`wrong answers: ${this.#wrong.join('\n')}`)
      onRestart?.(restart)
    }
    const end = await this.#rest()
    return {
      restarts,
      told: this.#told.filter((pair, n) => pair === expected[n]).length,
      outcomes: this.#outcomes,
      slowestSettleMs: this.#slowestSettleMs,
      start: start ?? end,
      end
    }
  }

  async stop(): Promise<void> {
    this.#working = false
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  async #startChild(life: number): Promise<void> {
    const init = { ...this.#init, seed: this.#options.seed + life }
    const child = fork(script, [JSON.stringify(init)], { env: childEnvironment(), execArgv: [...sourceArgs] })
    this.#child = child
    let instance: string | undefined
    child.on('message', (report: RestartServerReport) => {
      if ('instance' in report) instance = report.instance
      else this.#wrong.push(report.wrong)
    })
    await until(() => instance !== undefined, 'the server listens', startMs)
    this.#instance = instance
    const isBack = () => this.#connection.state === 'connected' && this.#connection.instance === instance
    await until(isBack, 'connected to the new instance', startMs)
  }

  /** All calls that it had to answer must settle now. */
  async #killChild(): Promise<void> {
    const child = this.#child as ChildProcess
    const exit = once(child, 'exit')
    const pending = [...this.#running]
    const killedMs = performance.now()
    child.kill('SIGKILL')
    await exit
    const areSettled = () => pending.every((call) => !this.#running.has(call))
    await until(areSettled, 'all calls on the killed server have settled', settleMs)
    this.#slowestSettleMs = Math.max(this.#slowestSettleMs, performance.now() - killedMs)
  }

  #work(): void {
    this.#working = true
    const { workers = 8 } = this.#options
    this.#workers = Promise.all(Array.from({ length: workers }, () => this.#callOn()))
  }

  async #callOn(): Promise<void> {
    while (this.#working) {
      const name = oneOf(this.#random, Object.keys(mixedCalls))
      const call = {}
      this.#running.add(call)
      let outcome = 'ok'
      try {
        const waitForReady = this.#random() < 0.2
        await mixedCalls[name]?.(this.#connection, this.#random, { timeout: Number.POSITIVE_INFINITY, waitForReady })
      } catch (error) {
        outcome = excusedCode(error) ?? 'wrong'
        if (outcome === 'wrong') this.#wrong.push(String(error instanceof Error ? error.stack : error))
      }
      this.#running.delete(call)
      this.#outcomes[outcome] = (this.#outcomes[outcome] ?? 0) + 1
      await delay(this.#random() * 10)
    }
  }

  /** Ends the load of both sides, and looks at what is left. */
  async #rest(): Promise<Vitals> {
    this.#working = false
    this.#child?.send('quiet')
    await until(() => this.#running.size === 0, 'all calls have settled', settleMs)
    await this.#workers
    await until(() => openStreams(this.#manager) === 0, 'no stream is open', settleMs)
    const vitals = await takeVitals(this.#manager)
    this.#child?.send('go')
    return vitals
  }
}

function namesWhere(ownDials: boolean): [own: string, other: string] {
  const own = 'http://measured.test:9000'
  for (let n = 0; ; n++) {
    const other = `http://killed-${n}.test:9000`
    if ((dialerOf(own, other) === own) === ownDials) return [own, other]
  }
}
