/**
 * `it-grid` as a process: in pipes, with a reader that goes, ended by signals, and in a real terminal, which `tmux` is. Its
 * specs are skipped where that is not installed.
 */

import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { exitCodes } from '../../lib/extras/cli/exit.ts'
import { single, streaming } from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { childEnvironment, sourceArgs } from '../support/process/child.ts'
import { settled, until } from '../support/until.ts'
import { folder, gridWithGuests, main, shell } from './command-line.ts'

const run = promisify(execFile)
const elsewhere = process.platform === 'linux' ? false : 'a pipe is opened without its writer on Linux alone'
const count = streaming<number, never, number>('count', { inCapacity: 0 })
const ticks = streaming<void, never, number>('ticks', { inCapacity: 0 })
const two = streaming<void, string, string>('two')
const upper = streaming<void, string, string>('upper')

async function open(test: TestContext) {
  const ended: string[] = []
  const grid = await gridWithGuests(2, (manager) => {
    manager.handle(single<string, string>('echo'), (text) => text)
    manager.handle(count, async function* (to) {
      try {
        for (let n = 0; n < to; n++) yield n
      } finally {
        ended.push('count')
      }
    })
    manager.handle(ticks, async function* (_, __, { signal }) {
      try {
        yield 1
        await once(signal, 'abort')
      } finally {
        ended.push('ticks')
      }
    })
    manager.handle(two, async function* (_, requests) {
      let left = 2
      for await (const text of requests) {
        yield text
        if (--left === 0) return
      }
    })
    manager.handle(upper, async function* (_, requests) {
      for await (const text of requests) yield text.toUpperCase()
    })
  })
  test.after(() => grid[Symbol.asyncDispose]())
  const { secret } = folder(test)
  const [host = ''] = grid.hosts
  return { grid, host, ended, env: { IT_GRID_HOST: host, IT_GRID_SECRET_FILE: secret } }
}

describe('it-grid in a pipe', () => {
  it('ends quietly, with the code of a broken pipe, when its reader goes, and the handler ends', async (test) => {
    const { env, ended } = await open(test)
    const piped = shell('it-grid call count 100000000 | head -1; echo "$' + '{PIPESTATUS[*]}"', env)
    assert.deepEqual(await piped.ended, { code: 0, signal: null, stdout: '0\n141 0\n', stderr: '' })
    await until(() => ended.length === 1, 'its finally has run')
  })

  it('reads and writes lines as they come, in both directions', async (test) => {
    const { env } = await open(test)
    const { child, ended, stdout } = shell('it-grid call upper --stream', env)
    child.stdin.write('"a"\n')
    await until(() => stdout() === '"A"\n', 'the answer is there before the input has ended', 60_000)
    child.stdin.end('"b"\n')
    assert.deepEqual(await ended, { code: 0, signal: null, stdout: '"A"\n"B"\n', stderr: '' })
  })

  it('stays alive while its reader stands still, and gives all when that goes on', async (test) => {
    const { env, grid } = await open(test)
    const { child, ended } = shell('it-grid call count 100000', env)
    child.stdout.pause()
    const guests = () => grid.at(0).stats().guests
    await until(() => guests().length === 1, 'it is there', 60_000)
    const told = () => guests()[0]?.totals.messagesOut ?? 0
    await until(() => told() > 0, 'something has moved')
    await settled(told, 500)
    // It answers pings meanwhile: the reader does not hold its event loop.
    const { batchesIn = 0 } = guests()[0]?.session ?? {}
    await until(() => (guests()[0]?.session?.batchesIn ?? 0) > batchesIn, 'it has sent a sign of life', 60_000)
    child.stdout.resume()
    const { code, stdout } = await ended
    assert.deepEqual([code, stdout.split('\n').length], [0, 100_001])
  })

  it('ends by the signal that it was sent, when what runs has ended', async (test) => {
    const { env, ended: handlers } = await open(test)
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const { child, ended, stdout } = shell('it-grid call ticks', env)
      await until(() => stdout() === '1\n', 'it runs', 60_000)
      child.kill(signal)
      assert.deepEqual(await ended, { code: -1, signal, stdout: '1\n', stderr: '' })
      await until(() => handlers.pop() === 'ticks', 'its finally has run')
    }
  })

  it('ends when its call has, also while a pipe that it was named is silent', async (test) => {
    const { env } = await open(test)
    const pipe = join(folder(test).path, 'pipe')
    execFileSync('mkfifo', [pipe])
    const { ended, stdout, child } = shell(`it-grid call two --stream @${pipe}`, env)
    const writer = await writerOf(pipe)
    writeSync(writer, '"a"\n"b"\n')
    await until(() => stdout() === '"a"\n"b"\n', 'it goes as far as the handler does', 60_000)
    let isEnded = false
    child.on('exit', () => {
      isEnded = true
    })
    await until(() => isEnded, 'it has ended').finally(() => closeSync(writer))
    assert.deepEqual(await ended, { code: 0, signal: null, stdout: '"a"\n"b"\n', stderr: '' })
  })

  it('ends by the signal also while nothing comes from a pipe that it was named, for a payload or for a secret', async (test) => {
    const { env } = await open(test)
    const pipe = join(folder(test).path, 'pipe')
    execFileSync('mkfifo', [pipe])
    for (const line of [
      `it-grid call echo @${pipe}`,
      `it-grid call upper --stream @${pipe}`,
      `it-grid hosts --secret-file ${pipe}`
    ]) {
      const { child, ended } = shell(line, env)
      const writer = await writerOf(pipe, line)
      let isEnded = false
      const outcome = ended.finally(() => {
        isEnded = true
      })
      child.kill('SIGINT')
      // What waits in vain goes on when its pipe is closed, and must not before.
      await until(() => isEnded, `${line} has ended`).finally(() => closeSync(writer))
      assert.deepEqual(await outcome, { code: -1, signal: 'SIGINT', stdout: '', stderr: '' }, line)
    }
  })

  it('ends with its call while nobody has opened the pipe to write, and else reads who comes later', {
    skip: elsewhere
  }, async (test) => {
    const { env } = await open(test)
    const pipe = join(folder(test).path, 'pipe')
    execFileSync('mkfifo', [pipe])
    const timeout = `${paced(1000)}ms`
    const early = await shell(`it-grid call upper --stream @${pipe} --timeout ${timeout}`, env).ended
    assert.equal(early.code, exitCodes.deadline, early.stderr)
    const { ended, stdout } = shell(`it-grid call upper --stream @${pipe}`, env)
    const writer = await writerOf(pipe)
    writeSync(writer, '"a"\n')
    await until(() => stdout() === '"A"\n', 'the answer is there', 60_000).finally(() => closeSync(writer))
    assert.deepEqual(await ended, { code: 0, signal: null, stdout: '"A"\n', stderr: '' })
  })
})

/** The end of a pipe to write, once somebody reads it. */
async function writerOf(pipe: string, who = 'it'): Promise<number> {
  let writer: number | undefined
  const opens = () => {
    try {
      writer = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK)
    } catch {
      return false
    }
    return true
  }
  await until(opens, `${who} reads`, 60_000)
  return writer as unknown as number
}

const tmux = (() => {
  try {
    execFileSync('tmux', ['-V'])
    return undefined
  } catch {
    return 'tmux is not installed'
  }
})()

describe('it-grid in a terminal', { skip: tmux }, () => {
  /** A terminal of its own, and what is on it. */
  async function terminal(test: TestContext, env: Record<string, string>, columns = 100, rows = 20) {
    const name = `it-grid-${process.pid}-${Math.random().toString(36).slice(2)}`
    const ask = async (...args: string[]) => {
      const { stdout } = await run('tmux', ['-u', '-L', name, '-f', '/dev/null', ...args], { env: childEnvironment() })
      return stdout
    }
    const variables = Object.entries(env).flatMap(([key, value]) => ['-e', `${key}=${value}`])
    const size = ['-x', String(columns), '-y', String(rows)]
    await ask('new-session', '-d', ...size, ...variables, 'env PS1="> " bash --norc --noprofile')
    test.after(() => ask('kill-server').catch(() => undefined))
    const screen = () => ask('capture-pane', '-p')
    // To look takes a process: it is done when something was written, which tmux passes on when it is on the screen.
    const written = join(folder(test).path, 'written')
    writeFileSync(written, '')
    await ask('pipe-pane', `cat >> ${written}`)
    const shows = (pattern: RegExp, what: string) => {
      let seen = -1
      const isShown = async () => {
        const { size } = statSync(written)
        if (size === seen) return false
        seen = size
        return pattern.test(await screen())
      }
      return until(isShown, what, 60_000)
    }
    return {
      screen,
      colours: () => ask('capture-pane', '-p', '-e'),
      keys: (...keys: string[]) => ask('send-keys', ...keys),
      resize: (wide: number, high: number) => ask('resize-window', '-x', String(wide), '-y', String(high)),
      shows,
      start: (line: string) => {
        const program = [process.execPath, ...sourceArgs, main].join(' ')
        return ask('send-keys', `clear; ${program} ${line}; echo code=$?`, 'Enter')
      }
    }
  }

  it('redraws top in place, obeys its keys, fits each size, and leaves the terminal as it was', async (test) => {
    const { env, grid } = await open(test)
    const { screen, colours, keys, resize, shows, start } = await terminal(test, env)
    await start('top --every 200ms')
    await shows(/^PEER .*CALLS\/S →▾[\s\S]*connected +\d[\s\S]*q quit · s sort \(calls\)/m, 'it is drawn, with rates')
    const lines = (await screen()).split('\n')
    assert.match(lines[0] ?? '', /^http:\S+ · process [0-9a-f]{8} · up /)
    assert.equal(lines.filter((line) => /^PEER /.test(line)).length, 1, 'in place')
    assert.ok((await colours()).includes('\u001b[32mconnected'))
    await keys('s')
    await shows(/MB\/S →▾[\s\S]*sort \(bytes\)/, 'it sorts by the next column')
    await keys('r')
    await shows(/sort \(bytes, least first\)/, 'it turns the order')
    await keys('p')
    await shows(/^paused$/m, 'it pauses')
    await keys('p')
    await resize(40, 8)
    await shows(/^q quit[^\n]*…$/m, 'it fits a smaller one')
    for (const line of (await screen()).split('\n')) assert.ok(line.length <= 40, line)
    await keys('q')
    await shows(/code=0\n/, 'it has ended')
    assert.doesNotMatch(await screen(), /PEER/, 'what was there before is there again')
    await keys('echo typ', 'ed', 'Enter')
    await shows(/^typed$/m, 'keys are shown again')
    await until(() => grid.at(0).stats().guests.length === 0, 'no guest is left')
  })

  it('leaves the last sample of top on the terminal where it was asked for so many', async (test) => {
    const { env } = await open(test)
    const { screen, shows, start } = await terminal(test, env)
    await start('top --every 100ms --count 2')
    await shows(/code=0\n/, 'it has ended')
    assert.match(await screen(), /^http:\S+ · process .*\nPEER .*\n.*connected +\d/m)
    assert.doesNotMatch(await screen(), /q quit/, 'keys are of no use any more')
  })

  it('gives the terminal back at Ctrl-Z, and goes on with fg where it was', async (test) => {
    const { env, grid } = await open(test)
    const { keys, shows, start } = await terminal(test, env)
    await start('top --every 200ms')
    await shows(/q quit/, 'it is drawn')
    await keys('C-z')
    await shows(/Stopped[\s\S]*code=148\n/, 'the shell has the terminal again')
    await keys('echo typ', 'ed', 'Enter')
    await shows(/^typed$/m, 'keys are shown again')
    await keys('fg', 'Enter')
    await shows(/^PEER .*[\s\S]*q quit/m, 'it is drawn again')
    await keys('q')
    await shows(/fg[\s\S]*> ?$/m, 'it obeys its keys')
    await until(() => grid.at(0).stats().guests.length === 0, 'no guest is left')
  })

  it('ends top by Ctrl-C as by the signal', async (test) => {
    const { env } = await open(test)
    const { keys, shows, start } = await terminal(test, env)
    await start('top')
    await shows(/q quit/, 'it is drawn')
    await keys('C-c')
    await shows(/^> ?$/m, 'the shell has the terminal again')
    await keys('echo code=$?', 'Enter')
    await shows(/code=130/, 'it was ended by the signal')
  })

  it('shows the progress of bench in place, and answers indented', async (test) => {
    const { env } = await open(test)
    const { screen, shows, start } = await terminal(test, env)
    await start(`bench echo '"x"' --for 2s`)
    await shows(/█+░* +\d+ % +[\d,.]+\/s +p99 /, 'progress')
    await shows(/requests\/s[\s\S]*code=0\n/, 'the figures')
    assert.doesNotMatch(await screen(), /█/, 'it is gone')
    await start(`call echo '{"a":1}'`)
    await shows(/^\{\n {2}"a": 1\n\}\ncode=0$/m, 'the answer')
  })
})
