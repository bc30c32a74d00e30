/** Sources that nobody will read, where there is no peer at all; and what else holds one. See also `suite/released.ts`. */

import assert from 'node:assert/strict'
import { createReadStream, type ReadStream, readdirSync, readlinkSync } from 'node:fs'
import http from 'node:http'
import { PassThrough, Stream } from 'node:stream'
import { describe, it } from 'node:test'
import { bytes, ClosedError, type Connection, type GridStream, pipe, streaming } from '../../lib/index.ts'
import { Servers } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'
import { sources } from './watched-sources.ts'

const upload = streaming('upload', { request: bytes(), response: bytes() })
const here = import.meta.filename

/** The descriptors of this file that are open. */
function openFiles(): number {
  const links = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return ''
    }
  })
  return links.filter((path) => path === here).length
}

/** A server whose peer is absent. */
function alone(servers: Servers) {
  const [a, b] = ['http://a.test', 'http://b.test'] as const
  const dialer = () => Promise.reject(new Error('nothing is there'))
  const manager = servers.manager({ local: a, hosts: [a, b], dialer })
  return { manager, peer: manager.connection(b), self: manager.connection(a) }
}

describe('a source that nobody will read is released', () => {
  const doors: Record<string, (peer: Connection, file: ReadStream) => Promise<unknown>> = {
    'sink()': (peer, file) => peer.newStream(upload).sink(file),
    'a raw stream': (peer, file) => peer.newStream('upload').sink(file),
    'a subroute': (peer, file) => peer.subroute('disk').newStream(upload).sink(file),
    'a pipe': (peer, file) =>
      pipe(file, peer.newStream(upload), async (values) => {
        for await (const _ of values);
      })
  }
  for (const [door, give] of Object.entries(doors)) {
    it(`100 times, given to ${door} while the peer is absent: no descriptor is left`, async (test) => {
      const { peer } = alone(new Servers(test))
      const files = Array.from({ length: 100 }, () => createReadStream(here))
      for (const given of files.map((file) => give(peer, file))) {
        await assert.rejects(given, { name: 'DisconnectedError', delivery: 'notSent' })
      }
      await until(() => files.every(({ closed }) => closed), 'all are closed')
      if (process.platform === 'linux') assert.equal(openFiles(), 0)
    })
  }

  const waits: Record<string, (stream: GridStream<Uint8Array, Uint8Array>, controller: AbortController) => unknown> = {
    'is cancelled': (stream) => stream.cancel(),
    'is aborted': (_stream, controller) => controller.abort(),
    'is left by its reader': (stream) => stream.responses.return?.(),
    'passes its deadline': () => undefined
  }
  for (const [how, end] of Object.entries(waits)) {
    it(`when its stream ${how} while it waits for the connection, whatever the source is`, async (test) => {
      const { peer } = alone(new Servers(test))
      for (const [kind, make] of Object.entries(sources)) {
        const { source, released } = make()
        const controller = new AbortController()
        const timeout = how === 'passes its deadline' ? 5 : 60_000
        const options = { waitForReady: true, timeout, signal: controller.signal }
        const stream = peer.newStream(upload, undefined, options)
        stream.sink(source).catch(() => undefined)
        end(stream, controller)
        await until(released, `${kind} is released`)
      }
    })
  }

  it('when the manager closes, or has closed', async (test) => {
    const { manager, peer, self } = alone(new Servers(test))
    const waiting = sources['a file']?.()
    const stream = peer.newStream(upload, undefined, { waitForReady: true })
    const sent = stream.sink(waiting?.source as AsyncIterable<Uint8Array>)
    await manager.close()
    await assert.rejects(sent, ClosedError)
    await until(() => waiting?.released() === true, 'the first is released')
    for (const connection of [peer, self]) {
      const late = sources['a file']?.()
      await assert.rejects(connection.newStream(upload).sink(late?.source as AsyncIterable<Uint8Array>), ClosedError)
      await until(() => late?.released() === true, 'the second is released')
    }
  })

  it('when it is given to the server itself, which has no such handler, or one that reads nothing', async (test) => {
    const { manager, self } = alone(new Servers(test))
    manager.handle(upload, () => [new Uint8Array(1)])
    for (const id of ['absent', 'upload']) {
      for (const [kind, make] of Object.entries(sources)) {
        const { source, released } = make()
        self
          .newStream(id)
          .sink(source)
          .catch(() => undefined)
        await until(released, `${kind}, given to the handler "${id}", is released`)
      }
    }
  })

  it('but not when it is given twice to one stream, which reads it', async (test) => {
    const { manager, self } = alone(new Servers(test))
    manager.handle(upload, (_payload, requests) => requests)
    await self.waitForConnect()
    const source = new PassThrough()
    const stream = self.newStream(upload)
    const sent = stream.sink(source)
    await assert.rejects(stream.sink(source), ClosedError)
    source.end('still read')
    const got: Uint8Array[] = []
    for await (const chunk of stream) got.push(chunk)
    assert.equal(Buffer.concat(got).toString(), 'still read')
    await sent
  })

  it('when it is a stream of Node that cannot be iterated', async (test) => {
    const { self, manager } = alone(new Servers(test))
    let destroyed = 0
    const old = () =>
      Object.assign(new Stream(), {
        destroy: () => {
          destroyed++
        }
      }) as unknown as AsyncIterable<Uint8Array>
    manager.handle(upload, (_payload, requests) => {
      requests.return?.()
      return old()
    })
    await self.waitForConnect()
    await assert.rejects(self.newStream(upload).responses.next(), { name: 'RemoteError' })
    await assert.rejects(self.newStream(upload).sink(old()), TypeError)
    await until(() => destroyed >= 2, 'both are destroyed')
  })
})

describe('a source that waits', () => {
  it('for the connection may fail: its stream fails with that once it opens, and nothing else does', async (test) => {
    const servers = new Servers(test)
    const { there, listener } = await servers.pair()
    listener.manager.handle(upload, (_payload, requests) => requests)
    const kinds = {
      'a file that does not exist': () => createReadStream(`${here}.absent`),
      'a rejected promise': () => [Promise.reject(new Error('ENOENT'))]
    }
    const given = Object.values(kinds).map((make) => {
      const stream = there.newStream(upload, undefined, { waitForReady: true })
      return stream.sink(make() as Iterable<Uint8Array>)
    })
    for (const sent of given) await assert.rejects(sent, /ENOENT/)
  })
})

describe('the request of an HTTP server that is given up', () => {
  for (const moment of ['before it is read', 'while it is read']) {
    it(`${moment} can still be answered`, async (test) => {
      const servers = new Servers(test)
      const { manager, peer, self } = alone(servers)
      manager.handle(upload, async (_payload, requests) => {
        await requests.next()
        throw new Error('enough')
      })
      await self.waitForConnect()
      const proxy = http.createServer(async (request, response) => {
        const to = moment === 'before it is read' ? peer : self
        const error = await to
          .newStream(upload)
          .sink(request)
          .catch((error) => error)
        response.writeHead(502).end(error.message)
      })
      servers.onEnd(() => proxy.closeAllConnections())
      servers.onEnd(() => proxy.close())
      await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
      const { port } = proxy.address() as { port: number }
      const answer = await new Promise<http.IncomingMessage>((resolve, reject) => {
        const request = http.request({ port, host: '127.0.0.1', method: 'POST' }, resolve).on('error', reject)
        request.write('the first of many')
        servers.onEnd(() => request.destroy())
      })
      assert.equal(answer.statusCode, 502)
      answer.resume()
    })
  }
})

describe('a source of hosts', () => {
  it('that gives no list is released when the manager closes', async (test) => {
    const idle = { 'a Node stream': sources['a Node stream'], 'a web stream': sources['a web stream'] }
    for (const [kind, make] of Object.entries(idle)) {
      const { source, released } = make?.() ?? assert.fail()
      const hosts = source as unknown as AsyncIterable<string[]>
      const manager = new Servers(test).manager({ local: 'http://a.test', hosts })
      await manager.close()
      await until(released, `${kind} is released`)
    }
  })
})
