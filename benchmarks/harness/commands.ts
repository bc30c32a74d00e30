/** Commands from one process to another, each with one answer: how a benchmark talks with its far end beside the grid. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

/** What a process does when it is told to. */
export type Commands = Readonly<Record<string, (argument: never) => unknown>>

interface Call {
  readonly id: number
  readonly name: string
  readonly argument: unknown
}

type Answer = { readonly id: number } & ({ readonly value: unknown } | { readonly failure: string })

/** Serves the parent of this process. */
export function serveCommands(commands: Commands): void {
  process.on('message', async ({ id, name, argument }: Call) => {
    let answer: Answer
    try {
      answer = { id, value: await commands[name]?.(argument as never) }
    } catch (error) {
      answer = { id, failure: String(error) }
    }
    process.send?.(answer)
  })
  process.on('disconnect', () => process.exit())
}

/** A child process that serves `Served`. */
export class CommandedProcess<Served extends Commands> {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  #calls = 0

  constructor(script: URL, args: readonly string[] = [], flags: readonly string[] = []) {
    this.#child = fork(script, args, { execArgv: [...flags, '--import', 'tsx'] })
    this.#child.on('message', (answer: Answer) => {
      this.#waiting.get(answer.id)?.(answer)
      this.#waiting.delete(answer.id)
    })
    this.#child.on('exit', (code) => {
      for (const [id, settle] of this.#waiting) settle({ id, failure: `the process ended with code ${code}` })
    })
  }

  async ask<Name extends keyof Served & string>(
    name: Name,
    ...[argument]: Parameters<Served[Name]>
  ): Promise<Awaited<ReturnType<Served[Name]>>> {
    const id = this.#calls++
    const answer = await new Promise<Answer>((resolve) => {
      this.#waiting.set(id, resolve)
      this.#child.send({ id, name, argument })
    })
    if ('failure' in answer) throw new Error(`${name}: ${answer.failure}`)
    return answer.value as Awaited<ReturnType<Served[Name]>>
  }

  /** Ends the process; what it was doing is not waited for. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.disconnect()
    await exited
  }
}
