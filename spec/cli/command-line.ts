/** The command line for specs: run here with streams in memory, or as a process; and a grid that takes guests. */

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { runCommandLine } from 'it-grid/cli'
import { type Manager, sharedSecret } from '../../lib/index.ts'
import { openGrid } from '../support/grid/grid.ts'
import { childEnvironment, sourceArgs } from '../support/process/child.ts'

export const main = fileURLToPath(new URL('../../lib/extras/cli/main.ts', import.meta.url))
const guestSecret = 'a secret of the guests of specs'

/** A grid that lets guests in, on real sockets of loopback. */
export function gridWithGuests(size: number, serve?: (manager: Manager, index: number) => void) {
  return openGrid(size, {
    keepAlive: { intervalMs: 1000 },
    introspection: () => true,
    guests: { auth: sharedSecret(guestSecret), allow: ({ handler }) => handler !== 'forbidden' },
    ...(serve && { serve })
  })
}

/** A folder of its own, with the secret in it. */
export function folder(test: TestContext) {
  const path = mkdtempSync(join(tmpdir(), 'it-grid-cli-'))
  test.after(() => rmSync(path, { recursive: true }))
  const file = (name: string, content: string | Uint8Array) => {
    writeFileSync(join(path, name), content)
    return join(path, name)
  }
  return { path, file, secret: file('secret', `${guestSecret}\n`) }
}

export interface Given {
  readonly stdin?: Readable | string
  readonly env?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
  /** A terminal so wide; default none. */
  readonly columns?: number
  /** Takes what is written, in the place of memory. */
  readonly stdout?: Writable
  readonly stderr?: Writable
}

/** What came of a command line. */
export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export async function runHere(args: readonly string[], given: Given = {}): Promise<Outcome> {
  const { stdin = '', env = {}, signal = new AbortController().signal, columns } = given
  const [out, err] = [collector(columns), collector(columns)]
  const code = await runCommandLine(args, {
    stdin: typeof stdin === 'string' ? Readable.from(stdin === '' ? [] : [Buffer.from(stdin)]) : stdin,
    stdout: given.stdout ?? out.stream,
    stderr: given.stderr ?? err.stream,
    ...{ env, signal }
  })
  return { code, stdout: out.text(), stderr: err.text() }
}

function collector(columns: number | undefined) {
  const chunks: Buffer[] = []
  const stream = new Writable({
    write(chunk, _, done) {
      chunks.push(Buffer.from(chunk))
      done()
    }
  })
  const terminal = columns === undefined ? {} : { isTTY: true, columns, rows: 24 }
  return { stream: Object.assign(stream, terminal), text: () => Buffer.concat(chunks).toString() }
}

/** As a process, of a shell: there are pipes, and `it-grid` is a program. */
export function shell(script: string, env: Readonly<Record<string, string>>) {
  const bin = mkdtempSync(join(tmpdir(), 'it-grid-bin-'))
  const quoted = [process.execPath, ...sourceArgs, main].map((each) => `'${each}'`).join(' ')
  writeFileSync(join(bin, 'it-grid'), `#!/bin/sh\nexec ${quoted} "$@"\n`, { mode: 0o755 })
  const child = spawn('bash', ['-c', script], {
    env: { ...childEnvironment(), PATH: `${bin}:${process.env.PATH}`, ...env },
    stdio: ['pipe', 'pipe', 'pipe']
  })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const ended = new Promise<Outcome & { readonly signal: NodeJS.Signals | null }>((resolve) => {
    child.on('close', (code, signal) => {
      rmSync(bin, { recursive: true })
      resolve({ code: code ?? -1, signal, stdout, stderr })
    })
  })
  return { child, ended, stdout: () => stdout }
}
