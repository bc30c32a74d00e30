/** The commands that look into a grid: what they show, as tables and as JSON, and what becomes of servers that are away. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { Writable } from 'node:stream'
import { before, describe, it, type TestContext } from 'node:test'
import { exitCodes } from 'it-grid/cli'
import { LockClient, serveLocks } from 'it-grid/locks'
import { checkTold } from '../../lib/extras/cli/told.ts'
import { buildPage } from '../../lib/extras/inspector/page/build.mjs'
import type { TraceBatch } from '../../lib/extras/inspector/traced.ts'
import { bytes, CodecError, type HandlerInterceptor, insecure, single, streaming } from '../../lib/index.ts'
import { read, readTicks } from '../inspector/look.ts'
import { paced } from '../support/clock/pace.ts'
import { Servers } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'
import { folder, type Given, gridWithGuests, runHere } from './command-line.ts'

const echo = single<string, string>('echo')
const fail = single<void, void>('fail')
const feed = streaming<void, string, never>('feed', { inCapacity: 3, outCapacity: 7 })

async function open(test: TestContext, size: number) {
  const grid = await gridWithGuests(size, (manager) => {
    manager.handle(echo, (text) => text)
    manager.handle(fail, () => {
      throw new Error('no')
    })
    manager.handle(single<Uint8Array, Uint8Array>('own', { request: bytes(), response: bytes() }), (sent) => sent)
    manager.handle(feed, async function* () {}, { subroute: 'sub' })
    serveLocks(manager, { quietMs: 0, ttlMs: 60_000 })
  })
  test.after(() => grid[Symbol.asyncDispose]())
  const { secret } = folder(test)
  const run = (args: readonly string[], given: Given = {}) =>
    runHere(args, { ...given, env: { IT_GRID_SECRET_FILE: secret, ...given.env } })
  const told = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(args)
    assert.deepEqual([code, stderr], [0, ''])
    return stdout
  }
  return { grid, hosts: grid.hosts, run, told, secret }
}

/** Runs a command that is live, until it has printed what is waited for. */
function live(run: (args: readonly string[], given: Given) => ReturnType<typeof runHere>, args: readonly string[]) {
  const stop = new AbortController()
  let text = ''
  const stdout = new Writable({
    write(chunk, _, done) {
      text += chunk
      done()
    }
  })
  const ended = run(args, { stdout, signal: stop.signal })
  const end = () => {
    stop.abort(new Error('enough'))
    return ended
  }
  return { text: () => text, end }
}

describe('hosts and handlers', () => {
  it('show what a host says of the others, and what it offers', async (test) => {
    const { hosts, told } = await open(test, 2)
    const [one = '', two = ''] = hosts
    assert.match(await told('hosts', one), new RegExp(`^HOST .*\\n${two} +connected +[\\d.]+ s .*\\n$`))
    const [report] = JSON.parse(await told('hosts', one, '--json'))
    assert.deepEqual([report.host, report.state], [two, 'connected'])
    const table = await told('handlers', one)
    assert.match(table, /^echo +single +msgpack +[0-9a-f]{16}$/m)
    assert.match(table, /^own +single +raw or own +–$/m)
    assert.match(table, /^feed +sub +streaming +3 +7 +msgpack/m)
    assert.match(table, /^lock\.lock +single +own +[0-9a-f]{16}$/m)
    assert.doesNotMatch(table, /\$grid/)
    assert.match(await told('handlers', one, '--all'), /^stats +\$grid +single/m)
    const all = JSON.parse(await told('handlers', one, '--json'))
    assert.ok(
      all.some(
        ({ handler, inCapacity }: { handler: string; inCapacity: number }) => handler === 'feed' && inCapacity === 3
      )
    )
  })
})

describe('hosts', () => {
  it('show for how long a server is away, however young the last dial is', async (test) => {
    const servers = new Servers(test)
    const [host, away] = ['http://node-1.test:9000', 'http://node-2.test:9000']
    const at = Date.now()
    const report = { host: away, state: 'waiting', since: at - 400, downSince: at - 420_000 }
    const { server } = await servers.node(host, [host], {
      ...{ guests: { allow: () => true, auth: insecure() }, introspection: () => true },
      interceptors: { handler: [{ single: ({ handler }) => (handler === 'ping' ? { at, instance: 'i' } : [report]) }] }
    })
    const { stdout } = await runHere(['hosts', host, '--insecure', '--url', server.url])
    assert.match(stdout, new RegExp(`^${away} +waiting +7 min `, 'm'))
  })
})

describe('a host that may not be looked into', () => {
  it('is told as that, by each command that looks', async (test) => {
    const servers = new Servers(test)
    const host = 'http://node-1.test:9000'
    const { server } = await servers.node(host, [host], { guests: { allow: () => true, auth: insecure() } })
    for (const command of ['hosts', 'ping', 'top', 'trace', 'locks', 'bench', 'inspect']) {
      const { code, stderr } = await runHere([command, host, '--insecure', '--url', server.url])
      assert.deepEqual(
        [code, stderr],
        [
          exitCodes.unknownHandler,
          `it-grid: ${host} cannot be looked into: its manager needs the option introspection, a function that lets guests in (ERR_UNKNOWN_HANDLER)\n`
        ]
      )
    }
  })

  it('is told as that with what to do where introspection: true lets no guest in, and where guests.allow refuses', async (test) => {
    const servers = new Servers(test)
    const host = 'http://node-1.test:9000'
    const trueText = 'introspection: true lets no guest in; give a function'
    const allows = { [`: ${trueText}`]: () => true, '': ({ subroute }: { subroute: string }) => subroute !== '$grid' }
    for (const [why, allow] of Object.entries(allows)) {
      const { manager, server } = await servers.node(host, [host], {
        ...{ guests: { allow, auth: insecure() }, introspection: true }
      })
      for (const command of ['hosts', 'ping', 'top', 'trace', 'locks', 'bench', 'inspect']) {
        const { code, stderr } = await runHere([command, host, '--insecure', '--name', 'me', '--url', server.url])
        const text = `a rule does not allow this call of guest:me${why} (ERR_REJECTED; the handler did not run)`
        const advice = `  both guests.allow and introspection there must pass .*; ${trueText}\n$`
        assert.equal(code, exitCodes.refused)
        assert.equal(stderr.split('\n')[0], `it-grid: ${text}`, command)
        assert.match(stderr, new RegExp(advice))
      }
      const { stdout } = await runHere(['doctor', host, '--quiet', '--insecure', '--url', server.url])
      assert.match(stdout, new RegExp(`cannot be looked into: .*\n.*${trueText}`))
      await manager.close()
    }
  })
})

describe('a host that answers in another shape', () => {
  const record = {
    ...{ side: 'caller', host: 'http://a', handler: 'echo', subroute: '', code: 'ERR', startedAt: 1, durationMs: 1 },
    ...{ bytesIn: 1, bytesOut: 1, attempts: 1, skipped: 0 }
  }
  const answers: Record<string, unknown> = {
    nothing: null,
    'a number': 7,
    'an object': {},
    'a list of nothing': [null],
    'a list of objects': [{}],
    'a list of reports with a number for a host': [{ host: 7, state: 'connected', since: 1 }],
    'a call at no time': { ...record, startedAt: 1e300 },
    'a call with what a terminal obeys': { ...record, delivery: '\u001b[2J' }
  }
  for (const [what, answer] of Object.entries(answers)) {
    it(`such as ${what}, is told as that, by each command that looks`, async (test) => {
      const servers = new Servers(test)
      const host = 'http://node-1.test:9000'
      const answering: HandlerInterceptor = {
        single: () => answer,
        async *streaming() {
          yield answer
        }
      }
      const { server } = await servers.node(host, [host], {
        ...{ guests: { allow: () => true, auth: insecure() }, introspection: () => true },
        interceptors: { handler: [answering] }
      })
      const looking = (...args: string[]) => runHere([...args, '--insecure', '--url', server.url])
      for (const command of ['hosts', 'ping', 'top', 'trace', 'locks', 'bench', 'inspect']) {
        const { code, stdout, stderr } = await looking(command, host, ...(command === 'trace' ? ['--count', '1'] : []))
        assert.deepEqual([code, stdout], [exitCodes.value, ''], `${command}: ${stderr}`)
        assert.match(
          stderr,
          /^it-grid: what \S+ answers to \w+ of \$grid has another shape than is known here: [^\n]+\n$/
        )
      }
      const found = await looking('doctor', host, '--quiet')
      assert.deepEqual([found.code, found.stderr], [exitCodes.ok, ''])
      assert.match(found.stdout, /look: it cannot be looked into: it answers in another shape than is known here/)
    })
  }
})

describe('figures and calls of a host', () => {
  const figures = { at: 1, instance: 'a' }
  const counted = { host: 'http://a', state: 'connected', called: { calls: 1 }, served: { calls: 1 } }
  const connection = { ...counted, totals: { bytesIn: 1, bytesOut: 1 } }
  const wrong: readonly unknown[] = [
    { ...figures, at: Number.NaN },
    { ...figures, removed: 7 },
    { ...figures, connections: {} },
    { ...figures, connections: [counted] },
    { ...figures, connections: [{ ...connection, session: { rttMs: '1' } }] },
    { ...figures, loop: {} }
  ]

  it('are taken only in the shape that is known here, with whatever else they have', () => {
    const right = { ...figures, connections: [connection], loop: { activeMs: 1, idleMs: 1 }, more: 1 }
    assert.equal(checkTold('http://a', 'watch', right), right)
    for (const each of wrong)
      assert.throws(() => checkTold('http://a', 'watch', each), CodecError, JSON.stringify(each))
  })
})

describe('ping', () => {
  it('shows who reaches whom, each server asked for its own row, and fails where one is away', async (test) => {
    const { grid, hosts, run, told } = await open(test, 3)
    const [one = '', two = '', three = ''] = hosts
    const table = await told('ping', one)
    assert.equal(table.match(/ms/g)?.length, 9, table)
    assert.match(table, /all 3 are connected to each other\n$/)
    const whole = JSON.parse(await told('ping', one, '--json'))
    assert.ok(
      whole.isWhole && whole.rows.length === 3 && whole.rows.every((row: { sees: unknown[] }) => row.sees.length === 2)
    )
    const narrow = await run(['ping', one, '--no-color'], { columns: 40 })
    assert.match(narrow.stdout, /^# +FROM +HERE +1 +2 +3\n1 .* · +\+ +\+\n/)
    await grid.stop(2)
    const away = await run(['ping', one, '--connect-timeout', `${paced(1500)}ms`])
    assert.equal(away.code, exitCodes.failed)
    assert.match(away.stdout, new RegExp(`^${three}: \\w`, 'm'))
    assert.match(away.stdout, new RegExp(`^${one} → ${three} is (waiting|connecting)`, 'm'))
    assert.equal((await run(['ping', one, two])).code, 0, 'only those that are named')
  })
})

describe('top', () => {
  it('prints a table or a JSON value for each interval where the output is no terminal', async (test) => {
    const { grid, hosts, told } = await open(test, 2)
    const [one = '', two = ''] = hosts
    const load = setInterval(
      () =>
        void grid
          .at(0)
          .connection(two)
          .request(echo, 'x'.repeat(1000))
          .catch(() => undefined),
      5
    )
    test.after(() => clearInterval(load))
    const samples = (await told('top', one, '--every', '100ms', '--count', '3', '--json')).trim().split('\n')
    assert.equal(samples.length, 3)
    const { host, peers } = JSON.parse(samples[2] ?? '')
    const [{ callsOut, bytesOut, state }] = peers
    assert.deepEqual([host, peers.length, state], [one, 1, 'connected'])
    assert.ok(callsOut > 0 && bytesOut > 1000, `${callsOut} ${bytesOut}`)
    const table = await told('top', one, '--every', '100ms', '--count', '1', '--sort', 'rtt')
    assert.match(table, /^http:\S+ · process [0-9a-f]{8} · up .* · 1 of 1 connected · calls → /)
    assert.match(table, new RegExp(`^PEER .*RTT▾\\n${two} +connected `, 'm'))
  })

  it('goes on with the server that is there again', async (test) => {
    const { grid, hosts, run } = await open(test, 2)
    const top = live(run, ['top', hosts[0] ?? '', '--every', '100ms', '--json'])
    const instances = () =>
      new Set(
        top
          .text()
          .trim()
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line).instance)
      )
    await until(() => instances().size === 1, 'it shows')
    await grid.restart(0)
    await until(() => instances().size === 2, 'it shows the next process')
    const { stderr } = await top.end()
    assert.match(stderr, /^\{"note":\{"message":"lost http:\S+: .*; it is dialed again"\}\}\n/)
  })
})

describe('trace', () => {
  it('prints calls as they end, those that are asked for, of one server or of all', async (test) => {
    const { grid, hosts, run } = await open(test, 2)
    const [one = '', two = ''] = hosts
    const call = async () => {
      await grid.at(0).connection(two).request(echo, 'x')
      await grid
        .at(0)
        .connection(two)
        .request(fail)
        .catch(() => undefined)
    }
    const failed = live(run, ['trace', one, '--failed'])
    const narrow = run(['trace', one, '--handler', 'echo', '--count', '1', '--no-color'], { columns: 80 })
    const all = live(run, ['trace', one, '--all', '--json', '--side', 'handler', '--handler', 'echo'])
    await until(async () => {
      await call()
      return failed.text() !== '' && all.text() !== ''
    }, 'both have seen some')
    await failed.end()
    await all.end()
    assert.match(failed.text(), new RegExp(`^[\\d:.]{12}  ${one} → ${two}  fail  .*  ERR_REMOTE  ran  .*  caller\n`))
    assert.doesNotMatch(failed.text(), /echo/)
    const short = [one, two].map((name) => name.replace('http://', '')).join(' → ')
    assert.match((await narrow).stdout, new RegExp(`^[\\d:.]{12}  ${short}  echo  `))
    const [first = ''] = all.text().split('\n')
    const { at, side, host, handler, code } = JSON.parse(first)
    assert.deepEqual([at, side, host, handler, code], [two, 'handler', one, 'echo', 'OK'])
  })

  it('ends after so many, and tells of hosts that are not reached while it follows the others', async (test) => {
    const { grid, hosts, run } = await open(test, 2)
    const [one = '', two = ''] = hosts
    const warnings: string[] = []
    const onWarning = ({ message }: Error) => void warnings.push(message)
    process.on('warning', onWarning)
    test.after(() => process.off('warning', onWarning))
    const away = Array.from({ length: 12 }, (_, at) => `http://127.0.0.1:${at + 1}`)
    let told = ''
    const stderr = new Writable({
      write(chunk, _, done) {
        told += chunk
        done()
      }
    })
    const ended = run(['trace', one, ...away, '--count', '2'], { stderr })
    let isOver = false
    void ended.then(() => {
      isOver = true
    })
    await until(async () => {
      if (away.every((host) => told.includes(`it-grid: ${host} is not reached: `)))
        await grid.at(0).connection(two).request(echo, 'x')
      return isOver
    }, 'it has told of all, and seen two')
    const { code, stdout } = await ended
    assert.deepEqual([code, stdout.split('\n').length], [0, 3], stdout)
    assert.deepEqual(warnings, [])
  })

  it('follows those that are there while others do not answer a dial', async (test) => {
    const { grid, hosts, run } = await open(test, 2)
    const [one = '', two = ''] = hosts
    const sockets = new Set<Socket>()
    const silent = createServer((socket) => sockets.add(socket)).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    test.after(() => {
      silent.close()
      for (const socket of sockets) socket.destroy()
    })
    const away = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
    const seen = live(run, ['trace', away, one, '--connect-timeout', '20d'])
    await until(async () => {
      await grid.at(0).connection(two).request(echo, 'x')
      return seen.text() !== ''
    }, 'calls of the one that answers are there')
    assert.equal(sockets.size, 1, 'the other one is still dialed')
    await seen.end()
  })
})

describe('locks', () => {
  it('show who has what, and who waits for it', async (test) => {
    const { grid, hosts, told, run } = await open(test, 3)
    const [one = '', two = ''] = hosts
    const client = (at: number) => new LockClient(grid.at(at), { servers: hosts })
    await using lock = await client(0).lock(['a', 'b'], { source: 'holder' })
    assert.match(await told('locks', one), new RegExp(`^write +a, b +${one} +holder `, 'm'))
    assert.equal(await told('locks', one, 'top'), 'nobody waits\n')
    const stop = new AbortController()
    const waiting = client(1)
      .lock(['b'], { source: 'waiter', signal: stop.signal })
      .catch(() => undefined)
    await until(async () => (await told('locks', one, 'top')) !== 'nobody waits\n', 'it waits')
    const table = await told('locks', one, 'top')
    assert.match(table, new RegExp(`^b +has it +${one} +holder .*\\n +waits +${two} +waiter `, 'm'))
    const [queue] = JSON.parse(await told('locks', one, 'top', '--json'))
    assert.deepEqual([queue.resource, queue.waiting.length], ['b', 1])
    stop.abort()
    await waiting
    const [{ resources, token }] = JSON.parse(await told('locks', one, '--server', one, '--json'))
    assert.deepEqual([resources, token], [['a', 'b'], lock.token])
    assert.equal((await run(['locks', one, '--subroute', 'none'])).code, exitCodes.unknownHandler)
    const away = await run(['locks', one, '--server', 'http://127.0.0.1:1'])
    assert.equal(away.code, exitCodes.notReached)
    assert.match(away.stderr, /^it-grid: http:\/\/127\.0\.0\.1:1 is not asked: .*\n/)
    assert.equal((await run(['locks', one, 'lst'])).code, exitCodes.usage)
  })
})

describe('doctor', () => {
  it('prints what it finds and what to do, and fails where there is a fault', async (test) => {
    const { hosts, run } = await open(test, 2)
    const [one = '', two = ''] = hosts
    const { stdout: all } = await run(['doctor', one])
    for (const host of [one, two]) assert.match(all, new RegExp(`^ok  ${host}  guest: .*$`, 'm'))
    // On a busy machine event loops are held up, which it rightly tells.
    assert.match(all, /\nno fault was found\n$|blockedLoop/)
    assert.doesNotMatch(all.replace(/^no +\S+ +loop: .*\n +blockedLoop: .*\n/gm, ''), /^no {2}/m)
    const closed = await run(['doctor', 'http://127.0.0.1:1', '--json'])
    const findings = closed.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.equal(closed.code, exitCodes.failed)
    assert.ok(
      findings.some(({ level, cause }) => level === 'fault' && cause === 'portClosed'),
      closed.stdout
    )
    const { stdout } = await run(['doctor', 'http://127.0.0.1:1', '--quiet'])
    assert.match(stdout, /^no {2}http:\/\/127\.0\.0\.1:1 {2}port: .*\n {4}portClosed: .*\n1 fault\n$/)
  })
})

describe('bench', () => {
  it('says how many requests were answered and how long they took', async (test) => {
    const { hosts, told, run } = await open(test, 1)
    const [host = ''] = hosts
    const counted = JSON.parse(await told('bench', host, 'echo', '"x"', '--count', '500', '-c', '8', '--json'))
    assert.deepEqual([counted.requests, counted.failed, counted.concurrency, counted.sentBytes], [500, 0, 8, 2])
    assert.ok(
      counted.p50Ms > 0 && counted.p50Ms <= counted.p99Ms && counted.p99Ms <= counted.maxMs && counted.perSecond > 0
    )
    const table = await told('bench', host, 'own', '--bytes', '2048', '--for', '100ms')
    assert.match(
      table,
      /^[\d,]+ requests in 0\.\d s, 16 at once, 2\.0 KiB each\n[\d,.]+ requests\/s, [\d.]+ MB\/s sent\np50 .*, p99\.9 /
    )
    assert.match(await told('bench', host, '--count', '10'), /^10 requests/)
    const wrong = await run(['bench', host, 'fail', '--count', '10'])
    assert.deepEqual([wrong.code, wrong.stdout], [exitCodes.failed, ''], 'the first call says it')
  })
})

describe('inspect', () => {
  before(() => buildPage())

  it('serves the page of the grid on loopback, to who knows its address and to no other site', async (test) => {
    const { grid, hosts, run } = await open(test, 2)
    const inspect = live(run, ['inspect', hosts[0] ?? ''])
    await until(() => inspect.text().endsWith('\n'), 'it says where')
    const url = inspect.text().trim()
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/[\w-]{22}\/$/)
    const status = (address: string, host?: string) =>
      new Promise<number | undefined>((resolve) => {
        request(address, { agent: false, ...(host === undefined ? {} : { headers: { host } }) }, (response) => {
          response.resume()
          resolve(response.statusCode)
        }).end()
      })
    const { port, origin } = new URL(url)
    assert.deepEqual(
      [await status(url), await status(`${origin}/inspector/`), await status(`${origin}/`)],
      [200, 404, 404]
    )
    assert.equal(await status(url, `evil.example:${port}`), 403)
    const controller = new AbortController()
    const ticks = readTicks(`${url}feed`, controller.signal)
    const states = new Map<string, string>()
    const seen = async (wanted: Record<string, string>) => {
      for await (const { hosts: listed, servers = [], isGuest } of ticks) {
        if (listed !== undefined) assert.deepEqual([listed, isGuest], [[...hosts].sort(), true])
        for (const { host, state } of servers) states.set(host, state)
        if (Object.entries(wanted).every(([host, state]) => states.get(host) === state)) return
      }
    }
    const [one = '', two = ''] = hosts
    await seen({ [one]: 'answers', [two]: 'answers' })
    await grid.stop(0)
    await seen({ [one]: 'away', [two]: 'answers' })
    await grid.restart(0)
    await seen({ [one]: 'answers', [two]: 'answers' })
    controller.abort()
    const { stderr } = await inspect.end()
    assert.equal(stderr, '')
    await until(() => grid.at(1).stats().guests.length === 0, 'no guest is left')
  })

  it('traces for each of its pages, by the one guest that it is at each server', async (test) => {
    const { grid, hosts, run } = await open(test, 2)
    const [one = '', two = ''] = hosts
    const inspect = live(run, ['inspect', one])
    await until(() => inspect.text().endsWith('\n'), 'it says where')
    const url = inspect.text().trim()
    const calls = setInterval(
      () =>
        void grid
          .at(0)
          .connection(two)
          .request(echo, 'a')
          .catch(() => undefined),
      50
    )
    test.after(() => clearInterval(calls))
    const [stop, told] = [new AbortController(), [0, 0, 0, 0]]
    const trace = async (page: number) => {
      for await (const { rows } of read<TraceBatch>(`${url}trace?handler=echo`, stop.signal))
        told[page] = (told[page] ?? 0) + rows.length
    }
    const pages = told.map((_, page) => trace(page).catch(() => undefined))
    await until(() => told.every((rows) => rows > 0), 'all have rows')
    stop.abort()
    await Promise.all(pages)
    await inspect.end()
  })
})
