/** What docs/observability.md says of figures, events, open calls and introspection is true: its programs run and show something. */

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { Manager, sharedSecret, silentLogger } from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { freePort } from '../support/network/free-port.ts'
import { MarkdownFile, root } from '../support/pages/markdown.ts'
import { childEnvironment, sourceArgs } from '../support/process/child.ts'
import { until } from '../support/until.ts'

const page = new MarkdownFile('docs/observability.md')

/** Two servers in one process. `grid` is that of the page; the other one has a slow call of it all the time. */
const servers = `
import { dialerOf, insecure, Manager, memoryPair } from 'it-grid'
const names = ['http://127.0.0.1:9001', 'http://127.0.0.1:9002']
const grids = names.map((local, at) => new Manager({
  local, hosts: names, auth: insecure(), introspection: true,
  dialer: async () => {
    const [ours, theirs] = memoryPair()
    grids[1 - at].incomingConn(theirs)
    return ours
  }
}))
const [grid, other] = grids
for (const each of grids) each.handle('slow', (bytes) => new Promise((resolve) => setTimeout(resolve, 150, bytes)))
const [there, back] = [grid.connection(names[1]), other.connection(names[0])]
const call = () => Promise.all([there, back].map((peer) => peer.request('slow', new Uint8Array(1), { waitForReady: true })))
await call()
void (async () => { for (;;) await call() })()
`

/** What each program prints, at least. */
const prints: Readonly<Record<string, RegExp>> = {
  'grid.stats().served': /^slow \d+ \d+ \{/m,
  '.recent) console.log': / state \{/,
  '.streams()) {': /^slow (caller|handler) /m,
  'look.trace(': /^slow 1\d\d\.\d+ OK$/m,
  'look.watch(': /^\d+ 1 \d+\n\d+ 1 \d+$/m
}

describe('the programs of docs/observability.md that look into a grid', () => {
  for (const [part, printed] of Object.entries(prints)) {
    it(`run and print what is there: ${part}`, async () => {
      const program = page.code('ts').find((code) => code.includes(part)) ?? assert.fail('no program')
      const args = [...sourceArgs, '--input-type=module', '--eval', `${servers}\n${program}`]
      const stdio = ['ignore', 'pipe', 'inherit'] as const
      const child = spawn(process.execPath, args, { cwd: root, env: childEnvironment(), stdio: [...stdio] })
      let told = ''
      child.stdout?.on('data', (data: Buffer) => {
        told += data.toString()
      })
      try {
        await until(() => printed.test(told) || child.exitCode !== null, 'it prints')
        assert.match(told, printed)
      } finally {
        const gone = once(child, 'close')
        child.kill()
        await gone
      }
    })
  }
})

it('a process that only looks, as docs/observability.md has it, prints what the server sees, and ends', async () => {
  const port = String(await freePort())
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const local = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const hosts = [local, `http://127.0.0.1:${port}`]
  const auth = sharedSecret('the same on all: 16 random bytes or more')
  const grid = new Manager({ local, hosts, auth, introspection: true, logger: silentLogger })
  grid.attach(server)
  const program = page.code('ts').find((code) => code.includes('look.hosts(')) ?? assert.fail('no program')
  const code = program.replaceAll('9009', port).replace('http://127.0.0.1:9001', local)
  const args = [...sourceArgs, '--input-type=module', '--eval', code]
  try {
    const options = { cwd: root, env: childEnvironment(), timeout: paced(60_000) }
    const { stdout } = await promisify(execFile)(process.execPath, args, options)
    assert.match(stdout, new RegExp(`host: 'http://127\\.0\\.0\\.1:${port}',\\s+state: 'connected'`))
  } finally {
    await grid.close({ timeout: 0 })
    server.close()
  }
})
