/** What is asked of every command: help, flags and what is near them, the environment, secrets from files only, TLS, colours. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { Writable } from 'node:stream'
import { describe, it } from 'node:test'
import { exitCodes } from 'it-grid/cli'
import { Latencies } from '../../lib/extras/cli/latencies.ts'
import { Output } from '../../lib/extras/cli/output.ts'
import { type Column, tableOf } from '../../lib/extras/cli/table.ts'
import { nearest, printable, widthOf } from '../../lib/extras/cli/text.ts'
import { insecure, mutualTLS, single } from '../../lib/index.ts'
import { Servers, TestServer } from '../support/grid/servers.ts'
import { makeAuthority } from '../support/network/certificates.ts'
import { folder, gridWithGuests, runHere } from './command-line.ts'

const host = 'http://node-1:9000'
const commands = ['call', 'handlers', 'hosts', 'ping', 'top', 'trace', 'locks', 'bench', 'inspect', 'doctor']
const proved = ['--insecure']

async function usageOf(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runHere(args)
  assert.deepEqual([code, stdout], [exitCodes.usage, ''], stderr)
  return stderr
}

describe('the command line', () => {
  it('has help for itself and for each command, and says its version', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
    assert.deepEqual(await runHere(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' })
    for (const args of [['--help'], ['-h'], ['help']]) {
      const { code, stdout, stderr } = await runHere(args)
      assert.deepEqual([code, stderr], [0, ''])
      for (const name of commands) assert.match(stdout, new RegExp(`^  ${name} +\\w`, 'm'))
    }
    for (const name of commands) {
      const { code, stdout } = await runHere([name, '--help'])
      assert.equal(code, 0)
      assert.ok(stdout.startsWith(`it-grid ${name}: `) && stdout.includes('--secret-file FILE'), stdout)
      assert.deepEqual(await runHere(['help', name]), { code, stdout, stderr: '' })
      for (const line of stdout.split('\n')) assert.ok(line.length <= 140, line)
    }
    assert.match((await runHere([])).stderr, /^it-grid looks into/)
    assert.equal((await runHere([])).code, exitCodes.usage)
  })

  it('says which command or flag was probably meant', async () => {
    assert.match(await usageOf('cal', host), /there is no command "cal": did you mean call\?/)
    assert.match(await usageOf('--json', 'hosts'), /the command comes first, and --json after it/)
    assert.match(await usageOf('frobnicate'), /there is no command "frobnicate": there are call, /)
    assert.match(
      await usageOf('call', host, 'x', '--tiemout', '5'),
      /there is no option --tiemout; did you mean --timeout\?/
    )
    assert.match(await usageOf('hosts', host, '--jsno'), /did you mean --json\?/)
    assert.match(await usageOf('hosts', host, '--frobnicate'), /there is no option --frobnicate; --help lists all/)
    assert.match(await usageOf('hosts', host, '-x'), /there is no option -x/)
  })

  it('says what is wrong with a flag', async () => {
    const cases: readonly (readonly [args: string[], text: RegExp])[] = [
      [['--timeout'], /--timeout needs a value: --timeout TIME/],
      [['--timeout', '--raw'], /--timeout needs a value/],
      [['--timeout', '5 parsecs'], /--timeout must be a time such as/],
      [['--timeout', '1s', '--timeout', '2s'], /--timeout is given twice/],
      [['--raw=yes'], /--raw takes no value/],
      [['--cert', 'a'], /--cert and --key belong together/],
      [['--ca', '/no/such'], /--ca \/no\/such: there is no such file/],
      [['--secret-file', '/no/such'], /--insecure proves nothing/]
    ]
    for (const [args, text] of cases) assert.match(await usageOf('call', host, 'x', ...proved, ...args), text)
    assert.match(
      await usageOf('trace', host, ...proved, '--sample', '2'),
      /--sample must be a number above 0 and up to 1; it is "2"/
    )
    assert.match(
      await usageOf('trace', host, ...proved, '--side', 'left'),
      /--side must be caller or handler; it is "left"/
    )
    assert.match(await usageOf('bench', host, ...proved, '--concurrency', '0'), /a whole number from 1 to/)
    assert.match(await usageOf('top', host, ...proved, '--sort', 'size'), /--sort must be calls or bytes/)
    assert.match(
      await usageOf('hosts', host, ...proved, '--url', 'node-1'),
      /--url must be a whole URL; it is "node-1"/
    )
  })

  it('takes secrets from files only, and says why', async (test) => {
    const { file } = folder(test)
    for (const flag of ['--secret', '--secret=x', '--password', '--token']) {
      assert.match(await usageOf('hosts', host, flag, 'abc'), /is not taken: .*read by every user.*--secret-file FILE/)
    }
    const { code, stderr } = await runHere(['hosts', host], { env: { IT_GRID_SECRET: 'x' } })
    assert.deepEqual([code, /IT_GRID_SECRET is not taken: .*IT_GRID_SECRET_FILE/.test(stderr)], [exitCodes.usage, true])
    assert.match(await usageOf('hosts', host), /say how this guest proves itself: --secret-file FILE/)
    assert.match(await usageOf('hosts', host, '--secret-file', '/no/such'), /there is no such file/)
    assert.match(await usageOf('hosts', host, '--secret-file', file('short', 'short\n')), /must have 16 bytes or more/)
  })

  it('is told of the host by its first argument, by a flag, or by the environment, in this order', async (test) => {
    const { secret } = folder(test)
    await using grid = await gridWithGuests(2)
    const [one = '', two = ''] = grid.hosts
    const named = async (args: string[], env: Record<string, string>) => {
      const { stdout, stderr } = await runHere(['hosts', '--json', '--secret-file', secret, ...args], { env })
      return JSON.parse(stdout === '' ? `"${stderr}"` : stdout)[0]?.host
    }
    assert.equal(await named([one], { IT_GRID_HOST: two }), two, 'the first sees the second')
    assert.equal(await named(['--host', one], { IT_GRID_HOST: two }), two)
    assert.equal(await named([], { IT_GRID_HOST: one }), two)
    assert.match(await usageOf('hosts', ...proved), /which host\?/)
    assert.match(
      await usageOf('hosts', 'node-1:9000', ...proved),
      /is no host: a host is an origin such as http:\/\/node-1:9000/
    )
    assert.match(await usageOf('hosts', 'http://a/b', ...proved), /http:\/\/a\/b/)
  })

  it('comes in over TLS, by a secret or by its certificate, and reaches a host elsewhere than at its name', async (test) => {
    const servers = new Servers(test)
    const { file } = folder(test)
    const authority = await makeAuthority('authority of specs')
    const { key, cert } = await authority.issue(['node-1.test'])
    const tls = { key, cert, ca: authority.cert, requestCert: true, rejectUnauthorized: false }
    const server = servers.watch(await new TestServer(createServer(tls)).listen())
    const local = 'https://node-1.test:9000'
    const manager = servers.manager({
      ...{ local, hosts: [local], auth: mutualTLS() },
      guests: { allow: () => true, auth: mutualTLS() }
    })
    manager.handle(single<void, string>('who'), (_, { host }) => host)
    manager.attach(server.http as never)
    const own = await authority.issue(['ops-ada.guest.invalid'])
    const ca = ['--ca', file('ca.pem', authority.cert)]
    const proof = ['--cert', file('cert.pem', own.cert), '--key', file('key.pem', own.key)]
    const at = ['--url', `https://127.0.0.1:${server.port}{path}`, '--servername', 'node-1.test', '--name', 'ops-ada']
    const call = (...args: string[]) => runHere(['call', local, 'who', ...at, ...args])
    assert.deepEqual(await call(...ca, ...proof), { code: 0, stdout: '"guest:ops-ada"\n', stderr: '' })
    const untrusted = await call(...proof)
    assert.equal(untrusted.code, exitCodes.notReached, untrusted.stderr)
    const unnamed = await call(...ca, '--insecure')
    assert.equal(unnamed.code, exitCodes.refused, unnamed.stderr)
  })

  it('has colours on a terminal only, and not where NO_COLOR, --no-color or a dumb terminal say so', async (test) => {
    const servers = new Servers(test)
    const node = await servers.node(host, [host, 'http://node-2:9000'], {
      ...{ introspection: () => true, guests: { allow: () => true, auth: insecure() } }
    })
    const look = async (args: string[], env: Record<string, string>, columns?: number) => {
      const given = { env, ...(columns === undefined ? {} : { columns }) }
      const { code, stdout, stderr } = await runHere(
        ['hosts', host, '--url', node.server.url, ...proved, ...args],
        given
      )
      assert.deepEqual([code, stderr], [0, ''])
      return stdout.includes('\u001b[')
    }
    assert.equal(await look([], {}), false)
    assert.equal(await look([], {}, 80), true)
    assert.equal(await look([], { FORCE_COLOR: '1' }), true)
    for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }, { FORCE_COLOR: '0' }] as Record<string, string>[])
      assert.equal(await look([], env, 80), false)
    assert.equal(await look(['--no-color'], {}, 80), false)
  })
})

describe('a table', () => {
  const columns: Column<readonly string[]>[] = [0, 1, 2].map((at) => ({
    title: `T${at}`,
    read: (row) => row[at] ?? ''
  }))
  const rows = [
    ['a'.repeat(30), '日本', 'c'],
    ['b\u001b[2J', 'x'.repeat(20), 'd']
  ]
  const outputOf = (wide?: number) =>
    new Output(Object.assign(new Writable(), wide === undefined ? {} : { isTTY: true, columns: wide }), {
      NO_COLOR: '1'
    })

  it('is as wide as what is in it, and no wider than the terminal, down to one column', () => {
    assert.equal(outputOf(0).columns, 80, 'one that does not know its size says 0')
    assert.deepEqual(tableOf(columns, rows, outputOf()), [
      `T0${' '.repeat(28)}  T1${' '.repeat(18)}  T2`,
      `${'a'.repeat(30)}  日本${' '.repeat(16)}  c`,
      `b\\u001b[2J${' '.repeat(20)}  ${'x'.repeat(20)}  d`
    ])
    for (let wide = 8; wide < 70; wide++) {
      const lines = tableOf(columns, rows, outputOf(wide))
      for (const line of lines) assert.ok(widthOf(line) <= wide, `${wide}: ${line}`)
      assert.match(lines[1] ?? '', wide < 30 ? /…/ : /^a/)
    }
  })

  it('has a long cell as it is, and does not make the others of its column as long', () => {
    const long = 'y'.repeat(100_000)
    const lines = tableOf(
      columns,
      [...Array.from({ length: 9 }, () => rows[0] as string[]), [long, 'b', 'c']],
      outputOf()
    )
    assert.ok(lines.slice(0, -1).every((line) => line.length < 1000))
    assert.equal(lines.at(-1), `${long}  b${' '.repeat(3)}  c`)
  })

  it('holds nothing that a terminal would obey', () => {
    for (const evil of ['\u0007', '\u001b', '\u009b', '\u202e', '\u2028', '\ud800', '\r', '\n', '\u007f']) {
      assert.match(printable(`a${evil}b`), /^a\\u[0-9a-f]{4}b$/)
    }
    assert.equal(printable('ä 日本 🙂'), 'ä 日本 🙂')
  })
})

describe('small parts', () => {
  it('find the name that was probably meant, and none for what is near nothing', () => {
    const names = ['call', 'trace', 'timeout', 'json']
    assert.deepEqual(
      ['cal', 'tarce', 'tmeout', 'jason', 'xyzzy', ''].map((name) => nearest(name, names)),
      [...['call', 'trace', 'timeout', 'json', undefined, undefined]]
    )
  })

  it('know quantiles to 1 %, whatever was added', () => {
    const latencies = new Latencies()
    for (let n = 1; n <= 100_000; n++) latencies.add(n / 100)
    for (const share of [0.01, 0.5, 0.9, 0.99, 0.999]) {
      const [told, exact] = [latencies.quantile(share), share * 1000]
      assert.ok(Math.abs(told - exact) / exact < 0.011, `${share}: ${told}, ${exact}`)
    }
    assert.deepEqual([new Latencies().quantile(0.5), latencies.maxMs, latencies.quantile(1) <= 1000], [0, 1000, true])
  })
})
