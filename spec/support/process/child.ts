/** A process that runs one of our sources: started with one value, asked by words, heard, and ended. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { machineMs } from '../clock/machine.ts'
import { until } from '../until.ts'
import type { Answer, Asked, Words } from './obey.ts'

/** Arguments of `node` before the file. */
export const sourceArgs: readonly string[] = ['--import', new URL('../typescript.mjs', import.meta.url).href]

/** The environment of a child: what it runs is no part of the coverage, and taking that slows it down. */
export function childEnvironment(): NodeJS.ProcessEnv {
  // Named, for Node hands it on to a child whose environment does not name it.
  return { ...process.env, NODE_V8_COVERAGE: undefined }
}

/** Ends a process of ours, and resolves when it has ended: at once where it has done so by itself, or was never there. */
export async function endProcess(child: ChildProcess | undefined, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'close')
  child.kill(signal)
  await gone
}

/** On a machine that does much else. */
const defaultAnswerMs = 60_000
const exitMs = 10_000

export interface ChildOptions<Report> {
  /** Arguments of `node`, beside those that every source needs. */
  readonly execArgv?: readonly string[]
  /** What runs `node`, such as `ip netns exec`. */
  readonly command?: readonly string[]
  /** How long an answer may take, in ms. Default 60 000. */
  readonly answerMs?: number
  /** Hears what it tells without being asked. */
  readonly onReport?: (report: Report) => void
}

/** `W`: the words that the source obeys. */
export class Child<W extends Words = Words, Report = never> {
  /** All that it has told without being asked. */
  readonly reports: Report[] = []
  stderr = ''
  exitedAtMs: number | undefined
  /** By the clock of the machine. */
  killedAtMs: number | undefined
  /** Resolves when it has ended. */
  readonly gone: Promise<void>
  readonly #process: ChildProcess
  readonly #answerMs: number
  readonly #answers = new Map<number, Answer>()
  #asked = 0

  /** @param init what the source gets by `given()` */
  constructor(source: URL, init: unknown = null, options: ChildOptions<Report> = {}) {
    const { execArgv = [], command = [], onReport, answerMs = defaultAnswerMs } = options
    this.#answerMs = answerMs
    const args = [...command, process.execPath, ...sourceArgs, ...execArgv, fileURLToPath(source), JSON.stringify(init)]
    this.#process = spawn(args[0] as string, args.slice(1), {
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
      env: childEnvironment()
    })
    this.#process.stderr?.on('data', (text) => {
      this.stderr += text
    })
    this.#process.on('message', (message: Answer | { readonly report: Report }) => {
      if ('id' in message) return void this.#answers.set(message.id, message)
      this.reports.push(message.report)
      onReport?.(message.report)
    })
    this.gone = new Promise((resolve) => {
      this.#process.on('close', () => {
        this.exitedAtMs = performance.now()
        resolve()
      })
    })
  }

  /** Its exit code or the signal that ended it; undefined while it runs. */
  get end(): number | string | undefined {
    return this.#process.exitCode ?? this.#process.signalCode ?? undefined
  }

  /** Tells it a word; resolves with what it answers, rejects with what it throws. */
  async ask<Word extends keyof W & string>(
    word: Word,
    ...args: Parameters<W[Word]>
  ): Promise<Awaited<ReturnType<W[Word]>>> {
    const id = ++this.#asked
    const asked: Asked = { id, word, args }
    // Whether it is gone is seen below.
    this.#process.send(asked, () => undefined)
    await this.#until(() => this.#answers.has(id), `the answer to "${word}"`, this.#answerMs)
    const { value, error } = this.#answers.get(id) as Answer
    this.#answers.delete(id)
    if (error !== undefined) throw new Error(`"${word}" failed: ${error}`)
    return value as Awaited<ReturnType<W[Word]>>
  }

  /** The first report that satisfies `isIt`, once it is there. */
  async report<R extends Report>(isIt: (report: Report) => report is R, what: string): Promise<R> {
    await this.#until(() => this.reports.some(isIt), what, this.#answerMs)
    return this.reports.find(isIt) as R
  }

  /** It ends by itself, with 0 and nothing to complain about. */
  async exited(withinMs = exitMs): Promise<void> {
    await until(() => this.exitedAtMs !== undefined, `it exits within ${withinMs} ms`, withinMs)
    if (this.end !== 0 || this.stderr !== '') throw new Error(`it ended with ${this.end}: ${this.stderr}`)
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL')
    this.killedAtMs ??= machineMs()
    await this.gone
  }

  async #until(condition: () => boolean, what: string, timeoutMs: number): Promise<void> {
    await until(() => condition() || this.exitedAtMs !== undefined, what, timeoutMs)
    if (!condition()) throw new Error(`it ended with ${this.end} without ${what}: ${this.stderr}`)
  }
}
