/** What a run prints, and that no process is left behind however it ends. */

import { constants } from 'node:os'
import { killAll } from '../commands.ts'

export interface Output {
  print(text: string): void
  progress(text: string): void
}

export function killAllAtEnd(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // By convention 128 and the number of the signal. At the end of this process all others end, see below.
    process.once(signal, () => process.exit(128 + constants.signals[signal]))
  }
  process.once('exit', killAll)
}

export const output: Output = {
  print(text) {
    if (process.stderr.isTTY) process.stderr.write('\x1b[2K\r')
    console.log(text)
  },
  /** On a terminal one line that changes; elsewhere a line for each step would drown the rest, so one now and then. */
  progress: process.stderr.isTTY ? (text) => process.stderr.write(`\x1b[2K\r${text}`) : printSeldom()
}

function printSeldom(): (text: string) => void {
  const everyMs = 5_000
  let lastMs = Number.NEGATIVE_INFINITY
  return (text) => {
    if (performance.now() - lastMs < everyMs) return
    lastMs = performance.now()
    process.stderr.write(`${text}\n`)
  }
}
