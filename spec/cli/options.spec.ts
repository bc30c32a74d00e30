/** What is asked of every command: help, flags and what is near them, the environment, secrets from files only, TLS, colours. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { Writable } from 'node:stream'
import { describe, it } from 'node:test'
import { exitCodes } from 'it-grid/cli'
import { Latencies } from '../../lib/extras/cli/latencies.ts'
import { matrixOf } from '../../lib/extras/cli/matrix.ts'
import { shortNames } from '../../lib/extras/cli/names.ts'
import { Output } from '../../lib/extras/cli/output.ts'
import { type Column, tableOf } from '../../lib/extras/cli/table.ts'
import { nearest, printable, widthOf } from '../../lib/extras/cli/text.ts'
import { connectWS, dialGuest, type GuestsOptions, insecure, mutualTLS, single } from '../../lib/index.ts'
import { Servers, TestServer } from '../support/grid/servers.ts'
import { makeAuthority } from '../support/network/certificates.ts'
import { until } from '../support/until.ts'
import { folder, gridWithGuests, runHere } from './command-line.ts'

const host = 'http://node-1:9000'
const commands = ['call', 'handlers', 'hosts', 'ping', 'top', 'trace', 'locks', 'bench', 'inspect', 'doctor']
const proved = ['--insecure']

async function usageOf(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runHere(args)
  assert.deepEqual([code, stdout], [exitCodes.usage, ''], stderr)
  return stderr
}

/** Of a run that is not told to end. */
const ending = new AbortController().signal

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
      [['--timeout', '5'], /--timeout 5 has no unit: write 5s or 5ms/],
      [['--timeout', '30d'], /--timeout must be a time such as .*, up to 24d; it is "30d"/],
      [['--metadata', 'foo'], /--metadata must be KEY=TEXT, or a JSON object; it is "foo"/],
      [['--timeout', '1s', '--timeout', '2s'], /--timeout is given twice/],
      [['--path', 'grid/v1'], /--path must be a path such as \/grid\/v1; it is "grid\/v1"/],
      [['--raw=yes'], /--raw takes no value/],
      [['--cert', 'a'], /--cert and --key belong together/],
      [['--ca', '/no/such'], /--ca \/no\/such: there is no such file/],
      [['--ca', '/'], /--ca \/: it is a directory/],
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
    assert.match(
      await usageOf('hosts', host, '--secret-file', file('short', 'short\n')),
      /must have 16 bytes or more, and there is one of 5/
    )
  })

  it('takes the lines of a file as secrets, whatever ends them or stands before them, and says what is none', async (test) => {
    const { file, path } = folder(test)
    await using grid = await gridWithGuests(1)
    const [host = ''] = grid.hosts
    const own = 'a secret of the guests of specs'
    const contents = ['', '\n', '\r\n', '\n\n', '\na secret that comes after it\n'].map((end) => own + end)
    for (const content of [...contents, `\uFEFF${own}\n`]) {
      const { code, stderr } = await runHere(['handlers', host, '--secret-file', file('own', content)])
      assert.deepEqual([code, stderr], [0, ''], JSON.stringify(content))
    }
    const wrong: readonly (readonly [file: string, text: RegExp])[] = [
      [path, /it is a directory\n$/],
      [file('empty', ''), /it is empty\n$/],
      [file('lines', '\n\n'), /must have 16 bytes or more, and there is none\n$/],
      [file('utf16', Buffer.from(`\uFEFF${own}`, 'utf16le')), /it is UTF-16: write it as UTF-8\n$/],
      ['/dev/zero', /it has more than 1048576 bytes\n$/]
    ]
    for (const [name, text] of wrong) assert.match(await usageOf('hosts', host, '--secret-file', name), text)
    const other = file('other', `${own} \n`)
    const refused = await runHere(['handlers', host, '--secret-file', other])
    assert.equal(refused.code, exitCodes.refused)
    assert.match(
      refused.stderr,
      new RegExp(
        `\\(ERR_REJECTED\\)\n  the secret in ${other} is probably not that of guests.auth .* lacks the option guests, `
      )
    )
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
    for (const spelled of [`${one}/`, one.replace('http', 'HTTP'), one.replace('http', 'ws'), ` ${one} `])
      assert.equal(await named([spelled], {}), two)
  })

  it('says of what is no host what was typed and what to type, in the same words wherever one is expected', async () => {
    const cases: readonly (readonly [typed: string, text: string])[] = [
      ['node-1:9000', 'write http://node-1:9000, or https://node-1:9000 where it speaks TLS'],
      ['localhost:9000/grid/v1', 'write http://localhost:9000, or https://localhost:9000 where it speaks TLS'],
      ['[::1]:9000', 'write http://[::1]:9000, or https://[::1]:9000 where it speaks TLS'],
      [
        'http://a:1/b',
        'write http://a:1; a host has no user, path or query, and the path of the upgrade is --path PATH'
      ],
      ['ftp://a:1', 'it must begin with http:// or https://'],
      ['https://a:65536', 'a port is a number up to 65535'],
      ['http://', 'write a name as its grid has it, such as http://node-1:9000'],
      ['http://0.0.0.0:1', 'http://0.0.0.0:1 is an address to listen on; name the server as the others dial it']
    ]
    const places = [
      ...commands.map((name) => (typed: string) => [name, typed]),
      ...['ping', 'trace', 'doctor'].map((name) => (typed: string) => [name, host, typed]),
      (typed: string) => ['call', '--host', typed, 'x'],
      (typed: string) => ['locks', host, '--server', typed],
      (typed: string) => ['trace', host, '--peer', typed]
    ]
    for (const [typed, text] of cases) {
      for (const place of places)
        assert.equal(await usageOf(...place(typed), ...proved), `it-grid: "${typed}" is no host: ${text}\n`)
    }
    for (const name of commands) {
      const { stderr } = await runHere([name, 'node-1:9000', 'x', ...proved], { env: { IT_GRID_HOST: host } })
      assert.match(stderr, /^it-grid: "node-1:9000" is no host: write http:\/\/node-1:9000, or /, name)
    }
    const { stderr: ofId } = await runHere(['call', 'feed:1', '{}', ...proved], { env: { IT_GRID_HOST: host } })
    assert.match(ofId, /; an id of a handler that looks so is given after its host\n$/)
    const others: readonly (readonly [typed: string, text: RegExp])[] = [
      ['', /^it-grid: "" is no host: write a name as its grid has it/],
      ['localhost', /write http:\/\/localhost:PORT, or https:.*; or name the host by --host or IT_GRID_HOST\n$/],
      ['::1', /write http:\/\/\[::1\], or/],
      ['http:/a:1', /write http:\/\/a:1\n$/],
      ['http://ada:word@a:1', /^it-grid: "…@a:1" is no host: write http:\/\/a:1;/],
      ['http://a:1/?key=word', /^it-grid: "http:\/\/a:1\/…" is no host: write http:\/\/a:1;/]
    ]
    for (const [typed, text] of others) assert.match(await usageOf('call', typed, 'x', ...proved), text)
  })

  it('says what is wrong with a variable by its name', async () => {
    const { stderr } = await runHere(['call', host, 'x', ...proved], { env: { IT_GRID_TIMEOUT: '7' } })
    assert.equal(stderr, 'it-grid: IT_GRID_TIMEOUT 7 has no unit: write 7s or 7ms\n')
  })

  it('says what to do where a host has another name, or speaks TLS or does not', async (test) => {
    const servers = new Servers(test)
    const authority = await makeAuthority('authority of specs')
    const { key, cert } = await authority.issue(['localhost'])
    const secure = servers.watch(await new TestServer(createServer({ key, cert })).listen())
    const { server } = await servers.node('http://node-1:9000', ['http://node-1:9000'], {
      guests: { allow: () => true, auth: insecure() }
    })
    const told = async (...args: string[]) => (await runHere(['hosts', ...args, ...proved])).stderr
    const plain = server.url.replace(/^ws/, 'http')
    const { port } = new URL(plain)
    assert.equal(
      await told(`http://localhost:${port}`, '--url', plain),
      `it-grid: http://localhost:${port} refused: this server is http://node-1:9000, not http://localhost:${port} (ERR_REJECTED)\n` +
        `  name it http://node-1:9000, as its grid does; if it is reached at http://localhost:${port} only, name it so and add --url http://localhost:${port}\n`
    )
    const other = `http://localhost:${secure.port}`
    assert.match(
      await told(other),
      /does it speak TLS there, so that its name is https\?\) \(ERR_DIAL\)\n {2}look for the cause: it-grid doctor http/
    )
    assert.match(
      await told(`https://localhost:${port}`),
      /does it speak plain HTTP there, so that its name is http\?\) \(ERR_DIAL\)\n {2}look for the cause: it-grid doctor https/
    )
  })

  it('gives no advice where the line is wrong, so that nothing was dialed, nor where the host has answered', async (test) => {
    const servers = new Servers(test)
    const name = 'http://node-1:9000'
    const auth = insecure()
    const told = async (url: string, ...args: string[]) =>
      (await runHere(['hosts', name, '--url', url, ...args, ...proved])).stderr
    const tellOf = async (guests?: GuestsOptions) => {
      const { manager, server } = await servers.node(name, [name], { auth, ...(guests && { guests }) })
      return { manager, url: server.url.replace(/^ws/, 'http') }
    }
    const open = await tellOf({ allow: () => true, max: 1 })
    assert.match(
      await told(open.url, '--name', 'Bad_Name!'),
      /^it-grid: the name of a guest .+ \(ERR_INVALID_OPTION\)\n$/
    )
    const refused = (why: string) => new RegExp(`^it-grid: .*refused.*: ${why}.* \\(ERR_REJECTED\\)\n$`)
    assert.match(
      await told((await tellOf({ allow: () => true, admit: () => false })).url),
      refused(`${name} does not take`)
    )
    assert.match(await told((await tellOf()).url), refused(`${name} takes no guests`))
    const guest = await dialGuest(name, { auth, dialer: connectWS({ url: (_, path) => open.url + path }) })
    assert.match(await told(open.url), refused(`${name} has 1 guests`))
    await guest.close()
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

describe('the matrix of ping', () => {
  const hosts = Array.from({ length: 32 }, (_, at) => `https://node-${at + 1}.example.com:9000`)
  const rows = hosts.map((host, own) => ({
    ...{ host, rttMs: 1.5 },
    sees: hosts.flatMap((other, at) =>
      at === own
        ? []
        : [{ host: other, state: at === 30 ? ('waiting' as const) : ('connected' as const), since: 0, rttMs: 2 }]
    )
  }))

  it('has a cell for each pair, in as many lines as that takes', () => {
    for (const [wide, signs] of [
      [24, 20],
      [40, 30],
      [80, 32],
      [200, 32]
    ] as const) {
      const output = new Output(
        Object.assign(new Writable(), { isTTY: true, columns: wide }),
        { NO_COLOR: '1' },
        ending
      )
      const lines = matrixOf(rows, shortNames(hosts), output)
      for (const line of lines) assert.ok(widthOf(line) <= wide, line)
      const cells = lines.map((line) => line.replace(/^ *\d+ {2}(node-\d+ +1\.50 ms)?/, '').replaceAll(' ', ''))
      const found = cells.filter((line) => /^[·+x]+$/.test(line))
      assert.equal(found.join('').length, 32 * 32, `${wide}`)
      assert.equal(found.join('').match(/x/g)?.length, 31)
      assert.equal(Math.max(...found.map(({ length }) => length)), signs)
    }
  })
})

describe('what is printed when the run is told to end', () => {
  it('is complete where it is taken soon, and is waited for no longer', async () => {
    const stop = new AbortController()
    const waiting: (() => void)[] = []
    const output = new Output(new Writable({ write: (_, __, taken) => void waiting.push(taken) }), {}, stop.signal)
    let isTaken = false
    const printed = output.line('a line').then(() => isTaken)
    await until(() => waiting.length === 1, 'it is being written')
    stop.abort(new Error('enough'))
    setImmediate(() => {
      isTaken = true
      waiting.pop()?.()
    })
    assert.equal(await printed, true)
    // Of these nobody takes the first one, and the others come behind it.
    await Promise.all(['a', 'b', 'c'].map((text) => output.line(text)))
    assert.equal(waiting.length, 1)
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
    new Output(
      Object.assign(new Writable(), wide === undefined ? {} : { isTTY: true, columns: wide }),
      { NO_COLOR: '1' },
      ending
    )

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

  it('has numbers whole, and names so that none is like another, as long as that can be', () => {
    const families: readonly (readonly string[])[] = [
      Array.from({ length: 32 }, (_, at) => `https://grid-production-node-${at + 1}.internal.example.com:9000`),
      Array.from({ length: 32 }, (_, at) => `http://node.internal.example.com:${9001 + at}`),
      ['aaaaaaaaaaaaaaaaa-1-bbbbbbbbbbbbbbbbbbbbbbb', 'aaaaaaaaaaaaaaaaa-2-bbbbbbbbbbbbbbbbbbbbbbb']
    ]
    const number = (at: number) => 100_000_000_000 + at
    const named: Column<readonly [string, number]>[] = [
      { title: 'NAME', read: ([name]) => name, isName: true },
      { title: 'TEXT', read: () => 'some text that is long' },
      { title: 'NUMBER', read: ([, value]) => String(value), isNumber: true }
    ]
    for (const names of families) {
      const rows = names.map((name, at) => [name, number(at)] as const)
      for (const wide of [20, 40, 80, 200]) {
        const lines = tableOf(named, rows, outputOf(wide)).slice(1)
        const shown = lines.map((line) => line.split(/ {2}/)[0])
        assert.equal(new Set(shown).size, names.length, `${wide}: ${shown}`)
        for (const [at, line] of lines.entries()) {
          assert.ok(widthOf(line) <= wide, line)
          assert.ok(wide < 40 || line.endsWith(String(number(at))), line)
        }
      }
      assert.ok(
        tableOf(named, rows, outputOf(200)).every((line, at) => at === 0 || line.startsWith(rows[at - 1]?.[0] ?? ''))
      )
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
