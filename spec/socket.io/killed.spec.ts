/** `it-grid/socket.io` over three processes, of which one is stopped and killed while it is asked: the others need not wait for it. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, afterEach, before, describe, it } from 'node:test'
import { createAdapter } from 'it-grid/socket.io'
import { Server } from 'socket.io'
import { type Socket as Client, io as connect } from 'socket.io-client'
import { testManager } from '../support/grid/manager.ts'
import { TestServer } from '../support/grid/servers.ts'
import { freePorts } from '../support/network/free-port.ts'
import { Child } from '../support/process/child.ts'
import { until } from '../support/until.ts'
import type { SocketServerWords } from './server.ts'

/** A minute: whoever is answered earlier was not answered by the time that is over. */
const requestsTimeout = 60_000

let own: TestServer
let grid: ReturnType<typeof testManager>
let io: Server
let hosts: string[]
let ports: number[]
const children: Child<SocketServerWords>[] = []
/** One at each server, the first that of this process. */
const clients: Client[] = []

async function join(index: number, port: number): Promise<void> {
  const client = connect(`http://127.0.0.1:${port}`, { transports: ['websocket'], forceNew: true, reconnection: false })
  clients[index] = client
  await until(() => client.connected, `a client is connected to port ${port}`)
}

/** A process with a client; the others know of both. */
async function start(index: number): Promise<void> {
  const init = { local: hosts[index + 1] as string, hosts, port: ports[index] as number, requestsTimeout }
  const child = new Child<SocketServerWords>(new URL('./server.ts', import.meta.url), init)
  children[index] = child
  await child.ask('listening')
  await join(index + 1, await child.ask('clientPort'))
}

const allThere = () =>
  until(async () => (await io.fetchSockets()).length === 3, 'three servers have a client each, and know each other')

before(async () => {
  own = new TestServer()
  await own.listen()
  ports = await freePorts(2)
  hosts = [own.url, ...ports.map((port) => `http://127.0.0.1:${port}`)]
  grid = testManager({ local: own.url, hosts })
  grid.attach(own.http)
  const http = createServer().listen(0, '127.0.0.1')
  await once(http, 'listening')
  io = new Server(http, { adapter: createAdapter(grid, { requestsTimeout }) })
  await Promise.all([join(0, (http.address() as AddressInfo).port), start(0), start(1)])
  await allThere()
})

after(async () => {
  for (const client of clients) client.disconnect()
  await Promise.all(children.map((child) => child.kill()))
  await Promise.all([io.close(), grid.close({ timeout: 0 })])
  await own.end()
})

/** Stops one, asks, and kills it when the other has surely answered. */
async function killWhileAsked<T>(ask: () => Promise<T>): Promise<{ readonly value: T; readonly tookMs: number }> {
  const victim = children[1] as Child<SocketServerWords>
  victim.signal('SIGSTOP')
  let isAnswered = false
  const answer = ask().finally(() => {
    isAnswered = true
  })
  // It answers what it is asked later, on the same stream.
  const [first] = children as [Child<SocketServerWords>]
  const heard = await first.ask('heard')
  io.serverSideEmit('count')
  await until(async () => (await first.ask('heard')) > heard, 'the other server has read all')
  assert.equal(isAnswered, false, 'it waits for the server that is stopped')
  const killedMs = performance.now()
  await victim.kill()
  const value = await answer
  return { value, tookMs: performance.now() - killedMs }
}

describe('a server that is killed while it is asked', () => {
  // It is killed by all but the last.
  afterEach(async () => {
    if (children[1]?.end === undefined) return
    await start(1)
    await allThere()
  })

  it('ends fetchSockets at once, with the sockets of the servers that live', async (test) => {
    const { value, tookMs } = await killWhileAsked(() => io.fetchSockets())
    test.diagnostic(`answered ${tookMs.toFixed(1)} ms after the kill`)
    assert.equal(value.length, 2)
    assert.equal(await io.of('/').adapter.serverCount(), 2)
  })

  it('ends serverSideEmitWithAck at once, with the answers of the servers that live', async (test) => {
    const { value, tookMs } = await killWhileAsked(() => io.serverSideEmitWithAck('ask'))
    test.diagnostic(`answered ${tookMs.toFixed(1)} ms after the kill`)
    assert.deepEqual(value, ['here'])
  })

  it('ends emitWithAck at once, with what the clients of the servers that live said, and did not say what is missing', async (test) => {
    for (const [index, client] of clients.entries()) client.on('ask', (ack: (n: number) => void) => ack(index))
    const { value, tookMs } = await killWhileAsked(() => io.timeout(requestsTimeout).emitWithAck('ask'))
    test.diagnostic(`answered ${tookMs.toFixed(1)} ms after the kill`)
    assert.deepEqual(value.sort(), [0, 1])
  })

  it('is asked again when it is started again', async () => {
    assert.equal(await io.of('/').adapter.serverCount(), 3)
    assert.deepEqual(await io.serverSideEmitWithAck('ask'), ['here', 'here'])
  })
})
