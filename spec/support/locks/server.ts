/** A server of the proof as its driver holds it: a process that is started, killed, told what to do. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { childEnvironment, sourceArgs } from '../process/child.ts'
import { until } from '../until.ts'
import { HolderLog } from './holders.ts'
import type { NodeInit, NodeReport } from './node.ts'

/** A server comes up in this time on a machine that does much else. */
const startMs = 30_000
const script = new URL('./node.ts', import.meta.url)

export class Server {
  readonly name: string
  readonly #init: Omit<NodeInit, 'start'>
  readonly #log: HolderLog
  readonly #onReport: (report: NodeReport) => void
  #child: ChildProcess | undefined
  #starts = 0
  #isListening = false
  isQuiet = false

  constructor(init: Omit<NodeInit, 'start'>, onReport: (report: NodeReport) => void) {
    this.name = init.local
    this.#init = init
    this.#log = new HolderLog(init.log)
    this.#onReport = onReport
  }

  async start(): Promise<void> {
    const init: NodeInit = { ...this.#init, start: ++this.#starts, seed: this.#init.seed + 104_729 * this.#starts }
    const child = fork(script, [JSON.stringify(init)], { execArgv: [...sourceArgs], env: childEnvironment() })
    this.#child = child
    this.#isListening = false
    this.isQuiet = false
    child.on('message', (report: NodeReport) => {
      if (report.kind === 'listening') this.#isListening = true
      else if (report.kind === 'quiet') this.isQuiet = true
      else this.#onReport(report)
    })
    child.on('exit', (code, signal) => {
      // Nobody is inside in a process that is no more.
      this.#log.write({ what: 'gone', process: `${this.name}#${init.start}` })
      if (this.#child === child) this.#onReport({ kind: 'wrong', text: `${this.name} ended with ${signal ?? code}` })
    })
    await until(() => this.#isListening, `${this.name} listens`, startMs)
    child.send('go')
  }

  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    child?.kill('SIGKILL')
    if (child !== undefined && child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }

  /** After the last of its processes has ended. */
  dispose(): void {
    this.#log.close()
  }

  quiet(): void {
    this.#child?.send('quiet')
  }

  async close(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    child?.send('close')
    if (child !== undefined && child.exitCode === null) await once(child, 'exit')
  }
}
