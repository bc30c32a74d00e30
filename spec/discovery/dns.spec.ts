/** Hosts of a real name server, and what becomes of the list when it fails; a grid that finds its servers by it. */

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { type DnsHostsOptions, dnsHosts } from '../../lib/extras/discovery/index.ts'
import { askInTurn, searchNames } from '../../lib/extras/discovery/resolv-conf.ts'
import { testManager } from '../support/grid/manager.ts'
import { closeManagers } from '../support/grid/nothing-left.ts'
import { TestServer } from '../support/grid/servers.ts'
import { freePort } from '../support/network/free-port.ts'
import { until } from '../support/until.ts'
import { Followed, Lines } from './follow.ts'
import { NameServer, whyNoNamed, zone } from './name-server.ts'

if (whyNoNamed !== false) console.log(`# skipped: ${whyNoNamed}`)

const srv = (target: string, port = 9000) => `_grid._tcp SRV 0 0 ${port} ${target}`
const three = [srv('a'), srv('b'), srv('c.other.test.')]

describe('dnsHosts()', { skip: whyNoNamed }, () => {
  const follow = (server: NameServer, more: Record<string, unknown> = {}) => {
    const options = {
      local: `http://a.${zone}:9000`,
      name: `_grid._tcp.${zone}`,
      type: 'SRV',
      everyMs: 50,
      keepMs: 300
    }
    const own = { resolver: server.resolver(), logger: new Lines() }
    return new Followed(dnsHosts({ ...options, ...own, ...more } as DnsHostsOptions))
  }

  it('follows SRV records: two become three, one that leaves is dropped after keepMs, one that is back was never away', async () => {
    await using server = await NameServer.start(srv('a'), srv('b'))
    const lines = new Lines()
    // A busy machine may take its time, which is no failure here.
    await using followed = follow(server, { logger: lines, resolver: server.resolver(10_000) })
    await followed.has('a.grid.test:9000 b.grid.test:9000')
    await server.set(...three)
    await followed.has('a.grid.test:9000 b.grid.test:9000 c.other.test:9000')
    await using patient = follow(server, { keepMs: 60_000 })
    await patient.has('a.grid.test:9000 b.grid.test:9000 c.other.test:9000')
    await server.set(srv('a'), srv('c.other.test.'))
    await followed.has('a.grid.test:9000 c.other.test:9000')
    await server.set(...three)
    await followed.has('a.grid.test:9000 b.grid.test:9000 c.other.test:9000')
    assert.equal(patient.lists.length, 1)
    assert.deepEqual(lines.loud, [])
  })

  it('keeps the list while the server is frozen, killed, or knows no such name, and goes on when it is back', async () => {
    await using server = await NameServer.start(srv('a'), srv('b'))
    const lines = new Lines()
    await using followed = follow(server, { logger: lines })
    await followed.has('a.grid.test:9000 b.grid.test:9000')
    const told = async (text: RegExp) => {
      await until(() => text.test(lines.loud.at(-1) ?? ''), `it says so: ${lines.loud.at(-1)}`)
      assert.equal(followed.now, 'a.grid.test:9000 b.grid.test:9000')
    }
    const back = () => until(() => lines.all.at(-1)?.endsWith('it answers again') === true, 'it answers again')
    server.signal('SIGSTOP')
    await told(/ETIMEOUT .*; the last list, of 2, stays$/)
    server.signal('SIGCONT')
    await back()
    await server.kill()
    await told(/ECONNREFUSED .*; the last list, of 2, stays$/)
    await server.start()
    await back()
    await server.set('other A 127.0.0.1')
    await told(/names no host any more; the last list, of 2, stays$/)
    await server.set(srv('a'), srv('b'))
    await back()
    assert.equal(followed.lists.length, 1)
  })

  it('takes A and AAAA records with a port and a scheme', async () => {
    await using server = await NameServer.start(
      'nodes A 10.0.0.1',
      'nodes A 10.0.0.2',
      'nodes AAAA fd00::1',
      'nodes AAAA fd00::2'
    )
    const name = `nodes.${zone}`
    await using inFour = follow(server, { local: 'https://10.0.0.1:9', name, type: 'A', port: 9 })
    await using inSix = follow(server, { local: 'https://[fd00::1]:9', name, type: 'AAAA', port: 9 })
    await using other = follow(server, { local: 'https://10.0.0.1', name, type: 'A', port: 80, scheme: 'http' })
    await inFour.has('10.0.0.1:9 10.0.0.2:9')
    assert.ok(inFour.lists[0]?.every((host) => host.startsWith('https://')))
    await inSix.has('[fd00::1]:9 [fd00::2]:9')
    await other.has('10.0.0.1 10.0.0.2 10.0.0.1')
  })

  it('takes an answer of a hundred records, which comes over TCP', async () => {
    const records = Array.from({ length: 100 }, (_, at) => srv(`node-${at}`))
    await using server = await NameServer.start(...records)
    await using followed = follow(server, { local: `http://node-0.${zone}:9000` })
    await until(() => followed.lists.length > 0, 'there is a list')
    assert.equal(followed.lists[0]?.length, 100)
  })

  it('takes no target of a root as a host, and of several ports each', async () => {
    await using server = await NameServer.start('_none._tcp SRV 0 0 0 .', srv('a'), srv('a', 9001))
    await using none = follow(server, { name: `_none._tcp.${zone}` })
    await using several = follow(server)
    await none.has('a.grid.test:9000')
    await several.has('a.grid.test:9000 a.grid.test:9001')
  })

  it('finds the servers of a grid: two are connected, a third joins', async () => {
    const port = await freePort()
    await using server = await NameServer.start('nodes A 127.0.0.1', 'nodes A 127.0.0.2')
    const https: TestServer[] = []
    const start = async (address: string) => {
      const local = `http://${address}:${port}`
      const options = {
        local,
        name: `nodes.${zone}`,
        type: 'A',
        port,
        everyMs: 50,
        resolver: server.resolver()
      } as const
      const grid = testManager({ local, hosts: dnsHosts({ ...options, logger: new Lines() }) })
      https.push(await new TestServer().listen(port, address))
      grid.attach(https.at(-1)?.http as TestServer['http'])
      return grid
    }
    const grids = [await start('127.0.0.1'), await start('127.0.0.2')]
    await Promise.all(grids.map((grid) => grid.ready))
    await Promise.all(grids.map((grid) => grid.waitForPeers()))
    await server.set('nodes A 127.0.0.1', 'nodes A 127.0.0.2', 'nodes A 127.0.0.3')
    grids.push(await start('127.0.0.3'))
    await until(() => grids.every(({ hosts }) => hosts.length === 2), 'each knows the two others')
    await Promise.all(grids.map((grid) => grid.waitForPeers()))
    // The name server dies, and the grid does not care.
    await server.kill()
    await closeManagers(grids)
    await Promise.all(https.map((each) => each.stop()))
  })
})

describe('search domains', () => {
  const names = async (name: string, text: string) => {
    const folder = await mkdtemp(join(tmpdir(), 'it-grid-resolv-'))
    const file = join(folder, 'resolv.conf')
    await writeFile(file, text)
    const found = await searchNames(name, file)
    await rm(folder, { recursive: true })
    return found
  }
  const pod =
    'nameserver 10.0.0.10\nsearch prod.svc.cluster.local svc.cluster.local cluster.local.\noptions timeout:1 ndots:5\n'

  it('complete a name that has fewer dots than ndots, before it is asked for as it is', async () => {
    const domains = ['prod.svc.cluster.local', 'svc.cluster.local', 'cluster.local']
    assert.deepEqual(await names('nodes', pod), [...domains.map((domain) => `nodes.${domain}`), 'nodes'])
    assert.equal((await names('nodes.prod', pod))[1], 'nodes.prod.svc.cluster.local')
  })

  it('come after a name with enough dots, and never after one that ends with a dot', async () => {
    const name = '_grid._tcp.nodes.prod.svc.cluster.local'
    assert.equal((await names(name, pod))[0], name)
    assert.deepEqual(await names('nodes.', pod), ['nodes.'])
  })

  it('are none without that file, and those of its last line', async () => {
    assert.deepEqual(await searchNames('nodes', '/nowhere/resolv.conf'), ['nodes'])
    const text = 'search one.test\n# search no.test\nsearch two.test\n'
    assert.deepEqual(await names('a.b', text), ['a.b', 'a.b.two.test'])
  })

  it('that fail (SERVFAIL) keep no other name from being asked, and count where none has an answer', async () => {
    const failure = (code: string, name: string) => Object.assign(new Error(`${code} ${name}`), { code })
    const asked: string[] = []
    const ask = async (name: string) => {
      asked.push(name)
      if (name === 'good') return ['host']
      if (name === 'nothing') return []
      throw failure(name, name)
    }
    assert.deepEqual(await askInTurn(['nothing', 'ESERVFAIL', 'good', 'never'], ask), ['host'])
    assert.deepEqual(asked.splice(0), ['nothing', 'ESERVFAIL', 'good'])
    await assert.rejects(askInTurn(['ESERVFAIL', 'nothing'], ask), { code: 'ESERVFAIL' })
    await assert.rejects(askInTurn(['ETIMEOUT', 'good'], ask), { code: 'ETIMEOUT' })
    assert.deepEqual(await askInTurn(['nothing', 'nothing'], ask), [])
  })
})
