/**
 * Lets the peer in Python (`peer.py`) talk with a manager over a WebSocket; exits with 1 when they disagree.
 *
 * `npm run interop` must pass on a machine without Python: there it says that it checked nothing. What is checked is in
 * `check.py`, but for the calls of the manager, which are here.
 */

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { type Connection, Manager, sharedSecret, silentLogger, single, streaming } from '../../lib/index.ts'
import { dialerOf } from '../../lib/peer/hosts.ts'

const secret = 'correct horse battery staple'
const python = process.env.PYTHON ?? 'python3'
const timeoutMs = 60_000

const py = {
  echo: single<unknown, unknown>('py.echo'),
  fail: single<void, void>('py.fail'),
  hang: single<void, void>('py.hang'),
  upper: streaming<string, string, string>('py.upper'),
  count: streaming<number, never, number>('py.count', { inCapacity: 0 }),
  two: streaming<void, number, number>('py.two')
}

/** What the manager asks of the handlers in Python. */
async function callBack(peer: Connection): Promise<void> {
  const values = [
    null,
    true,
    -1,
    2 ** 40,
    Number.MAX_SAFE_INTEGER,
    2n ** 60n,
    1.5,
    'ä'.repeat(300),
    { a: [Uint8Array.of(1)] }
  ]
  assert.deepEqual(await peer.request(py.echo, values), values)
  assert.equal(((await peer.request(py.echo, 'x'.repeat(1_000_000))) as string).length, 1_000_000)
  await assert.rejects(peer.request(py.fail, undefined), { name: 'RemoteError', code: 'E_LOCKED' })
  await assert.rejects(peer.request(py.hang, undefined, { timeout: 100 }), { code: 'ERR_DEADLINE' })
  const upper = peer.newStream(py.upper, '>')
  const feeding = feed(upper, 100)
  const answers: string[] = []
  for await (const answer of upper.responses) answers.push(answer)
  await feeding
  assert.deepEqual(
    answers,
    Array.from({ length: 100 }, (_, n) => `>N${n}`)
  )
  const counted: number[] = []
  for await (const n of peer.newStream(py.count, 7)) {
    counted.push(n)
    if (counted.length === 5) break
  }
  assert.deepEqual(counted, [7, 8, 9, 10, 11])
  const two = peer.newStream(py.two)
  await two.send(1)
  await two.send(2)
  assert.deepEqual((await two.responses.next()).value, 3)
  assert.equal((await two.responses.next()).done, true)
}

async function feed(stream: { send(text: string): Promise<void>; requests: { end(): void } }, count: number) {
  for (let n = 0; n < count; n++) await stream.send(`n${n}`)
  stream.requests.end()
}

/** What Python calls. */
function handle(grid: Manager): void {
  const stopped = new Set<string>()
  let pulled = 0
  grid.handle(single<unknown, unknown>('echo'), (value) => value)
  grid.handle(single('fail'), () => {
    throw Object.assign(new Error('locked'), { code: 'E_LOCKED', details: { holder: 'node-3' } })
  })
  grid.handle(
    single('hang'),
    (_, { signal }) =>
      new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          stopped.add('hang')
          resolve()
        })
      })
  )
  grid.handle(single<string, boolean>('stopped'), (name) => stopped.has(name))
  grid.handle(single<void, number>('pulled'), () => pulled)
  grid.handle(streaming<number, never, number>('count', { inCapacity: 0, outCapacity: 2 }), async function* (first) {
    try {
      for (;;) yield first + pulled++
    } finally {
      stopped.add('count')
    }
  })
  grid.handle(
    streaming<void, [number, Uint8Array], [number, Uint8Array]>('double', { inCapacity: 3, outCapacity: 2 }),
    async function* (_, requests) {
      for await (const [n, bytes] of requests) yield [2 * n, bytes]
    }
  )
  grid.handle(streaming<void, number, number>('two', { inCapacity: 4, outCapacity: 1 }), async function* (_, requests) {
    const [a, b] = [await requests.next(), await requests.next()]
    yield (a.value as number) + (b.value as number)
  })
  grid.handle(single<string, string>('slow'), async (value) => {
    await new Promise((resolve) => setTimeout(resolve, 200))
    return value
  })
  grid.handle(single<void, string>('callMe'), async (_, { remote }) => {
    await callBack(grid.connection(remote.host))
    return 'fine'
  })
  grid.handle(single('close'), () => {
    setImmediate(() => void grid.close({ timeout: 10_000 }))
    throw Object.assign(new Error('it closes'), { code: 'closing' })
  })
}

async function main(): Promise<number> {
  const { status, stdout } = spawnSync(python, ['-c', 'import sys; print(sys.version_info >= (3, 8))'])
  if (status !== 0 || String(stdout).trim() !== 'True') {
    console.log(`interop: nothing was checked, for ${python} is not there or is older than 3.8`)
    return 0
  }
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const local = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let host = ''
  for (let n = 1; host === '' || dialerOf(local, host) !== host; n++) host = `http://python-${n}:9000`
  const grid = new Manager({ local, hosts: [local, host], auth: sharedSecret(secret), logger: silentLogger })
  grid.attach(server)
  handle(grid)
  const folder = fileURLToPath(new URL('.', import.meta.url))
  const child = spawn(python, ['-B', 'check.py', local, host, secret], {
    cwd: folder,
    stdio: 'inherit',
    timeout: timeoutMs
  })
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve))
  await grid.close({ timeout: 1000 })
  server.close()
  server.closeAllConnections()
  console.log(code === 0 ? 'interop: the peer in Python agrees' : 'interop: the peer in Python does not agree')
  return code === 0 ? 0 : 1
}

process.exitCode = await main()
