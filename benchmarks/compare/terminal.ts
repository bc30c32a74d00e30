/** What a run tells whoever started it, and that no process is left behind however it ends. */

import type { Output } from './bench.ts'
import { killAll } from './child.ts'

/** By convention 128 and the number of the signal. */
const exitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

export function killAllAtEnd(): void {
  for (const [signal, code] of Object.entries(exitCodes)) {
    process.once(signal, () => {
      killAll()
      process.exit(code)
    })
  }
  process.once('exit', killAll)
}

export const output: Output = {
  print(text) {
    if (process.stderr.isTTY) process.stderr.write('\x1b[2K\r')
    console.log(text)
  },
  /** On a terminal one line that changes; elsewhere a line for each step would drown the rest, so one now and then. */
  progress: process.stderr.isTTY ? overwrite : printSeldom()
}

function overwrite(text: string): void {
  process.stderr.write(`\x1b[2K\r${text}`)
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
