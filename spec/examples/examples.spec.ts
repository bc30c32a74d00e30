/**
 * The examples and the demo, each run as a visitor runs it: in a process of its own, to its end.
 *
 * Also that the demo is no decoration: with a server that misbehaves for real it fails and says which claim did.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { headlines } from '../../examples/demo/headlines.ts'
import { paced } from '../support/clock/pace.ts'
import { childEnvironment, sourceArgs } from '../support/process/child.ts'
import { until } from '../support/until.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Each takes a few seconds at most: this ends what hangs. Asked for where it counts from: files run behind each other. */
const longestMs = () => paced(180_000)

interface Run {
  readonly output: () => string
  readonly kill: (signal: NodeJS.Signals) => void
  readonly exited: Promise<number | null>
}

function run(file: string, env: Record<string, string> = {}, args: readonly string[] = []): Run {
  const child = spawn(process.execPath, [...sourceArgs, `examples/${file}`, ...args], {
    cwd: root,
    env: { ...childEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: longestMs(),
    killSignal: 'SIGTERM'
  })
  let output = ''
  const read = (text: string) => {
    output += text
  }
  child.stdout.setEncoding('utf8').on('data', read)
  child.stderr.setEncoding('utf8').on('data', read)
  return {
    output: () => output,
    kill: (signal) => child.kill(signal),
    exited: new Promise((resolve) => child.once('close', resolve))
  }
}

const examples: Record<string, RegExp> = {
  'requests.ts': /^failed: there is no account 8 \(NO_ACCOUNT, delivery "ran"/m,
  'streams.ts': /^ {2}heard: HELLO! GRID! \(2 words\); then the stream ended$/m,
  'pipeline.ts': /^in the middle: 1, 2, 3 went to the other server and came back as 1, 4, 9$/m,
  'raw-bytes.ts': /^blocks 0102 and 03 went out, fefd and fc came back$/m,
  'unix-socket.ts': /^over one Unix socket, dialed by (left|right): 19 \+ 23 = 42, and the other way 1 \+ 2 = 3$/m,
  'tls.ts': /^a dialer that does not trust the certificate gets no conn: /m,
  'discovery.ts': /^server one is removed from the list of server two: the connection is closed, because /m,
  'rolling-restart.ts': /^every change was read once, in order, while all of its servers were restarted$/m,
  'middleware-server.ts': /^the other WebSocket service: "chat heard: good morning"$/m,
  'locks/main.ts': /^ten deposits that each read, wait and write: the balance is 10$/m
}
/** What they share. */
const notExamples = ['free-port.ts', 'start-pair.ts']

describe('examples', { concurrency: 3 }, () => {
  it('are all run here', () => {
    const files = readdirSync(`${root}/examples`).filter((file) => file.endsWith('.ts') && !notExamples.includes(file))
    assert.deepEqual([...files, 'locks/main.ts'].sort(), Object.keys(examples).sort())
  })

  for (const [file, line] of Object.entries(examples)) {
    it(`${file} does what it says and ends by itself`, async () => {
      const { exited, output } = run(file)
      assert.equal(await exited, 0, output())
      assert.match(output(), line)
      assert.match(output(), /^done: /m)
    })
  }
})

describe('demo', { concurrency: 3 }, () => {
  it('shows five claims that hold, each below three lines of code, in 80 columns, and what to read next', async () => {
    const { exited, output } = run('demo/main.ts')
    assert.equal(await exited, 0, output())
    const lines = output().trimEnd().split('\n')
    assert.deepEqual(
      lines.filter((line) => [...line].length > 80),
      []
    )
    assert.equal(lines.filter((line) => /^ {3}✓ /.test(line)).length, 5)
    for (const { code, claim } of Object.values(headlines)) {
      assert.ok(output().includes(`\n\n${code.map((line) => `     ${line}\n`).join('')}\n   ✓ `), claim)
    }
    assert.match(output(), /^✓ These 5 claims held, and \d+ beside them, in [\d.]+ s\.$/m)
    assert.match(lines.at(-1) ?? '', /Read next: (docs\/[\w-]+\.md)/)
  })

  it('shows lines of code that are in its sources', () => {
    const dense = (text: string) => text.replace(/\s+/g, '')
    const sources = readdirSync(`${root}/examples/demo`).filter((file) => file !== 'headlines.ts')
    const texts = sources.map((file) => dense(readFileSync(`${root}/examples/demo/${file}`, 'utf8')))
    for (const { code } of Object.values(headlines)) {
      assert.equal(code.length, 3)
      assert.ok(
        texts.some((text) => text.includes(dense(code.join('')))),
        code.join('\n')
      )
    }
  })

  it('shows all that it does with --all: every claim holds, and it exits with 0', async () => {
    const { exited, output } = run('demo/main.ts', {}, ['--all'])
    assert.equal(await exited, 0, output())
    assert.match(output(), /^ {2}.*accepts .* = 6$/m)
    assert.match(output(), /^✓ All 32 claims held, in [\d.]+ s\.$/m)
    assert.doesNotMatch(output(), /^ +✗/m)
  })

  it('keeps its grid running with its page when it is asked to', async () => {
    const { exited, output, kill } = run('demo/main.ts', {}, ['--inspect'])
    const address = () => /The page of this grid: (\S+)/.exec(output())?.[1]
    await until(() => address() !== undefined, 'it says where the page is', longestMs())
    assert.match(await (await fetch(address() ?? '')).text(), /<title>it-grid<\/title>/)
    const feed = await fetch(`${address()}feed`)
    let told = ''
    for await (const text of feed.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      told += text
      if (told.includes('Yes, all 4')) break
    }
    kill('SIGINT')
    assert.equal(await exited, 130, output())
  })

  it('leaves no process behind when it is interrupted', async () => {
    const { exited, output, kill } = run('demo/main.ts', {}, ['--all'])
    await until(() => output().includes('2. Requests'), 'the second act', longestMs())
    const pids = [...output().matchAll(/ process (\d+)$/gm)].map(([, pid]) => Number(pid))
    kill('SIGINT')
    assert.equal(await exited, 130, output())
    assert.equal(pids.length, 4)
    await until(() => !pids.some(isAlive), 'the end of the server processes')
  })

  const sabotages: [string, string][] = [
    ['eager', 'A consumer that stalls: node-2 took 5 numbers and stalls: the generator in node-1 stops at the window'],
    ['second-socket', 'The grid forms: there is exactly one socket for each of the 6 pairs of servers'],
    ['lockless', 'Locks that all servers agree on: all 4 processes count up in one file'],
    ['lingering', 'All shut down: all four processes ended by themselves, with exit code 0']
  ]
  let sabotagedRun: Run | undefined
  /** One run for all of them: each must be found beside the others. */
  const sabotaged = () => {
    sabotagedRun ??= run('demo/main.ts', { IT_GRID_DEMO_SABOTAGE: sabotages.map(([name]) => name).join() })
    return sabotagedRun
  }
  for (const [sabotage, claim] of sabotages) {
    it(`exits with 1 and names the claim when a server misbehaves: ${sabotage}`, async () => {
      const { exited, output } = sabotaged()
      assert.equal(await exited, 1, output())
      const [, failures = ''] = output().split('Some claims did not hold')
      assert.ok(failures.replace(/\s+/g, ' ').includes(claim), output())
    })
  }
})

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    // There is no such process.
    return false
  }
}
