/**
 * The server processes, seen from the demo: start one, ask it for something, see it end.
 *
 * No child process outlives this one, however it ends.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { freePort } from '../free-port.ts'
import type { FromServer, JournalEntry, ToServer } from './ipc.ts'
import type { TaskName, Tasks } from './tasks.ts'

const program = fileURLToPath(new URL('./server.ts', import.meta.url))
/** Everything here takes milliseconds on an idle machine. */
const patienceMs = 15_000
const newsPatienceMs = 2_500
/** A server starts sooner on an idle machine. */
const idleStartMs = 1_000

type Answer<Name extends TaskName> = Awaited<ReturnType<Tasks[Name]>>

interface Question {
  resolve(value: unknown): void
  reject(error: Error): void
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

const running = new Set<ChildProcess>()
let slowestStartMs = 0

/** The limit for what takes `idleMs` at most on an idle machine. It is longer when the servers were slow to start. */
export function allowed(idleMs: number): number {
  return Math.round(idleMs * Math.max(1, slowestStartMs / idleStartMs))
}

/** Kills all child processes, and does not wait for their end. */
export function killAll(): void {
  for (const child of running) child.kill('SIGKILL')
}

process.on('exit', killAll)

export class ServerProcess {
  readonly name: string
  readonly pid: number
  /** Lines that the library logged in that process. */
  readonly log: string[] = []
  readonly exited: Promise<Exit>
  port = 0
  readonly #child: ChildProcess
  readonly #journal: JournalEntry[] = []
  readonly #news = new EventEmitter()
  readonly #questions = new Map<number, Question>()
  #asked = 0

  private constructor(name: string, port: number) {
    this.name = name
    this.#child = fork(program, [name, String(port)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.pid = this.#child.pid ?? 0
    running.add(this.#child)
    this.#child.on('message', (message: FromServer) => this.#onMessage(message))
    this.#child.on('error', (error) => this.log.push(error.message))
    this.exited = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        running.delete(this.#child)
        this.#rejectAll()
        resolve({ code, signal })
      })
    })
  }

  /** Starts a server. Resolves once its HTTP server listens on `port`, or on a free one if there is none. */
  static async start(name: string, port?: number): Promise<ServerProcess> {
    const startedAt = performance.now()
    const started = new ServerProcess(name, port ?? (await freePort()))
    const ended = started.exited.then(() => Promise.reject(new Error(`${name} ended before it listened`)))
    await Promise.race([once(started.#news, 'listening'), ended])
    slowestStartMs = Math.max(slowestStartMs, performance.now() - startedAt)
    return started
  }

  get host(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Makes the server do one of its tasks. */
  ask<Name extends TaskName>(task: Name, ...args: Parameters<Tasks[Name]>): Promise<Answer<Name>> {
    const id = ++this.#asked
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#questions.set(id, { resolve, reject })
      const question: ToServer = { id, task, args }
      this.#child.send(question, (error) => {
        if (error !== null) reject(new Error(`${this.name} cannot be asked: ${error.message}`))
      })
    })
    const answered = within(answer, `${this.name} answers to "${task}"`)
    // An act that failed half-way no longer waits for the answers to its earlier questions.
    answered.catch(() => undefined)
    return answered as Promise<Answer<Name>>
  }

  /** Resolves with the first journal entry of this kind, as soon as there is one. */
  async noted(what: JournalEntry['what'], about: string): Promise<JournalEntry> {
    const find = () => this.#journal.find((entry) => entry.what === what && entry.about === about)
    const wait = async (): Promise<JournalEntry> => {
      for (;;) {
        const entry = find()
        if (entry !== undefined) return entry
        await once(this.#news, 'journal')
      }
    }
    return within(wait(), `${this.name} notes "${what}" of ${about}`, newsPatienceMs)
  }

  /** Like `kill -9`: the process gets no chance to say goodbye. */
  kill(): Promise<Exit> {
    this.#child.kill('SIGKILL')
    return this.exited
  }

  #onMessage(message: FromServer): void {
    switch (message.type) {
      case 'listening':
        this.port = message.port
        this.#news.emit('listening')
        break
      case 'journal':
        this.#journal.push(message.entry)
        this.#news.emit('journal')
        break
      case 'log':
        this.log.push(message.line)
        break
      case 'answer':
        this.#take(message.id)?.resolve(message.value)
        break
      default:
        this.#take(message.id)?.reject(new Error(`${this.name} failed: ${message.text}`))
    }
  }

  #take(id: number): Question | undefined {
    const question = this.#questions.get(id)
    this.#questions.delete(id)
    return question
  }

  #rejectAll(): void {
    for (const { reject } of this.#questions.values()) reject(new Error(`${this.name} has ended`))
    this.#questions.clear()
  }
}

/** The result of `promise`, or an error that says what did not happen in time. */
export async function within<T>(promise: Promise<T>, what: string, idleMs = patienceMs): Promise<T> {
  const timeoutMs = allowed(idleMs)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${timeoutMs / 1000} s: ${what}`)), timeoutMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
