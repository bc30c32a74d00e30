/** The servers of the soak as their driver holds them: processes that are started, killed, stopped and asked. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { Vitals } from '../support/grid/vitals.ts'
import { sourceArgs } from '../support/process/child.ts'
import { until } from '../support/until.ts'
import type { NodeInit, NodeReport, Outcomes } from './soak-node.ts'

export type Quiet = Extract<NodeReport, { kind: 'quiet' }>

const script = new URL('./soak-node.ts', import.meta.url)
const startMs = 30_000
/** Longer than a server waits for its calls, which it then names. */
const restMs = 60_000
const exitMs = 10_000

export class Server {
  readonly name: string
  /** The first rest of this process, to compare the last one with. */
  first: Vitals | undefined
  last: Quiet | undefined
  starts = 0
  /** Of processes that are gone, as far as they told. */
  readonly past: Record<string, number> = {}
  readonly #init: NodeInit
  readonly #wrong: (text: string) => void
  #child: ChildProcess | undefined
  #listening = false

  constructor(init: NodeInit, wrong: (text: string) => void) {
    this.name = init.local
    this.#init = init
    this.#wrong = wrong
  }

  async start(): Promise<void> {
    const init = { ...this.#init, seed: this.#init.seed + 100_000 * this.starts++ }
    const child = fork(script, [JSON.stringify(init)], { execArgv: [...sourceArgs] })
    this.#child = child
    this.#listening = false
    addOutcomes(this.past, this.last?.outcomes ?? {})
    this.first = undefined
    this.last = undefined
    child.on('message', (report: NodeReport) => this.#onReport(report))
    child.on('exit', (code, signal) => {
      if (this.#child === child) this.#wrong(`${this.name} ended by itself, with ${signal ?? code}`)
    })
    await until(() => this.#listening, `${this.name} listens`, startMs)
  }

  tell(word: 'go' | 'quiet' | 'close'): void {
    this.#child?.send(word)
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal)
  }

  /** Resolves when it has made no more calls, and all have settled. */
  async rest(): Promise<Quiet> {
    this.last = undefined
    this.tell('quiet')
    await until(() => this.last !== undefined, `${this.name} comes to rest`, restMs)
    const quiet = this.last as unknown as Quiet
    this.first ??= quiet.vitals
    return quiet
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    this.#child = undefined
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }

  /** Closes it gracefully; it has to exit by itself. */
  async close(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    this.tell('close')
    this.#child = undefined
    let code: number | null | undefined
    child.once('exit', (exitCode) => {
      code = exitCode
    })
    await until(() => code !== undefined, `${this.name} exits`, exitMs).catch((error) => {
      this.#wrong(error.message)
      child.kill('SIGKILL')
    })
    if (code !== 0 && code !== undefined) this.#wrong(`${this.name} exited with ${code}`)
  }

  #onReport(report: NodeReport): void {
    if (report.kind === 'listening') this.#listening = true
    else if (report.kind === 'quiet') this.last = report
    else this.#wrong(report.text)
  }
}

export function addOutcomes(totals: Record<string, number>, outcomes: Outcomes): void {
  for (const [outcome, calls] of Object.entries(outcomes)) totals[outcome] = (totals[outcome] ?? 0) + calls
}
