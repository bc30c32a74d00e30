/** `it-grid/socket.io` over three processes, of which one is stopped and killed while it is asked: the others need not wait for it. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, it } from 'node:test'
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
let children: Child<SocketServerWords>[]
let clients: Client[]

async function join(port: number): Promise<Client> {
  const client = connect(`http://127.0.0.1:${port}`, { transports: ['websocket'], forceNew: true, reconnection: false })
  clients.push(client)
  await until(() => client.connected, `a client is connected to port ${port}`)
  return client
}

beforeEach(async () => {
  clients = []
  own = new TestServer()
  await own.listen()
  const others = (await freePorts(2)).map((port) => `http://127.0.0.1:${port}`)
  const hosts = [own.url, ...others]
  children = others.map((local) => {
    const init = { local, hosts, port: Number(new URL(local).port), requestsTimeout }
    return new Child<SocketServerWords>(new URL('./server.ts', import.meta.url), init)
  })
  grid = testManager({ local: own.url, hosts })
  grid.attach(own.http)
  const http = createServer().listen(0, '127.0.0.1')
  await once(http, 'listening')
  io = new Server(http, { adapter: createAdapter(grid, { requestsTimeout }) })
  await Promise.all(children.map((child) => child.ask('listening')))
  await until(async () => (await io.of('/').adapter.serverCount()) === 3, 'three servers run Socket.IO')
  const ports = await Promise.all(children.map((child) => child.ask('clientPort')))
  await Promise.all([(http.address() as AddressInfo).port, ...ports].map(join))
  await until(async () => (await io.fetchSockets()).length === 3, 'all servers have their client')
})

afterEach(async () => {
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
    const victim = children[1] as Child<SocketServerWords>
    const { port } = await victim.ask('listening')
    await victim.kill()
    await until(async () => (await io.of('/').adapter.serverCount()) === 2, 'it is missed')
    const local = `http://127.0.0.1:${port}`
    const init = { local, hosts: [grid.local, ...grid.hosts], port, requestsTimeout }
    children[1] = new Child<SocketServerWords>(new URL('./server.ts', import.meta.url), init)
    await children[1].ask('listening')
    await until(async () => (await io.of('/').adapter.serverCount()) === 3, 'it is there again')
    assert.deepEqual(await io.serverSideEmitWithAck('ask'), ['here', 'here'])
  })
})
