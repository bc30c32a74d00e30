/**
 * Kills a server with SIGKILL and starts it again, many times, while this process calls it and is called by it; and says
 * what this process saw and holds, before and after.
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { Connection, Manager } from '../../../lib/index.ts'
import { dialerTo, nameThat, testManager } from '../grid/manager.ts'
import { TestServer } from '../grid/servers.ts'
import { openStreams, takeVitals, type Vitals } from '../grid/vitals.ts'
import { freePort } from '../network/free-port.ts'
import { Child } from '../process/child.ts'
import { MortalServer } from '../process/mortal.ts'
import { randomFrom } from '../random.ts'
import { until } from '../until.ts'
import { serveCalls } from './call.ts'
import { Load } from './load.ts'
import type { NodeInit, NodeReport, NodeWords } from './node.ts'

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

export type RestartLoopFacts = Awaited<ReturnType<typeof restartLoop>>

/** A call without a deadline must settle when its server dies. */
const settleMs = 5000
const startMs = 20_000
/** What a server has to answer before it is killed. */
const callsPerLife = 10
const own = 'http://measured.test:9000'

export async function restartLoop(options: RestartLoopOptions) {
  const { dials, seed } = options
  const server = await new TestServer().listen()
  const other = nameThat(dials ? 'is dialed' : 'dials', own, (n) => `http://killed-${n}.test:9000`)
  const hosts = [own, other]
  const port = await freePort(randomFrom(seed))
  const manager = testManager({ local: own, hosts, dialer: dialerTo(() => `http://127.0.0.1:${port}`) })
  serveCalls(manager)
  manager.attach(server.http)
  const init = { local: other, hosts, port, urls: { [own]: server.url }, seed, workers: 1, pauseMs: 5 }
  const loop = new RestartLoop(manager, manager.connection(other), init, options)
  try {
    return await loop.run()
  } finally {
    await loop.stop()
    await manager.close({ timeout: 1 })
    await server.end()
  }
}

class RestartLoop {
  readonly #manager: Manager
  readonly #connection: Connection
  readonly #options: RestartLoopOptions
  readonly #random: () => number
  readonly #server: MortalServer<Child<NodeWords, NodeReport>>
  readonly #load: Load
  readonly #told: string[] = []
  readonly #wrong: string[] = []
  #instance = ''
  /** The longest time from a kill until all calls on that instance had settled. */
  #slowestSettleMs = 0

  constructor(manager: Manager, connection: Connection, init: NodeInit, options: RestartLoopOptions) {
    const { seed, workers = 8 } = options
    const onWrong = (text: string) => void this.#wrong.push(text)
    this.#manager = manager
    this.#connection = connection
    this.#options = options
    this.#random = randomFrom(seed)
    const script = new URL('./node.ts', import.meta.url)
    const spawn = (start: number) => new Child(script, { ...init, seed: seed + start }, { onReport: onWrong })
    this.#server = new MortalServer<Child<NodeWords, NodeReport>>(init.local, spawn, onWrong)
    this.#load = new Load({ seed, workers, pauseMs: 5, onWrong })
    connection.on('restart', ({ previous, instance }) => this.#told.push(`${previous} ${instance}`))
  }

  async run() {
    const { restarts, warmUp, onRestart } = this.#options
    const { outcomes } = this.#load
    const expected: string[] = []
    let start: Vitals | undefined
    await this.#start()
    for (let restart = 1; restart <= restarts; restart++) {
      if (restart - 1 === warmUp) start = await this.#rest()
      if (!this.#load.isGoing) this.#load.go([this.#connection])
      const answered = (outcomes.ok ?? 0) + callsPerLife
      await until(() => (outcomes.ok ?? 0) >= answered, 'the server answers', startMs)
      await delay(this.#random() * 20)
      const previous = this.#instance
      await this.#kill()
      await this.#start()
      expected.push(`${previous} ${this.#instance}`)
      if (this.#wrong.length > 0) throw new Error(`wrong answers: ${this.#wrong.join('\n')}`)
      onRestart?.(restart)
    }
    const end = await this.#rest()
    return {
      ...{ restarts, outcomes, slowestSettleMs: this.#slowestSettleMs, start: start ?? end, end },
      /** `restart` events that told the right two instances. */
      told: this.#told.filter((pair, n) => pair === expected[n]).length
    }
  }

  async stop(): Promise<void> {
    this.#load.close()
    await this.#server.kill()
  }

  async #start(): Promise<void> {
    const child = await this.#server.start()
    const { instance } = await child.ask('listening')
    this.#instance = instance
    const isBack = () => this.#connection.state === 'connected' && this.#connection.instance === instance
    await until(isBack, 'connected to the new instance', startMs)
    await child.ask('go')
  }

  /** All calls that it had to answer must settle now. */
  async #kill(): Promise<void> {
    const { running } = this.#load
    const pending = [...running]
    const killedMs = performance.now()
    await this.#server.kill()
    const areSettled = () => pending.every((call) => !running.has(call))
    await until(areSettled, 'all calls on the killed server have settled', settleMs)
    this.#slowestSettleMs = Math.max(this.#slowestSettleMs, performance.now() - killedMs)
  }

  /** Ends the load of both sides, and looks at what is left. */
  async #rest(): Promise<Vitals> {
    // At once: no stream is open at the server while this side goes on.
    await Promise.all([this.#load.rest(settleMs), this.#server.child.ask('quiet')])
    await until(() => openStreams(this.#manager) === 0, 'no stream is open', settleMs)
    const vitals = await takeVitals(this.#manager)
    await this.#server.child.ask('go')
    return vitals
  }
}
