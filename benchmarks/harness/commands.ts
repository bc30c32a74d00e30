/**
 * Processes of a benchmark, and the commands that it gives them, each with one answer, beside whatever they measure.
 *
 * None is left behind: each ends itself when the one that started it is gone, and that one kills those it started.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** What a process does when it is told to. */
export type Commands = Readonly<Record<string, (argument: never) => unknown>>

/** What came back is not what was sent, or should have been: nothing that was measured counts. */
export class WrongAnswer extends Error {
  override readonly name = 'WrongAnswer'
}

interface Call {
  readonly id: number
  readonly name: string
  readonly argument: unknown
}

interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly failure?: string
  readonly isWrongAnswer?: boolean
}

/** Serves the parent of this process. */
export function serveCommands(commands: Commands): void {
  process.on('message', async ({ id, name, argument }: Call) => {
    let answer: Answer
    try {
      answer = { id, value: await commands[name]?.(argument as never) }
    } catch (error) {
      answer = { id, failure: messageOf(error), isWrongAnswer: error instanceof WrongAnswer }
    }
    process.send?.(answer)
  })
  process.on('disconnect', () => process.exit())
  if (!process.connected) process.exit()
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** CPU time of this process so far, in microseconds. */
export function cpuUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

const root = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../..' : '../../../..', import.meta.url))
const maxReasonChars = 160
const maxErrorChars = 4096

/** What loads sources, where this process runs as one. */
const loader = process.execArgv.filter((arg, i, all) => arg.startsWith('--import') || all[i - 1] === '--import')

const running = new Set<ChildProcess>()

/** At once, for the end of this process. */
export function killAll(): void {
  for (const child of running) child.kill('SIGKILL')
}

/** A child process that serves `Served`. */
export class Child<Served extends Commands> {
  readonly #process: ChildProcess
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  #calls = 0
  #errorOutput = ''

  constructor(script: URL, args: readonly string[] = [], flags: readonly string[] = []) {
    // Coverage, when this process runs under it, would be taken of the child as well and slow it down.
    // Named, for Node hands it on to a child whose environment does not name it.
    const env = { ...process.env, NODE_V8_COVERAGE: undefined }
    this.#process = fork(script, args, {
      execArgv: [...flags, ...loader],
      env,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc']
    })
    running.add(this.#process)
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errorOutput = `${this.#errorOutput}${text}`.slice(-maxErrorChars)
    })
    this.#process.on('message', (answer: Answer) => this.#settle(answer))
    this.#process.once('close', (code, signal) => {
      running.delete(this.#process)
      const failure = `its process ended with ${signal ?? code}: ${errorLine(this.#errorOutput)}`
      for (const id of this.#waiting.keys()) this.#settle({ id, failure })
    })
  }

  async ask<Name extends keyof Served & string>(
    name: Name,
    ...[argument]: Parameters<Served[Name]>
  ): Promise<Awaited<ReturnType<Served[Name]>>> {
    const id = this.#calls++
    const answer = await new Promise<Answer>((resolve) => {
      this.#waiting.set(id, resolve)
      if (!this.#process.connected)
        this.#settle({ id, failure: `its process is gone: ${errorLine(this.#errorOutput)}` })
      // A command that does not arrive shows in the end of the process.
      else this.#process.send({ id, name, argument }, () => {})
    })
    if (answer.failure === undefined) return answer.value as Awaited<ReturnType<Served[Name]>>
    throw new (answer.isWrongAnswer ? WrongAnswer : Error)(shortReason(answer.failure))
  }

  /** Ends the process; what it was doing is not waited for. */
  async stop(): Promise<void> {
    if (!running.has(this.#process)) return
    const closed = once(this.#process, 'close')
    this.#process.kill('SIGKILL')
    await closed
  }

  #settle(answer: Answer): void {
    this.#waiting.get(answer.id)?.(answer)
    this.#waiting.delete(answer.id)
  }
}

/** The line of a stack trace that says what happened. */
function errorLine(output: string): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '')
  return shortReason(lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1) ?? 'it said nothing')
}

/** One line, without the place of this checkout. */
function shortReason(text: string): string {
  const [line = ''] = text.replaceAll(`file://${root}`, '').replaceAll(root, '').split('\n')
  return line.length <= maxReasonChars ? line : `${line.slice(0, maxReasonChars - 1)}…`
}
