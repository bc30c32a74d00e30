/**
 * One process of a contestant, seen from the coordinator: asked one thing at a time, and ended by all means.
 *
 * None is left behind: each ends itself when the coordinator is gone, and the coordinator kills those it started.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { WrongAnswer } from './checks.ts'
import type { Command, Reply } from './ipc.ts'

const root = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../..' : '../../..', import.meta.url))
const closeTimeoutMs = 2_000
const maxReasonChars = 160

const running = new Set<ChildProcess>()

/** At once, for the end of this process. */
export function killAll(): void {
  for (const child of running) child.kill('SIGKILL')
}

export class Child {
  readonly #process: ChildProcess
  #errorOutput = ''
  #settle: { resolve(reply: Reply): void; reject(error: Error): void } | undefined

  /** `file` is a module beside this one, without its extension. */
  constructor(file: string, args: readonly string[]) {
    const extension = extname(import.meta.filename)
    this.#process = fork(new URL(`./${file}${extension}`, import.meta.url), args, {
      execArgv: extension === '.ts' ? ['--import', 'tsx'] : [],
      // Coverage of the children is not asked for, and costs them time.
      env: { ...process.env, NODE_V8_COVERAGE: '' },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc']
    })
    running.add(this.#process)
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errorOutput = `${this.#errorOutput}${text}`.slice(-4096)
    })
    this.#process.on('message', (reply: Reply) => this.#onReply(reply))
    this.#process.once('close', (code, signal) => {
      running.delete(this.#process)
      this.#settle?.reject(new Error(`its process ended with ${signal ?? code}: ${errorLine(this.#errorOutput)}`))
    })
  }

  /** The next reply of the process, after `command` if there is one. */
  async ask(command: Command | undefined, timeoutMs: number): Promise<Reply> {
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise<Reply>((resolve, reject) => {
        this.#settle = { resolve, reject }
        timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs)
        if (!this.#process.connected) reject(new Error(`its process is gone: ${errorLine(this.#errorOutput)}`))
        // A command that does not arrive shows in the end of the process.
        else if (command !== undefined) this.#process.send(command, () => {})
      })
    } finally {
      clearTimeout(timer)
      this.#settle = undefined
    }
  }

  async close(): Promise<void> {
    if (!running.has(this.#process)) return
    const closed = new Promise((resolve) => this.#process.once('close', resolve))
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), closeTimeoutMs)
    if (this.#process.connected) this.#process.send('close' satisfies Command, () => {})
    else this.#process.kill('SIGKILL')
    await closed
    clearTimeout(timer)
  }

  #onReply(reply: Reply): void {
    if (!('failure' in reply)) this.#settle?.resolve(reply)
    else if (reply.isWrongAnswer) this.#settle?.reject(new WrongAnswer(reply.failure))
    else this.#settle?.reject(new Error(shortReason(reply.failure)))
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
