/** The runtimes that it-grid runs on: their packages, and how each runs a program and a file of specs. */

import { join } from 'node:path'

export interface Runtime {
  readonly name: string
  readonly packages: readonly string[]
  /** Of `node_modules`. */
  readonly binary: string
  readonly program: readonly string[]
  readonly specs: readonly string[]
  /** The counts of specs that passed and failed, of what it has printed. */
  readonly counts: readonly [passed: RegExp, failed: RegExp]
  /** What does not work, by the reason that `programs/probe.ts` finds. All else must work. */
  readonly lacks: Readonly<Record<string, RegExp>>
}

const sources = ['--import', './spec/support/typescript.mjs']

function node(version: string): Runtime {
  return {
    name: `Node ${version}`,
    packages: [`node@${version}`],
    binary: join('node', 'bin', 'node'),
    program: sources,
    specs: [...sources, '--test', '--test-reporter=tap'],
    counts: [/^# pass (\d+)$/m, /^# fail (\d+)$/m],
    lacks: {}
  }
}

export const runtimes: readonly Runtime[] = [
  node('20.19'),
  node('22'),
  node('24'),
  node('26'),
  {
    name: 'Deno',
    packages: ['deno'],
    binary: join('deno', 'deno'),
    program: ['run', '--allow-all', '--no-check', '--no-lock', '--quiet'],
    specs: ['test', '--allow-all', '--no-check', '--no-lock'],
    counts: [/\((\d+) steps\) \| \d+ failed/, /\| (\d+) failed/],
    lacks: { mutualTLS: /exportKeyingMaterial/ }
  },
  {
    name: 'Bun',
    packages: ['bun'],
    binary: join('bun', 'bin', 'bun.exe'),
    program: [],
    specs: ['test'],
    counts: [/^ *(\d+) pass$/m, /^ *(\d+) fail$/m],
    lacks: {
      mutualTLS: /needs a conn over TLS/,
      bytesAtTheDialer: /shows 0 bytes/,
      bytesAtTheListener: /shows 0 bytes/
    }
  }
]
