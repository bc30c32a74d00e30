/** A server that says nothing any more, in virtual time: it is told, and asked again, while the list stays. And times that it says. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EtcdMember } from '../../lib/extras/discovery/etcd-member.ts'
import { HttpClient } from '../../lib/extras/discovery/http.ts'
import { consulHosts, etcdHosts, type HostSource, kubernetesHosts } from '../../lib/extras/discovery/index.ts'
import { type VirtualTime, virtualTime } from '../../lib/extras/testing/index.ts'
import { ConsulServer } from './consul-server.ts'
import { FaultyServer, faults } from './faulty-server.ts'
import { Followed, Lines } from './follow.ts'
import { goneLine, KubernetesServer } from './kubernetes-server.ts'

const common = { local: 'http://a.nodes:9', keepMs: 5000 }
const named = (...names: string[]) => ({ name: 'nodes-1', pods: names.map((hostname) => ({ hostname })) })
const instances = (...names: string[]) => names.map((name) => ({ address: `${name}.nodes`, port: 9 }))

interface Case {
  /** Beside its protocol: what it knows, and whether it has a request that waits for changes. */
  readonly server: FaultyServer
  readonly set: (...names: string[]) => void
  readonly isAsked: () => boolean
  readonly source: (logger: Lines) => HostSource
  /** Until it is told. */
  readonly withinMs: number
}

const cases: Record<string, () => Promise<Case>> = {
  async consulHosts() {
    const server = await ConsulServer.start(...instances('a', 'b'))
    return {
      server,
      set: (...names) => server.set(instances(...names)),
      isAsked: () => server.waiting === 1,
      source: (logger) => consulHosts({ ...common, logger, endpoint: server.url, service: 'grid' }),
      // The query that waits is still answered, after its 30 s.
      withinMs: 72_000
    }
  },
  async kubernetesHosts() {
    const server = await KubernetesServer.start(named('a', 'b'))
    const options = { endpoint: server.url, namespace: 'prod', service: 'nodes', names: 'hostname' } as const
    return {
      server,
      set: (...names) => server.set(named(...names)),
      isAsked: () => server.watching === 1,
      source: (logger) => kubernetesHosts({ ...common, ...options, logger }),
      withinMs: 70_000
    }
  }
}

/** Ms that pass in steps of 100 until it holds; sockets have their turns in between. */
async function passed(time: VirtualTime, limitMs: number, condition: () => boolean): Promise<number> {
  const startMs = time.nowMs
  while (!condition()) {
    assert.ok(time.nowMs - startMs < limitMs, `not within ${limitMs} ms`)
    await time.advance(100)
  }
  return time.nowMs - startMs
}

describe('a frozen server', () => {
  for (const [name, make] of Object.entries(cases)) {
    it(`keeps the list of ${name}, is told in time, and is asked for what changed when it is back`, async () => {
      using time = virtualTime(7)
      const { server, set, isAsked, source, withinMs } = await make()
      await using _ = server
      const lines = new Lines()
      await using followed = new Followed(source(lines))
      await passed(time, 20_000, isAsked)
      server.fault = faults.silence
      const toldMs = await passed(time, 2 * withinMs, () => lines.loud.length > 0)
      assert.ok(toldMs <= withinMs && toldMs > withinMs / 2, `${toldMs} ms`)
      assert.match(lines.loud.join(), /no answer within \d+ ms; the last list, of 2, stays$/)
      await time.advance(600_000)
      // Of the watch, and of the shorter requests that follow.
      assert.deepEqual([followed.now, lines.loud.length], ['a.nodes:9 b.nodes:9', 2])
      server.fault = undefined
      set('a', 'b', 'c')
      await passed(time, 20_000, () => followed.now === 'a.nodes:9 b.nodes:9 c.nodes:9')
      assert.equal(followed.lists.length, 2)
    })
  }

  it('or a function of the options that does not answer, is given up after the time of its request', async () => {
    using time = virtualTime(7)
    await using server = await ConsulServer.start(...instances('a', 'b'))
    const lines = new Lines()
    let asked = 0
    const headers = async () => (++asked === 1 ? await new Promise<never>(() => undefined) : {})
    const options = { ...common, logger: lines, endpoint: server.url, service: 'grid', headers }
    await using followed = new Followed(consulHosts(options))
    await passed(time, 20_000, () => followed.now === 'a.nodes:9 b.nodes:9')
    assert.match(lines.loud[0] ?? '', /no answer within 10000 ms; there is no list yet$/)
  })
})

/** As much of etcd as one server needs: one key, and when its lease was kept alive. */
async function leasingServer(ttlMs: number, onAlive: () => void) {
  const lease = { ID: '7', TTL: String(ttlMs / 1000) }
  const answers: Record<string, object> = {
    '/v3/lease/grant': lease,
    '/v3/lease/keepalive': { result: lease },
    '/v3/kv/range': { header: { revision: '5' } },
    '/v3/kv/put': {},
    '/v3/lease/revoke': {}
  }
  const server = new FaultyServer((_, response, { pathname }) => {
    if (pathname.startsWith('/v3/lease/')) onAlive()
    // A watch has no end.
    if (pathname === '/v3/watch') response.write('{"result":{"created":true}}\n')
    else response.end(JSON.stringify(answers[pathname]))
  })
  await server.listen()
  return server
}

describe('a lease of etcd', () => {
  it('that is kept alive by a member that hangs is kept by the next one in time', async () => {
    using time = virtualTime(7)
    const ttlMs = 10_000
    let [aliveMs, longestMs] = [time.nowMs, 0]
    const onAlive = () => {
      longestMs = Math.max(longestMs, time.nowMs - aliveMs)
      aliveMs = time.nowMs
    }
    await using first = await leasingServer(ttlMs, onAlive)
    await using next = await leasingServer(ttlMs, onAlive)
    const endpoints = [first.url, next.url]
    const options = { ...common, logger: new Lines(), endpoints, prefix: '/grid', ttlMs }
    await using followed = new Followed(etcdHosts(options))
    await passed(time, 20_000, () => followed.lists.length > 0 && longestMs > 0)
    first.fault = faults.silence
    await passed(time, 20_000, () => next.asked.includes('/v3/watch'))
    await time.advance(ttlMs)
    assert.ok(longestMs > ttlMs / 2 && longestMs < 0.8 * ttlMs, `${longestMs} ms`)
    assert.ok(!next.asked.includes('/v3/lease/grant'), 'it is the same lease')
  })

  for (const [granted, ttlMs] of [
    ['7', 7000],
    ['99999999999', 2 ** 31 - 1],
    ['-5', 3000],
    ['soon', 3000],
    [undefined, 3000]
  ] as const) {
    it(`that is granted for ${granted} s lasts ${ttlMs} ms, which a timer can count`, async () => {
      await using server = new FaultyServer((_, response) => response.end(JSON.stringify({ ID: '1', TTL: granted })))
      await server.listen()
      const client = new HttpClient({}, new AbortController().signal)
      assert.deepEqual(await new EtcdMember(client, server.url, 5000).grant(3000), { id: '1', ttlMs })
      client.close()
    })
  }
})

describe('a watch of Kubernetes', () => {
  for (const [what, fault] of [
    ['is too old', faults.status(410)],
    ['tells that it is too old', faults.status(200, goneLine)],
    ['ends', faults.status(200)]
  ] as const) {
    it(`that ${what} at once, again and again, is asked for less and less often`, async () => {
      using time = virtualTime(7)
      await using server = await KubernetesServer.start(named('a', 'b'))
      server.fault = (request, response, url) =>
        (url.searchParams.has('watch') ? fault : server.answer)(request, response, url)
      const options = { endpoint: server.url, namespace: 'prod', service: 'nodes', names: 'hostname' } as const
      await using followed = new Followed(kubernetesHosts({ ...common, ...options, logger: new Lines() }))
      await passed(time, 20_000, () => server.asked.length > 6)
      const before = server.asked.length
      const startMs = time.nowMs
      await passed(time, 61_000, () => time.nowMs - startMs >= 60_000)
      const asked = server.asked.length - before
      assert.ok(asked > 8 && asked < 45, `${asked} in a minute`)
      server.fault = undefined
      server.set(named('a', 'b', 'c'))
      await passed(time, 20_000, () => followed.now === 'a.nodes:9 b.nodes:9 c.nodes:9')
    })
  }
})
