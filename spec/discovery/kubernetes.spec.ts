/** Hosts of Kubernetes, asked at a server that speaks its API, faults included. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { type KubernetesHostsOptions, kubernetesHosts } from '../../lib/extras/discovery/index.ts'
import { InvalidOptionError } from '../../lib/index.ts'
import { selfSigned } from '../support/network/certificates.ts'
import { until } from '../support/until.ts'
import { faults } from './faulty-server.ts'
import { Followed, Lines } from './follow.ts'
import { goneLine, KubernetesServer, type Slice } from './kubernetes-server.ts'

const path = '/apis/discovery.k8s.io/v1/namespaces/prod/endpointslices'
const named = (...hostnames: string[]): Slice => ({
  name: 'nodes-1',
  pods: hostnames.map((hostname) => ({ hostname }))
})

type Options = { [Name in keyof KubernetesHostsOptions]?: KubernetesHostsOptions[Name] | undefined }

const follow = (server: KubernetesServer, more: Options = {}) => {
  const options = {
    ...{ local: 'http://a.nodes:9', endpoint: server.url, namespace: 'prod', service: 'nodes', keepMs: 100 },
    ...{ names: 'hostname', logger: new Lines() }
  } as const
  return new Followed(kubernetesHosts({ ...options, ...more } as KubernetesHostsOptions))
}

const watching = (server: KubernetesServer) => until(() => server.watching === 1, 'it watches')
/** How many of the requests were lists. */
const lists = (server: KubernetesServer) => server.asked.filter((url) => !url.includes('watch=1')).length

// They wait most of their time.
describe('kubernetesHosts()', { concurrency: 4 }, () => {
  it('lists and watches: two become three, one that leaves is dropped after keepMs', async () => {
    await using server = await KubernetesServer.start(named('a', 'b'))
    await using followed = follow(server)
    await watching(server)
    assert.equal(followed.now, 'a.nodes:9 b.nodes:9')
    server.set(named('a', 'b', 'c'))
    await followed.has('a.nodes:9 b.nodes:9 c.nodes:9')
    server.set(named('a', 'c'))
    await followed.has('a.nodes:9 c.nodes:9')
    const selector = 'labelSelector=kubernetes.io%2Fservice-name%3Dnodes'
    assert.deepEqual(server.asked, [
      `${path}?${selector}`,
      `${path}?${selector}&watch=1&allowWatchBookmarks=true&timeoutSeconds=60&resourceVersion=101`
    ])
  })

  it('adds up all slices, and takes those that are deleted out', async () => {
    await using server = await KubernetesServer.start(named('a', 'b'), { ...named('b', 'c'), name: 'nodes-2' })
    await using followed = follow(server)
    await followed.has('a.nodes:9 b.nodes:9 c.nodes:9')
    await watching(server)
    server.delete('nodes-2')
    await followed.has('a.nodes:9 b.nodes:9')
  })

  it('keeps the list when all slices are deleted', async () => {
    await using server = await KubernetesServer.start(named('a', 'b'))
    const lines = new Lines()
    await using followed = follow(server, { logger: lines })
    await watching(server)
    server.delete('nodes-1')
    await until(() => lines.loud.length > 0, 'it says so')
    assert.match(lines.loud.join(), /names no host any more; the last list, of 2, stays$/)
    server.set(named('a', 'b', 'c'))
    await followed.has('a.nodes:9 b.nodes:9 c.nodes:9')
  })

  it('goes on at its last version when the server ends a watch, also one of a bookmark, without a new list', async () => {
    await using server = await KubernetesServer.start(named('a', 'b'))
    const lines = new Lines()
    await using followed = follow(server, { logger: lines })
    await watching(server)
    server.bookmark()
    // What is older than the bookmark is forgotten.
    server.oldest = server.version
    server.tell('\n')
    server.endWatches()
    server.set(named('a', 'b', 'c'))
    await followed.has('a.nodes:9 b.nodes:9 c.nodes:9')
    assert.match(server.asked.at(-1) ?? '', /resourceVersion=151$/)
    assert.deepEqual([lists(server), lines.loud], [1, []])
  })

  for (const [how, expire] of [
    ['a status', (server: KubernetesServer) => server.endWatches()],
    ['an event', (server: KubernetesServer) => server.tell(goneLine)]
  ] as const) {
    it(`begins with a new list after 410, told by ${how}, without a warning`, async () => {
      await using server = await KubernetesServer.start(named('a', 'b'))
      const lines = new Lines()
      await using followed = follow(server, { logger: lines })
      await watching(server)
      server.oldest = server.version + 1
      expire(server)
      server.set(named('a', 'b', 'c'))
      await followed.has('a.nodes:9 b.nodes:9 c.nodes:9')
      assert.deepEqual([lists(server), lines.loud], [2, []])
    })
  }

  for (const what of ['conn', 'answer'] as const) {
    it(`begins with a new list when a watch is cut in the middle of a line, by the end of its ${what}`, async () => {
      await using server = await KubernetesServer.start(named('a', 'b'))
      await using followed = follow(server)
      await watching(server)
      server.cutInLine(what)
      server.set(named('a', 'b', 'c'))
      await followed.has('a.nodes:9 b.nodes:9 c.nodes:9')
      assert.equal(lists(server), 2)
      assert.equal(followed.lists.length, 2)
    })
  }

  it('takes lines that come in pieces, and several in one', async () => {
    await using server = await KubernetesServer.start(named('a', 'b'))
    await using followed = follow(server)
    await watching(server)
    const object = {
      metadata: { name: 'ünï', resourceVersion: '7' },
      ports: [{ port: 9 }],
      endpoints: [{ hostname: 'c' }]
    }
    const line = Buffer.from(`${JSON.stringify({ type: 'ADDED', object })}\r\n`)
    for (const byte of line) server.tell(Uint8Array.of(byte))
    await until(() => followed.now !== 'a.nodes:9 b.nodes:9', 'it is taken')
    assert.equal(followed.now, 'a.nodes:9 b.nodes:9 c.nodes:9')
  })

  for (const [what, text, warning] of [
    ['a line that is no JSON', '<html>\n', /a line that is not JSON/],
    ['an event of nothing', 'null\n', /without a resourceVersion/],
    ['an error', '{"type":"ERROR","object":{"code":500,"message":"etcd is away"}}\n', /the watch failed: etcd is away/],
    ['a line without end', 'x'.repeat(5_000_000), /a line of more than 4194304 bytes/]
  ] as const) {
    it(`keeps the list and begins anew after ${what}`, async () => {
      await using server = await KubernetesServer.start(named('a', 'b'))
      const lines = new Lines()
      await using followed = follow(server, { logger: lines })
      await watching(server)
      server.tell(text)
      await until(() => lines.loud.length > 0, 'it says so')
      assert.match(lines.loud.join(), warning)
      assert.match(lines.loud.join(), /the last list, of 2, stays$/)
      server.set(named('a', 'b', 'c'))
      await followed.has('a.nodes:9 b.nodes:9 c.nodes:9')
    })
  }

  const forbidden = '{"message":"endpointslices.discovery.k8s.io is forbidden: User \\"x\\" cannot list resource"}'
  for (const [what, fault, text] of [
    ['500', faults.status(500), /answers 500/],
    ['403', faults.status(403, forbidden), /answers 403: .*cannot list resource/],
    ['401', faults.status(401, 'Unauthorized'), /answers 401: Unauthorized/],
    ['garbage', faults.garbage, /not JSON/],
    ['another JSON', faults.status(200, '[]'), /without items/],
    ['half an answer', faults.cut, /aborted/],
    ['an endless answer', faults.endless, /more than 16777216 bytes/]
  ] as const) {
    it(`waits through ${what} when it comes first, and keeps the list when it comes later`, async () => {
      await using server = await KubernetesServer.start(named('a', 'b'))
      const lines = new Lines()
      const failures = () => lines.loud.filter((line) => text.test(line))
      server.fault = fault
      await using followed = follow(server, { logger: lines })
      await until(() => failures().length === 1, `it says so: ${lines.loud}`)
      server.fault = undefined
      await watching(server)
      server.fault = fault
      // So that the next request is a list.
      server.tell(goneLine)
      await until(() => failures().length === 2, `it says so again: ${lines.loud}`)
      assert.match(lines.loud.at(-1) ?? '', /the last list, of 2, stays$/)
      server.fault = undefined
      server.set(named('a', 'b', 'c'))
      await followed.has('a.nodes:9 b.nodes:9 c.nodes:9')
    })
  }

  it('names all hosts by their whole name when this server has its own one', async () => {
    await using server = await KubernetesServer.start(named('a', 'b'))
    const lines = new Lines()
    await using followed = follow(server, { local: 'https://a.nodes.prod.svc.cluster.local:9', logger: lines })
    await followed.has('a.nodes.prod.svc.cluster.local:9 b.nodes.prod.svc.cluster.local:9')
    assert.deepEqual(lines.loud, [])
  })

  it('names hosts by address where told to, those of the family of this server only', async () => {
    const [four, six] = [
      { name: 'n-4', addressType: 'IPv4', pods: [{ address: '10.0.0.1' }, { address: '10.0.0.2' }] },
      { name: 'n-6', addressType: 'IPv6', pods: [{ address: 'fd00::1' }, { address: 'fd00::2' }] }
    ]
    await using server = await KubernetesServer.start(four, six)
    await using inFour = follow(server, { names: 'address', local: 'https://10.0.0.1:9' })
    await using inSix = follow(server, { names: 'address', local: 'http://[fd00::1]:9' })
    await inFour.has('10.0.0.1:9 10.0.0.2:9')
    assert.ok(inFour.lists[0]?.includes('https://10.0.0.2:9'))
    await inSix.has('[fd00::1]:9 [fd00::2]:9')
  })

  it('makes up no host of an endpoint without an address, nor of a port without a number', async () => {
    await using server = await KubernetesServer.start(named('a'))
    const lines = new Lines()
    const slice = (name: string, addresses: unknown, port: unknown) => ({
      ...{
        metadata: { name, resourceVersion: '1' },
        addressType: 'IPv4',
        ports: [{ port }],
        endpoints: [{ addresses }]
      }
    })
    const items = [
      slice('n-1', ['10.0.0.1'], 9),
      slice('n-2', [], 9),
      slice('n-3', null, 9),
      slice('n-4', ['10.0.0.4'], null)
    ]
    server.fault = (_, response, { searchParams }) =>
      void (searchParams.has('watch') || response.end(JSON.stringify({ metadata: { resourceVersion: '1' }, items })))
    await using followed = follow(server, { names: 'address', local: 'http://10.0.0.1:9', logger: lines })
    await followed.has('10.0.0.1:9')
    assert.match(
      lines.loud.join(),
      /3 of its names are refused: an entry without an address; .*"10\.0\.0\.4" has no port/
    )
  })

  it('needs to be told which port when there are several, and says so', async () => {
    const ports = [
      { name: 'grid', port: 9 },
      { name: 'metrics', port: 10 }
    ]
    await using server = await KubernetesServer.start({ ...named('a', 'b'), ports })
    const lines = new Lines()
    await using without = follow(server, { logger: lines })
    await using wrong = follow(server, { logger: lines, portName: 'http' })
    await using right = follow(server, { portName: 'metrics', local: 'http://a.nodes:10' })
    await right.has('a.nodes:10 b.nodes:10')
    await until(() => lines.loud.length === 2, 'both say so')
    assert.match(lines.loud.sort().join('\n'), /portName is needed: the service has the ports "grid", "metrics"/)
    assert.match(lines.loud.join('\n'), /the service has no port "http"; it has "grid", "metrics"/)
    assert.deepEqual([without.lists, wrong.lists], [[], []])
  })

  it('takes the pods that have the port, while others do not have it yet, are twice there, or have a second address', async () => {
    await using server = await KubernetesServer.start(named('a', 'b'))
    const lines = new Lines()
    await using followed = follow(server, { logger: lines, portName: 'grid' })
    await followed.has('a.nodes:9 b.nodes:9')
    server.set({ name: 'n-2', pods: [{ hostname: 'c' }], ports: [] })
    server.set({ name: 'n-3', pods: [{ hostname: 'b' }, { hostname: 'd' }] })
    server.set({ name: 'n-4', pods: [{ hostname: 'a', address: 'fd00::1' }], addressType: 'IPv6' })
    await followed.has('a.nodes:9 b.nodes:9 d.nodes:9')
    assert.match(lines.loud.join(), /1 of its names is refused: the service has no port, or these pods do not have it/)
    server.set({ name: 'n-2', pods: [{ hostname: 'c' }] })
    await followed.has('a.nodes:9 b.nodes:9 c.nodes:9 d.nodes:9')
  })

  it('refuses pods without a host name one by one, and says what they lack', async () => {
    await using server = await KubernetesServer.start({ name: 'n', pods: [{ hostname: 'a' }, { address: '10.0.0.2' }] })
    const lines = new Lines()
    await using followed = follow(server, { logger: lines })
    await followed.has('a.nodes:9')
    assert.match(lines.loud.join(), /1 of its names is refused: .*10\.0\.0\.2.* no hostname/)
  })

  it('speaks TLS by the account of the pod, and reads its token anew for each request', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'it-grid-account-'))
    const { cert, key } = await selfSigned(['localhost'])
    const server = new KubernetesServer((listener) => createServer({ cert, key }, listener))
    server.set(named('a', 'b'))
    await server.listen()
    await using _ = server
    await writeFile(join(folder, 'ca.crt'), cert)
    await writeFile(join(folder, 'token'), 'first\n')
    await writeFile(join(folder, 'namespace'), 'prod')
    const endpoint = `https://localhost:${server.port}`
    const followed = follow(server, { endpoint, account: folder, namespace: undefined })
    await watching(server)
    await writeFile(join(folder, 'token'), 'second\n')
    server.endWatches()
    await watching(server)
    await followed.end()
    assert.deepEqual(server.tokens, ['Bearer first', 'Bearer first', 'Bearer second'])
    assert.ok(server.asked[0]?.startsWith(`${path}?`))
    await rm(folder, { recursive: true })
  })

  it('ends at once while a file of its account hangs, as on a network drive', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'it-grid-account-'))
    const pipe = join(folder, 'namespace')
    // Opening it waits for its writer.
    assert.equal(spawnSync('mkfifo', [pipe]).status, 0)
    await using server = await KubernetesServer.start(named('a'))
    const followed = follow(server, { account: folder, namespace: undefined })
    await followed.end()
    assert.equal(followed.isOver, true)
    await writeFile(pipe, 'prod')
    await rm(folder, { recursive: true })
  })

  it('finds the API server of its cluster, and says at once when there is none', () => {
    const options = { local: 'http://a.nodes:9', service: 'nodes', names: 'hostname' } as const
    assert.throws(
      () => kubernetesHosts(options),
      (error) => InvalidOptionError.is(error) && /no pod/.test(error.message)
    )
    process.env.KUBERNETES_SERVICE_HOST = 'fd00::1'
    try {
      kubernetesHosts(options)
    } finally {
      delete process.env.KUBERNETES_SERVICE_HOST
    }
  })

  it('ends at once, and leaves no socket, while it watches', async () => {
    await using server = await KubernetesServer.start(named('a', 'b'))
    const followed = follow(server)
    await watching(server)
    await followed.end()
    assert.equal(followed.isOver, true)
    await until(() => server.watching === 0, 'the server sees it leave')
  })
})
