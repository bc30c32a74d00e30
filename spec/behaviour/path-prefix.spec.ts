/** A host behind a proxy with a path prefix: it keeps its name, whether the proxy takes the prefix off or not. */

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import net, { type Socket } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { connectWS } from '../../lib/index.ts'
import { namesInOrder } from '../support/grid/manager.ts'
import { Servers, TestServer } from '../support/grid/servers.ts'

const prefix = '/node-2'

/** Sends the upgrades below the prefix to a port, with or without it; answers all others with 404. */
async function proxyTo(servers: Servers, port: number, takesOff: boolean): Promise<TestServer> {
  const http = createServer()
  http.on('upgrade', (request, socket: Socket, head) => {
    if (!request.url?.startsWith(`${prefix}/`)) return socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n')
    const url = takesOff ? request.url.slice(prefix.length) : request.url
    const upstream = net.connect(port, '127.0.0.1')
    const headers = request.rawHeaders.map((text, n) => (n % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join('')
    upstream.write(`GET ${url} HTTP/1.1\r\n${headers}\r\n`)
    upstream.write(head)
    for (const [from, to] of [
      [socket, upstream],
      [upstream, socket]
    ] as const)
      from
        .on('error', () => to.destroy())
        .on('close', () => to.destroy())
        .pipe(to)
  })
  return servers.watch(await new TestServer(http).listen())
}

/** Two servers, of which the second is behind a proxy; each asks the other which name and path it was dialed by. */
async function behindProxy(test: TestContext, takesOff: boolean, options: object) {
  const servers = new Servers(test)
  const hosts = namesInOrder()
  const [a, b] = hosts
  const node = await servers.node(b, hosts, options)
  const paths: (string | undefined)[] = []
  node.server.http.prependListener('upgrade', (request) => paths.push(request.url))
  node.manager.handle('who', (_payload, context) => Buffer.from(context.remote.host))
  const proxy = await proxyTo(servers, node.server.port, takesOff)
  const dialer = connectWS({ url: (host, path) => (host === b ? `${proxy.url}${prefix}${path}` : `${host}${path}`) })
  const dialing = servers.manager({ local: a, hosts, dialer })
  dialing.handle('who', (_payload, context) => Buffer.from(context.remote.host))
  const ask = async (manager: typeof dialing, host: string) =>
    String(
      Buffer.from(await manager.connection(host).request('who', undefined, { waitForReady: true, timeout: 10_000 }))
    )
  return { a, b, paths, ask, dialing, listening: node.manager }
}

describe('a host behind a proxy with a path prefix', () => {
  it('is reached by its name when the proxy takes the prefix off, and sees the usual path', async (test) => {
    const { a, b, paths, ask, dialing, listening } = await behindProxy(test, true, {})
    assert.deepEqual([await ask(dialing, b), await ask(listening, a)], [a, b])
    assert.deepEqual(paths, ['/grid/v1'])
  })

  it('is reached by its name when the proxy leaves the prefix, where its manager has that path', async (test) => {
    const { a, b, paths, ask, dialing, listening } = await behindProxy(test, false, { path: `${prefix}/grid/v1` })
    assert.deepEqual([await ask(dialing, b), await ask(listening, a)], [a, b])
    assert.deepEqual(paths, [`${prefix}/grid/v1`])
  })
})
