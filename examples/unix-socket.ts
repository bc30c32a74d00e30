/**
 * Another transport: the same grid over a Unix socket, without HTTP and without WebSockets.
 *
 * A dialer makes the conns, `incomingConn` accepts those that arrive. Any Node `Duplex` works: TCP, TLS, a pipe.
 * Run it: `node --import tsx examples/unix-socket.ts`
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectDuplex, duplexConn, Manager, sharedSecret, single } from '../lib/index.ts'

const add = single<{ a: number; b: number }, number>('add')

// Hosts are still named by origins. The dialer decides which socket a name stands for.
const hosts = ['http://left', 'http://right']
const folder = mkdtempSync(join(tmpdir(), 'it-grid-unix-'))
const pathOf = (host: string) => join(folder, `${new URL(host).hostname}.sock`)
const dialer = connectDuplex((host) => connect(pathOf(host)))

const start = async (local: string) => {
  const grid = new Manager({ local, hosts, auth: sharedSecret('an example secret: yours is random'), dialer })
  grid.handle(add, ({ a, b }) => a + b)
  const server = createServer((socket) => grid.incomingConn(duplexConn(socket)))
  server.listen(pathOf(local))
  await once(server, 'listening')
  return { grid, server }
}

try {
  const [left, right] = await Promise.all([start('http://left'), start('http://right')])

  const there = await left.grid.connection('http://right').request(add, { a: 19, b: 23 }, { waitForReady: true })
  const back = await right.grid.connection('http://left').request(add, { a: 1, b: 2 }, { waitForReady: true })
  const dialedBy = left.grid.connection('http://right').stats().isDialer ? 'left' : 'right'
  console.log(`over one Unix socket, dialed by ${dialedBy}: 19 + 23 = ${there}, and the other way 1 + 2 = ${back}`)
  assert.deepEqual([there, back], [42, 3])

  await Promise.all([left.grid.close(), right.grid.close()])
  left.server.close()
  right.server.close()
  console.log('done: both ends are closed')
} finally {
  rmSync(folder, { recursive: true })
}
