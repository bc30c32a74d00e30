/** Follows a source of hosts: all lists that it gives, and all lines of its logger. */

import type { HostSource } from '../../lib/extras/discovery/index.ts'
import type { Logger } from '../../lib/index.ts'
import { until } from '../support/until.ts'

export class Lines implements Logger {
  /** `warn it has failed`. */
  readonly all: string[] = []

  debug = (text: string): void => this.#add('debug', text)
  info = (text: string): void => this.#add('info', text)
  warn = (text: string): void => this.#add('warn', text)
  error = (text: string): void => this.#add('error', text)

  /** Those that a user sees by default. */
  get loud(): string[] {
    return this.all.filter((line) => /^(warn|error) /.test(line))
  }

  #add(level: string, text: string): void {
    this.all.push(`${level} ${text}`)
  }
}

export class Followed {
  readonly lists: string[][] = []
  isOver = false
  readonly #iterator: AsyncIterator<readonly string[]>

  constructor(source: HostSource) {
    this.#iterator = source[Symbol.asyncIterator]()
    this.#pull()
  }

  /** The newest list, its names without scheme: short to compare. */
  get now(): string {
    return (this.lists.at(-1) ?? []).map((host) => host.replace(/^https?:\/\//, '')).join(' ')
  }

  async has(hosts: string, timeoutMs?: number): Promise<void> {
    try {
      await until(() => this.now === hosts, `the list is "${hosts}"`, timeoutMs)
    } catch (error) {
      throw new Error(`it is "${this.now}"`, { cause: error })
    }
  }

  async end(): Promise<void> {
    await this.#iterator.return?.()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end()
  }

  async #pull(): Promise<void> {
    for (;;) {
      const { done, value } = await this.#iterator.next()
      if (done === true) break
      this.lists.push([...value])
    }
    this.isOver = true
  }
}
