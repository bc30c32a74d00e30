/**
 * Kills a server with SIGKILL and starts it again, many times, while this process calls it and is called by it; and says
 * what this process saw and holds, before and after.
 */

import { setTimeout as delay } from 'node:timers/promises'
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

export async function restartLoop({ restarts, warmUp, dials, seed, workers = 8, onRestart }: RestartLoopOptions) {
  const server = await new TestServer().listen()
  const other = nameThat(dials ? 'is dialed' : 'dials', own, (n) => `http://killed-${n}.test:9000`)
  const hosts = [own, other]
  const random = randomFrom(seed)
  const port = await freePort()
  const manager = testManager({ local: own, hosts, dialer: dialerTo(() => `http://127.0.0.1:${port}`) })
  serveCalls(manager)
  manager.attach(server.http)
  const connection = manager.connection(other)
  const wrong: string[] = []
  const onWrong = (text: string) => void wrong.push(text)
  const init = { local: other, hosts, port, urls: { [own]: server.url }, workers: 1, pauseMs: 5 }
  const spawn = (start: number) => {
    const nodeInit: NodeInit = { ...init, seed: seed + start }
    return new Child<NodeWords, NodeReport>(new URL('./node.ts', import.meta.url), nodeInit, { onReport: onWrong })
  }
  const killed = new MortalServer<NodeWords, NodeReport>(other, spawn, onWrong)
  const load = new Load({ seed, workers, pauseMs: 5, onWrong })
  const { outcomes, running } = load
  const told: string[] = []
  connection.on('restart', ({ previous, instance }) => told.push(`${previous} ${instance}`))
  /** The longest time from a kill until all calls on that instance had settled. */
  let slowestSettleMs = 0

  /** Resolves with the new instance. */
  async function start(): Promise<string> {
    const child = await killed.start()
    const { instance } = await child.ask('listening')
    const isBack = () => connection.state === 'connected' && connection.instance === instance
    await until(isBack, 'connected to the new instance', startMs)
    await child.ask('go')
    return instance
  }

  /** All calls that it had to answer must settle now. */
  async function kill(): Promise<void> {
    const pending = [...running]
    const killedMs = performance.now()
    await killed.kill()
    const areSettled = () => pending.every((call) => !running.has(call))
    await until(areSettled, 'all calls on the killed server have settled', settleMs)
    slowestSettleMs = Math.max(slowestSettleMs, performance.now() - killedMs)
  }

  /** Ends the load of both sides, and looks at what is left. */
  async function rest(): Promise<Vitals> {
    // At once: no stream is open at the server while this side goes on.
    await Promise.all([load.rest(settleMs), killed.child.ask('quiet')])
    await until(() => openStreams(manager) === 0, 'no stream is open', settleMs)
    const vitals = await takeVitals(manager)
    await killed.child.ask('go')
    return vitals
  }

  try {
    const expected: string[] = []
    let first: Vitals | undefined
    let instance = await start()
    for (let restart = 1; restart <= restarts; restart++) {
      if (restart - 1 === warmUp) first = await rest()
      if (!load.isGoing) load.go([connection])
      const answered = (outcomes.ok ?? 0) + callsPerLife
      await until(() => (outcomes.ok ?? 0) >= answered, 'the server answers', startMs)
      await delay(random() * 20)
      const previous = instance
      await kill()
      instance = await start()
      expected.push(`${previous} ${instance}`)
      if (wrong.length > 0) throw new Error(`wrong answers: ${wrong.join('\n')}`)
      onRestart?.(restart)
    }
    const end = await rest()
    return {
      ...{ restarts, outcomes, slowestSettleMs, start: first ?? end, end },
      /** `restart` events that told the right two instances. */
      told: told.filter((pair, n) => pair === expected[n]).length
    }
  } finally {
    load.close()
    await killed.kill()
    await manager.close({ timeout: 1 })
    await server.end()
  }
}
