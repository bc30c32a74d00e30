#!/usr/bin/env node

/** The program `it-grid`: gives the command line this process, its streams and its signals, and ends it as shells expect. */

import { constants } from 'node:os'
import { isatty } from 'node:tty'
import { Interrupted } from './exit.ts'
import { fdStream } from './fd-stream.ts'
import { runCommandLine } from './index.ts'
import type { OutputStream } from './output.ts'

const ending = new AbortController()
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
let received: NodeJS.Signals | undefined

/** The first one ends the command, the second one the process. */
function onSignal(signal: NodeJS.Signals): void {
  if (received !== undefined) return endBy(signal)
  received = signal
  ending.abort(new Interrupted(signal, 128 + constants.signals[signal]))
}

/** So that a shell which waits knows it, and ends its loop. */
function endBy(signal: NodeJS.Signals): void {
  for (const each of signals) process.removeAllListeners(each)
  process.kill(process.pid, signal)
}

for (const signal of signals) process.on(signal, onSignal)

function streamOf(fd: 1 | 2): OutputStream {
  if (!isatty(fd)) return fdStream(fd)
  return fd === 1 ? process.stdout : process.stderr
}

const { stdin, env } = process
const exitCode = await runCommandLine(process.argv.slice(2), {
  ...{ stdin, stdout: streamOf(1), stderr: streamOf(2), env, signal: ending.signal }
})
if (received === undefined) process.exit(exitCode)
endBy(received)
