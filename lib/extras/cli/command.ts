/** What a command is, and what it gets: its arguments, its flags, where to print, and how to reach hosts. Types only. */

import type { Readable } from 'node:stream'
import type { Guest } from '../../index.ts'
import type { Comer } from './door.ts'
import type { OptionSpecs, Options } from './options.ts'
import type { Output } from './output.ts'

/** A stream to read; a `tty.ReadStream` is one. */
export type InputStream = Readable & { readonly isTTY?: boolean; setRawMode?(isRaw: boolean): unknown }

export interface Command {
  readonly name: string
  readonly summary: string
  /** What follows its name. */
  readonly usage: string
  /** Sentences and examples below the options. */
  readonly about: string
  readonly options: OptionSpecs
  /** Resolves with the exit code; 0 for none. */
  run(given: Run): Promise<number | undefined>
}

/** One run of a command. */
export interface Run {
  readonly options: Options
  readonly args: readonly string[]
  readonly stdin: InputStream
  readonly out: Output
  readonly err: Output
  /** Aborts when it is to end: by a signal, or because nobody reads the output. */
  readonly signal: AbortSignal
  /** How guests of this run come in. */
  readonly comer: Comer
  /** A guest of a host, for as long as the run lasts. */
  dial(host: string, signal?: AbortSignal): Promise<Guest>
}
