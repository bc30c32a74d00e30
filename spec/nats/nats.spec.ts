/**
 * examples/nats through a real NATS server: servers without a port are a grid like any other, and outlive the NATS server.
 *
 * Needs Debian's `nats-server`.
 */

import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import net from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { connect } from '@nats-io/transport-node'
import { acceptNats, closeNats, connectNats } from '../../examples/nats/carrier.ts'
import { DisconnectedError, streaming } from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { LogBook, namesInOrder } from '../support/grid/manager.ts'
import { rejection, Servers } from '../support/grid/servers.ts'
import { freePort } from '../support/network/free-port.ts'
import { root } from '../support/pages/markdown.ts'
import { childEnvironment, endProcess, sourceArgs } from '../support/process/child.ts'
import { settled, until } from '../support/until.ts'

const isThere = spawnSync('nats-server', ['--version']).status === 0
const skip = isThere ? false : 'nats-server is not installed: apt-get install nats-server'

const run = promisify(execFile)
const pieces = streaming<void, never, Uint8Array>('pieces', { inCapacity: 0, outCapacity: 4 })
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()

class Broker {
  readonly port: number
  #child: ChildProcess | undefined

  private constructor(port: number) {
    this.port = port
  }

  static async start(): Promise<Broker> {
    const broker = new Broker(await freePort())
    await broker.run()
    return broker
  }

  /** Resolves when it takes clients. */
  async run(): Promise<void> {
    const child = spawn('nats-server', ['--addr', '127.0.0.1', '--port', String(this.port)], { stdio: 'ignore' })
    this.#child = child
    await until(async () => {
      assert.equal(child.exitCode, null, 'nats-server has ended')
      const socket = net.connect(this.port, '127.0.0.1')
      const listens = await new Promise<boolean>((resolve) => {
        socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
      })
      socket.destroy()
      return listens
    }, 'nats-server listens')
  }

  kill(): Promise<void> {
    return endProcess(this.#child)
  }
}

/** Two servers, of which the first dials the second. */
async function pair(test: TestContext, broker: Broker, accepts = true) {
  const servers = new Servers(test)
  const hosts = namesInOrder()
  const sides = []
  for (const local of hosts) {
    const options = {
      servers: `127.0.0.1:${broker.port}`,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
      timeout: 1000
    }
    const nats = await connect(options)
    const log = new LogBook()
    const manager = servers.manager({ local, hosts, dialer: connectNats(nats), logger: log })
    const side = { nats, manager, log, made: 0 }
    manager.handle('who', (_payload, { remote }) => Buffer.from(`${remote.host} asks ${local}`))
    manager.handle('echo', (payload) => payload)
    manager.handle('hang', () => new Promise(() => undefined))
    manager.handle(pieces, async function* () {
      for (;;) {
        side.made++
        yield new Uint8Array(64 * 1024)
      }
    })
    if (accepts) acceptNats(nats, manager)
    servers.onEnd(async () => {
      await manager.close({ timeout: 1 })
      await closeNats(nats)
    })
    sides.push(side)
  }
  servers.onEnd(() => broker.kill())
  const [a, b] = sides as [(typeof sides)[0], (typeof sides)[0]]
  return { a, b, peer: a.manager.connection(hosts[1]), back: b.manager.connection(hosts[0]) }
}

describe('a grid through NATS', { skip }, () => {
  it('is shown by the example', async (test) => {
    const broker = await Broker.start()
    test.after(() => broker.kill())
    const env = { ...childEnvironment(), NATS_URL: `127.0.0.1:${broker.port}` }
    const options = { cwd: root, env, timeout: paced(60_000) }
    const { stdout, stderr } = await run(process.execPath, [...sourceArgs, 'examples/nats/main.ts'], options)
    assert.match(stdout, /^5 numbers were taken; the generator is held at its window: true\ndone: nothing is left$/m)
    assert.equal(stderr, '')
  })

  it('carries calls both ways, of megabytes too, and no server listens', async (test) => {
    const { peer, back } = await pair(test, await Broker.start())
    for (const connection of [peer, back]) {
      await connection.waitForConnect()
      assert.match(text(await connection.request('who')), new RegExp(` asks ${connection.host}$`))
      const large = new Uint8Array(5 * 1024 * 1024).fill(7)
      assert.deepEqual(await connection.request('echo', large), large)
    }
    assert.deepEqual(
      process.getActiveResourcesInfo().filter((kind) => kind === 'TCPServerWrap'),
      []
    )
  })

  it('holds a generator where its consumer stands still, and nothing else', async (test) => {
    const { b, peer } = await pair(test, await Broker.start())
    await peer.waitForConnect()
    const stream = peer.newStream(pieces)
    await stream.responses.next()
    const made = await settled(() => b.made)
    assert.ok(made < 30, `${made} pieces were made for one that was taken`)
    assert.match(text(await peer.request('who')), / asks /)
    for (let n = 0; n < 100; n++) await stream.responses.next()
    assert.ok(b.made > 100)
    stream.cancel()
  })

  it('loses its conns with the NATS server, says so of each call, and is back with it', async (test) => {
    const broker = await Broker.start()
    const { peer, back } = await pair(test, broker)
    await Promise.all([peer.waitForConnect(), back.waitForConnect()])
    const hanging = rejection(peer.request('hang'))
    await peer.request('who')
    await broker.kill()
    const error = await hanging
    assert.ok(DisconnectedError.is(error), String(error))
    assert.equal(error.delivery, 'maybeRan')
    await until(() => back.state !== 'connected', 'the other end has noticed')
    assert.equal((await rejection(peer.request('who'))).delivery, 'notSent')
    const waiting = peer.request('who', undefined, { waitForReady: true })
    await broker.run()
    assert.match(text(await waiting), / asks /)
    assert.match(text(await back.request('who', undefined, { waitForReady: true })), / asks /)
  })

  it('ends a conn that has lost a message, and connects again', async (test) => {
    const broker = await Broker.start()
    const listening = await connect({ servers: `127.0.0.1:${broker.port}` })
    const subjects = new Set<string>()
    listening.subscribe('_INBOX.>', {
      callback: (_error, { subject, data }) => void (data[0] === 0 && subjects.add(subject))
    })
    await listening.flush()
    const { peer, a, b } = await pair(test, broker)
    await peer.waitForConnect()
    await peer.request('who')
    const { id } = peer.stats().session ?? {}
    await until(() => subjects.size > 0, 'the conn is seen')
    for (const subject of subjects) listening.publish(subject, Uint8Array.of(0, 0, 255, 255, 255, 1))
    await until(() => peer.stats().session?.id !== id, 'the conn is gone')
    assert.match(text(await peer.request('who', undefined, { waitForReady: true })), / asks /)
    assert.match([...a.log.lines, ...b.log.lines].join('\n'), /NATS has lost a message/)
    await listening.drain()
  })

  it('says of a host that nobody has there that it cannot be reached', async (test) => {
    const { peer } = await pair(test, await Broker.start(), false)
    await until(() => peer.lastError !== undefined, 'the dial has failed')
    assert.equal((peer.lastError as Error & { code?: string }).code, 'ERR_DIAL')
    assert.match(peer.lastError?.message ?? '', /cannot be reached through NATS/)
  })
})
