/** Hosts of Consul, asked at a server that speaks its protocol, faults included. */

import assert from 'node:assert/strict'
import { createServer } from 'node:https'
import { describe, it } from 'node:test'
import { type ConsulHostsOptions, consulHosts } from '../../lib/extras/discovery/index.ts'
import { makeAuthority } from '../support/network/certificates.ts'
import { until } from '../support/until.ts'
import { ConsulServer, type Instance } from './consul-server.ts'
import { faults } from './faulty-server.ts'
import { Followed, Lines } from './follow.ts'

const a: Instance = { address: '10.0.0.1', port: 9 }
const b: Instance = { address: '10.0.0.2', port: 9 }
const c: Instance = { address: '10.0.0.3', port: 9 }

const follow = (server: ConsulServer, more: Partial<ConsulHostsOptions> = {}) => {
  const options = {
    local: 'http://10.0.0.1:9',
    endpoint: server.url,
    service: 'grid',
    keepMs: 100,
    logger: new Lines()
  }
  return new Followed(consulHosts({ ...options, ...more }))
}

// They wait most of their time.
describe('consulHosts()', { concurrency: 4 }, () => {
  it('waits for changes by blocking queries: two become three, and one that leaves is dropped after keepMs', async () => {
    await using server = await ConsulServer.start(a, b)
    await using followed = follow(server)
    await followed.has('10.0.0.1:9 10.0.0.2:9')
    await until(() => server.waiting === 1, 'a query waits')
    server.set([a, b, c])
    await followed.has('10.0.0.1:9 10.0.0.2:9 10.0.0.3:9')
    await until(() => server.waiting === 1, 'the next query waits')
    server.set([a, c])
    await followed.has('10.0.0.1:9 10.0.0.3:9')
    assert.deepEqual(server.asked.slice(0, 2), ['/v1/health/service/grid', '/v1/health/service/grid?index=10&wait=30s'])
  })

  it('leaves out what is critical, and takes warnings, addresses of services, IPv6 and the port of each', async () => {
    const instances = [
      { ...a, status: 'warning' },
      { ...b, status: 'critical' },
      { ...c, serviceAddress: 'node-3.example' },
      { address: 'fd00::1', port: 7 }
    ]
    await using server = await ConsulServer.start(...instances)
    await using followed = follow(server)
    await followed.has('10.0.0.1:9 [fd00::1]:7 node-3.example:9')
  })

  it('begins anew when the index goes backwards, so that it does not miss what comes then', async () => {
    await using server = await ConsulServer.start(a, b)
    await using followed = follow(server)
    await until(() => server.waiting === 1, 'a query waits')
    // A snapshot was restored: its index is small, and grows from there.
    server.set([a, b], 3)
    await until(() => server.waiting === 1 && server.asked.at(-1)?.includes('index=3') === true, 'it waits from there')
    server.set([a, b, c])
    await followed.has('10.0.0.1:9 10.0.0.2:9 10.0.0.3:9')
    assert.equal(server.asked[2], '/v1/health/service/grid', 'the index is reset')
  })

  it('waits from 1 when the index is 0, and does not ask without a pause', async () => {
    await using server = await ConsulServer.start(a)
    server.index = 0
    await using followed = follow(server)
    await until(() => server.waiting === 1, 'a query waits')
    assert.deepEqual(server.asked.slice(1), ['/v1/health/service/grid?index=1&wait=30s'])
    assert.equal(followed.now, '10.0.0.1:9')
  })

  it('asks at most every 200 ms when the server does not block', async () => {
    await using server = await ConsulServer.start(a, b)
    let asked = 0
    server.fault = (_, response) => {
      asked += 1
      response.setHeader('x-consul-index', 10 + asked).end('[]')
    }
    await using followed = follow(server)
    const startedMs = performance.now()
    await until(() => asked === 4, 'it is asked four times')
    assert.ok(performance.now() - startedMs > 590)
    assert.equal(followed.now, '10.0.0.1:9')
  })

  const broken = [
    ['500', faults.status(500, 'No cluster leader'), /answers 500: No cluster leader/],
    ['403', faults.status(403, 'ACL not found'), /answers 403: ACL not found/],
    ['a redirect', faults.redirect, /answers 302/],
    ['garbage', faults.garbage, /not JSON/],
    ['an empty answer', faults.empty, /not JSON/],
    ['half an answer', faults.cut, /aborted/],
    ['JSON of something else', faults.status(200, '{"hello": 1}'), /without X-Consul-Index/],
    ['no index', faults.status(200, '[{"Service": {"Address": "10.0.0.1", "Port": 9}}]'), /without X-Consul-Index/],
    ['an endless answer', faults.endless, /more than 16777216 bytes/]
  ] as const
  for (const [what, fault, text] of broken) {
    it(`waits through ${what} when it comes first, keeps the list when it comes later, and goes on`, async () => {
      await using server = await ConsulServer.start(a, b)
      const lines = new Lines()
      const failures = () => lines.loud.filter((line) => text.test(line))
      server.fault = fault
      await using followed = follow(server, { logger: lines })
      await until(() => failures().length === 1, `it says so: ${lines.loud}`)
      server.fault = undefined
      await followed.has('10.0.0.1:9 10.0.0.2:9')
      await until(() => server.waiting === 1, 'a query waits')
      server.fault = fault
      server.answerAll()
      await until(() => failures().length === 2, `it says so again: ${lines.loud}`)
      assert.match(lines.loud.at(-1) ?? '', /; the last list, of 2, stays$/)
      server.fault = undefined
      server.set([a, b, c])
      await followed.has('10.0.0.1:9 10.0.0.2:9 10.0.0.3:9')
      assert.equal(followed.lists.length, 2)
    })
  }

  it('makes up no host of an instance without an address, or without a port', async () => {
    await using server = await ConsulServer.start(a)
    const lines = new Lines()
    const partial = [
      { Service: { Port: 9 } },
      { Node: { Address: null }, Service: { Port: 9 } },
      { Service: { Address: 'b' } }
    ]
    server.fault = (_, response) =>
      void response
        .setHeader('x-consul-index', 10)
        .end(JSON.stringify([{ Service: { Address: '10.0.0.1', Port: 9 } }, ...partial]))
    await using followed = follow(server, { logger: lines })
    await followed.has('10.0.0.1:9')
    assert.match(lines.loud.join(), /3 of its names are refused: an entry without an address; .*"b" has no port/)
  })

  it('says so when its token may not see all instances, and takes an answer without any for none', async () => {
    await using server = await ConsulServer.start(a, b)
    const lines = new Lines()
    let visible: unknown[] = []
    server.fault = (_, response) =>
      void response
        .setHeader('x-consul-index', 10)
        .setHeader('x-consul-results-filtered-by-acls', 'true')
        .end(JSON.stringify(visible))
    await using followed = follow(server, { logger: lines })
    const hidden = 'the token may not see all of them: it needs service:read, and node:read of their nodes'
    await until(() => lines.loud.length > 0, 'it says so')
    assert.ok(lines.loud[0]?.endsWith(`${hidden}; there is no list yet`), lines.loud[0])
    assert.deepEqual(followed.lists, [])
    visible = [{ Service: { Address: '10.0.0.1', Port: 9 } }, { Service: { Address: '10.0.0.2', Port: 9 } }]
    await followed.has('10.0.0.1:9 10.0.0.2:9')
    assert.ok(lines.loud.at(-1)?.endsWith(`1 of its names is refused: ${hidden}`), lines.loud.at(-1))
  })

  it('keeps the list through an answer without instances', async () => {
    await using server = await ConsulServer.start(a, b)
    const lines = new Lines()
    await using followed = follow(server, { logger: lines })
    await until(() => server.waiting === 1, 'a query waits')
    server.set([])
    await until(() => lines.loud.length > 0, 'it says so')
    assert.match(lines.loud.join(), /names no host any more; the last list, of 2, stays$/)
    assert.equal(followed.now, '10.0.0.1:9 10.0.0.2:9')
  })

  it('asks for its headers before each request, so that a token can change; and sends the rest of the query', async () => {
    await using server = await ConsulServer.start(a, b)
    let token = 0
    const headers = async () => ({ 'x-consul-token': `token-${++token}` })
    await using followed = follow(server, {
      headers,
      query: { dc: 'west', stale: '' },
      endpoint: `${server.url}/consul/`
    })
    await until(() => server.waiting === 1, 'a query waits')
    server.set([a, b, c])
    await followed.has('10.0.0.1:9 10.0.0.2:9 10.0.0.3:9')
    assert.deepEqual(server.tokens.slice(0, 2), ['token-1', 'token-2'])
    assert.equal(server.asked[1], '/consul/v1/health/service/grid?dc=west&stale=&index=10&wait=30s')
  })

  it('makes a request again that met a conn which the server had just closed, without a word', async () => {
    await using server = await ConsulServer.start(a, b)
    const lines = new Lines()
    await using followed = follow(server, { logger: lines })
    await until(() => server.waiting === 1, 'a query waits')
    const used = new WeakSet()
    let refused = 0
    server.fault = (request, response, url) => {
      const { socket } = request
      if (used.has(socket)) {
        refused += 1
        socket.destroy()
        return
      }
      used.add(socket)
      server.answer(request, response, url)
    }
    // Its answer leaves an idle conn, which the next query takes.
    server.set([a, b])
    await until(() => server.waiting === 1, 'the next query waits')
    server.set([a, b, c])
    await followed.has('10.0.0.1:9 10.0.0.2:9 10.0.0.3:9')
    await until(() => refused > 0 && server.waiting === 1, 'one was refused and made again')
    assert.deepEqual(lines.loud, [])
  })

  it('proves itself by a certificate that is asked for at each request, and trusts no other authority', async () => {
    const [ca, other] = [await makeAuthority('ours'), await makeAuthority('another')]
    const [mine, its] = [await ca.issue(['node-1']), await ca.issue(['localhost'])]
    const options = { cert: its.cert, key: its.key, ca: ca.cert, requestCert: true, rejectUnauthorized: true }
    await using server = await new ConsulServer((listener) => createServer(options, listener)).listenWith(a, b)
    const endpoint = `https://localhost:${server.port}`
    let asked = 0
    const tls = () => ({ ca: ca.cert, cert: mine.cert, key: mine.key, marker: asked++ })
    await using good = follow(server, { endpoint, tls })
    await good.has('10.0.0.1:9 10.0.0.2:9')
    await until(() => server.waiting === 1, 'a query waits')
    assert.equal(asked, 2)
    const lines = new Lines()
    await using wary = follow(server, { endpoint, tls: { ...tls(), ca: other.cert }, logger: lines })
    await until(() => lines.loud.length > 0, 'it says so')
    assert.match(lines.loud.join(), /certificate.*; there is no list yet$/)
    assert.deepEqual(wary.lists, [])
  })

  it('ends at once while a function of its options does not answer', async () => {
    await using server = await ConsulServer.start(a, b)
    let asked = 0
    const followed = follow(server, {
      headers: () => {
        asked += 1
        return new Promise(() => undefined)
      }
    })
    await until(() => asked === 1, 'it is asked')
    await followed.end()
    assert.equal(followed.isOver, true)
  })

  it('takes what a function of its options throws for a failure, and asks it again', async () => {
    await using server = await ConsulServer.start(a, b)
    const lines = new Lines()
    let asked = 0
    const headers = () => {
      if (asked++ === 0) throw new Error('no token yet')
      return {}
    }
    await using followed = follow(server, { headers, logger: lines })
    await followed.has('10.0.0.1:9 10.0.0.2:9')
    assert.match(lines.loud.join(), /no token yet; there is no list yet$/)
  })

  it('ends at once, and leaves no socket, while a query waits', async () => {
    await using server = await ConsulServer.start(a, b)
    const followed = follow(server)
    await until(() => server.waiting === 1, 'a query waits')
    await followed.end()
    await until(() => server.waiting === 0, 'the server sees it leave')
    assert.equal(followed.isOver, true)
  })
})
