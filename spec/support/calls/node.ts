/** A server process that answers calls of every kind, and makes them on all others while its driver wants it to. */

import type { ManagerOptions } from '../../../lib/index.ts'
import { openStreams, takeVitals } from '../grid/vitals.ts'
import { given, obey, tell } from '../process/obey.ts'
import { type ServerInit, startServer } from '../process/server.ts'
import { until } from '../until.ts'
import { serveCalls } from './call.ts'
import { Load } from './load.ts'

/** What the driver starts it with. */
export interface NodeInit extends ServerInit {
  readonly seed: number
  readonly workers: number
  readonly pauseMs: number
  readonly options?: Partial<ManagerOptions>
}

/** What it tells by itself: what is not as it must be. */
export type NodeReport = string

export type NodeWords = typeof words

const timeoutMs = 8000
/** A call that has not settled so long after the last one was made never will. */
const settleMs = timeoutMs + 10_000

const { seed, workers, pauseMs, options, ...init } = given<NodeInit>()
const { manager, words: serverWords } = startServer(init, options)
serveCalls(manager)
const load = new Load({ seed, workers, pauseMs, timeoutMs, onWrong: tell })

const words = {
  ...serverWords,
  go: () => load.go(manager.connections),
  /** Makes no more calls; resolves when all have settled. */
  async quiet() {
    await load.rest(settleMs)
    await Promise.all(manager.connections.map((connection) => connection.waitForConnect()))
    await until(() => openStreams(manager) === 0, 'no stream is open').catch(() => undefined)
    return { vitals: await takeVitals(manager), outcomes: load.outcomes, slowestMs: load.slowestMs }
  },
  close() {
    load.close()
    return serverWords.close()
  }
}
obey(words)
