/**
 * What is printed: one write at a time, and the next one when that has been taken, so that nothing is kept in memory for a slow
 * reader. A reader that has gone ends the run. Colours and cursor codes are for terminals only.
 */

import type { Writable } from 'node:stream'
import { BrokenPipe } from './exit.ts'

/** A stream for people or programs; a `tty.WriteStream` is one. */
export type OutputStream = Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number }

/** Wider than any table, for whoever is no terminal. */
const unbounded = Number.MAX_SAFE_INTEGER
const colours = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1, inverse: 7 } as const
export type Colour = keyof typeof colours
/** What is being written when the run is told to end has so long to be taken: who reads gets whole lines. */
const takenWithinMs = 500

export class Output {
  readonly #stream: OutputStream
  readonly #env: NodeJS.ProcessEnv
  readonly #ending: AbortSignal
  readonly #gone = new AbortController()
  #last: Promise<void> = Promise.resolve()
  /** Of `performance.now()`: nobody is waited for any longer. */
  #endsMs: number | undefined

  /** @param ending aborts when the run is told to end: then nobody is waited for long who takes nothing */
  constructor(stream: OutputStream, env: NodeJS.ProcessEnv, ending: AbortSignal) {
    this.#stream = stream
    this.#env = env
    this.#ending = ending
    // Whoever writes hears of it; without a listener it would end the process.
    stream.on('error', (error) => this.#gone.abort(toGone(error)))
  }

  /** Aborts when nobody reads any more. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  get isTerminal(): boolean {
    return this.#stream.isTTY === true
  }

  /** Whether the cursor can be moved. */
  get canRedraw(): boolean {
    return this.isTerminal && this.#env.TERM !== 'dumb'
  }

  get hasColours(): boolean {
    const { NO_COLOR = '', FORCE_COLOR = '' } = this.#env
    if (NO_COLOR !== '') return false
    return FORCE_COLOR === '' ? this.canRedraw : FORCE_COLOR !== '0'
  }

  get columns(): number {
    // A terminal that does not know its size says 0.
    return this.isTerminal ? this.#stream.columns || 80 : unbounded
  }

  get rows(): number {
    return this.isTerminal ? this.#stream.rows || 24 : unbounded
  }

  paint(colour: Colour | undefined, text: string): string {
    return colour === undefined || !this.hasColours ? text : `\u001b[${colours[colour]}m${text}\u001b[0m`
  }

  /** Resolves when it has been taken, or is not within a moment after the run was told to end. @throws {BrokenPipe} */
  write(chunk: string | Uint8Array): Promise<void> {
    this.#last = this.#last.then(() => this.#writeNow(chunk))
    // Whoever waits hears of it, and whoever does not sees `gone`.
    this.#last.catch(() => undefined)
    return this.#last
  }

  line(text = ''): Promise<void> {
    return this.write(`${text}\n`)
  }

  lines(texts: readonly string[]): Promise<void> {
    return texts.length === 0 ? this.#last : this.write(`${texts.join('\n')}\n`)
  }

  onResize(listener: () => void): () => void {
    this.#stream.on('resize', listener)
    return () => this.#stream.off('resize', listener)
  }

  #writeNow(chunk: string | Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const [gone, ending] = [this.gone, this.#ending]
      if (gone.aborted) return reject(gone.reason)
      // What is destroyed calls nobody back.
      const onGone = () => settle(() => reject(gone.reason))
      let timer: NodeJS.Timeout | undefined
      const onEnding = () => {
        this.#endsMs ??= performance.now() + takenWithinMs
        timer = setTimeout(settle, this.#endsMs - performance.now(), resolve)
      }
      const settle = (by: () => void) => {
        clearTimeout(timer)
        gone.removeEventListener('abort', onGone)
        ending.removeEventListener('abort', onEnding)
        by()
      }
      gone.addEventListener('abort', onGone)
      ending.addEventListener('abort', onEnding)
      this.#stream.write(chunk, (error) => settle(error ? () => reject(toGone(error)) : resolve))
      if (ending.aborted) onEnding()
    })
  }
}

/** A disk that is full is told; a pipe that is closed is the end. */
function toGone(error: Error): Error {
  const { code } = error as NodeJS.ErrnoException
  const isClosed = code === 'EPIPE' || code === 'ECONNRESET' || code === 'ERR_STREAM_DESTROYED'
  return isClosed ? new BrokenPipe('nobody reads the output any more') : error
}
