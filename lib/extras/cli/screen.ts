/** A terminal that is redrawn in place, and its keys. What it was before is there again afterwards, whatever ended it. */

import { setTimeout as delay } from 'node:timers/promises'
import type { InputStream } from './command.ts'
import type { Output } from './output.ts'
import { cut } from './text.ts'

const controlSequence = '\u001b['
const enter = `${controlSequence}?1049h${controlSequence}?25l`
const leave = `${controlSequence}?25h${controlSequence}?1049l`
const interrupt = '\u0003'
const suspend = '\u001a'
const unstoppedMs = 100

export class Screen {
  readonly #out: Output
  readonly #stdin: InputStream
  readonly #onKey: (key: string) => void
  readonly #onResize: () => void
  #unlisten = () => {}
  #isSuspended = false
  #next: readonly string[] | undefined
  #drawing: Promise<void> | undefined

  /** @param onKey hears each character; Ctrl-C and Ctrl-Z are signals, as elsewhere */
  constructor(out: Output, stdin: InputStream, onKey: (key: string) => void, onResize: () => void) {
    this.#out = out
    this.#stdin = stdin
    this.#onKey = onKey
    this.#onResize = onResize
  }

  async open(): Promise<void> {
    const unlisten = this.#out.onResize(this.#onResize)
    const stdin = this.#stdin
    const hasKeys = stdin.isTTY === true
    const onData = (data: Buffer | string) => {
      for (const key of String(data)) {
        if (key === interrupt) process.kill(process.pid, 'SIGINT')
        else if (key === suspend) void this.#suspend()
        else this.#onKey(key)
      }
    }
    // Also after a stop that was not asked for here.
    const onContinue = () => void this.#resume(hasKeys)
    process.on('SIGCONT', onContinue)
    if (hasKeys) stdin.on('data', onData).setRawMode?.(true)
    this.#unlisten = () => {
      unlisten()
      process.off('SIGCONT', onContinue)
      if (!hasKeys) return
      stdin.off('data', onData).pause()
      stdin.setRawMode?.(false)
    }
    await this.#out.write(enter)
  }

  /** The shell has the terminal as it was, and stops what runs with it, such as `npx`. */
  async #suspend(): Promise<void> {
    this.#isSuspended = true
    this.#stdin.setRawMode?.(false)
    await this.#out.write(leave).catch(() => undefined)
    process.kill(0, 'SIGTSTP')
    // Where no shell could continue it, the system does not stop it.
    await delay(unstoppedMs)
    if (this.#isSuspended) await this.#resume(true)
  }

  async #resume(hasKeys: boolean): Promise<void> {
    this.#isSuspended = false
    if (hasKeys) this.#stdin.setRawMode?.(true)
    await this.#out.write(enter).catch(() => undefined)
    this.#onResize()
  }

  /** Shows these lines; while the terminal is slow, the newest. */
  draw(lines: readonly string[]): void {
    this.#next = lines
    this.#drawing ??= this.#draw().finally(() => {
      this.#drawing = undefined
    })
  }

  async close(): Promise<void> {
    this.#next = undefined
    this.#unlisten()
    await this.#drawing
    await this.#out.write(leave).catch(() => undefined)
  }

  async #draw(): Promise<void> {
    for (let lines = this.#next; lines !== undefined; lines = this.#next) {
      this.#next = undefined
      if (this.#isSuspended) return
      const shown = lines.slice(0, this.#out.rows)
      const text = shown.map((line) => `${line}${controlSequence}K`).join('\r\n')
      // Whoever has gone is seen elsewhere.
      await this.#out.write(`${controlSequence}H${text}${controlSequence}J`).catch(() => undefined)
    }
  }
}

/** A line that is no wider than the terminal. */
export function fitLine(out: Output, text: string): string {
  return cut(text, out.columns)
}
