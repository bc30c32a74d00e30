/** A terminal that is redrawn in place, and its keys. What it was before is there again afterwards, whatever ended it. */

import type { InputStream } from './command.ts'
import type { Output } from './output.ts'
import { cut } from './text.ts'

const controlSequence = '\u001b['
const enter = `${controlSequence}?1049h${controlSequence}?25l`
const leave = `${controlSequence}?25h${controlSequence}?1049l`
const interrupt = '\u0003'

export class Screen {
  readonly #out: Output
  readonly #stdin: InputStream
  readonly #onKey: (key: string) => void
  readonly #onResize: () => void
  #unlisten = () => {}
  #next: readonly string[] | undefined
  #drawing: Promise<void> | undefined

  /** @param onKey hears each character; Ctrl-C is a signal, as elsewhere */
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
        else this.#onKey(key)
      }
    }
    if (hasKeys) stdin.on('data', onData).setRawMode?.(true)
    this.#unlisten = () => {
      unlisten()
      if (!hasKeys) return
      stdin.off('data', onData).pause()
      stdin.setRawMode?.(false)
    }
    await this.#out.write(enter)
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
