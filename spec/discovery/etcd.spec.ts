/** Hosts of a real etcd: servers that register themselves there, and what becomes of their lists when it fails. */

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, beforeEach, describe, it } from 'node:test'
import { type EtcdHostsOptions, etcdHosts } from '../../lib/extras/discovery/index.ts'
import { freePort } from '../support/network/free-port.ts'
import { until } from '../support/until.ts'
import { Etcd, whyNoEtcd } from './etcd-server.ts'
import { Followed, Lines } from './follow.ts'

if (whyNoEtcd !== false) console.log(`# skipped: ${whyNoEtcd}`)

describe('etcdHosts()', { skip: whyNoEtcd }, () => {
  let etcd: Etcd
  let prefix = ''
  let specs = 0
  before(async () => {
    etcd = await Etcd.start()
  })
  after(() => etcd[Symbol.asyncDispose]())
  beforeEach(() => {
    prefix = `/grid-${++specs}`
  })

  const follow = (name: string, more: Partial<EtcdHostsOptions> = {}) => {
    const options = { endpoints: [etcd.url], prefix, ttlMs: 1000, keepMs: 100, logger: new Lines() }
    return new Followed(etcdHosts({ local: `http://${name}:1`, ...options, ...more }))
  }

  it('registers each server under a lease: two become three, and each leaves at once when it ends', async () => {
    // No lease runs out meanwhile: this is of those that are given back.
    const ttlMs = 60_000
    await using a = follow('a', { ttlMs })
    await using b = follow('b', { ttlMs })
    await Promise.all([a.has('a:1 b:1'), b.has('a:1 b:1')])
    const c = follow('c', { ttlMs })
    await Promise.all([a, b, c].map((each) => each.has('a:1 b:1 c:1')))
    assert.deepEqual(await etcd.keys(prefix), [`${prefix}/http://a:1`, `${prefix}/http://b:1`, `${prefix}/http://c:1`])
    await c.end()
    assert.deepEqual(await etcd.keys(prefix), [`${prefix}/http://a:1`, `${prefix}/http://b:1`])
    assert.equal((await etcd.leases()).length, 2)
    await Promise.all([a.has('a:1 b:1'), b.has('a:1 b:1')])
  })

  it('drops a server that died after its lease and keepMs, and not one that is back within them', async () => {
    await using a = follow('a', { keepMs: 1500 })
    // Such as those of servers that were killed.
    await etcd.put(`${prefix}/http://b:1`)
    await etcd.put(`${prefix}/http://c:1`)
    await a.has('a:1 b:1 c:1')
    await etcd.delete(`${prefix}/http://b:1`)
    await etcd.delete(`${prefix}/http://c:1`)
    await etcd.put(`${prefix}/http://c:1`)
    const before = a.lists.length
    await a.has('a:1 c:1', 10_000)
    assert.equal(a.lists.length, before + 1)
  })

  it('keeps its list while etcd is frozen, and registers again when it is back', async () => {
    const lines = new Lines()
    await using a = follow('a', { logger: lines })
    await etcd.put(`${prefix}/http://b:1`)
    await a.has('a:1 b:1')
    etcd.signal('SIGSTOP')
    await until(() => lines.loud.length > 0, 'it says so')
    assert.match(lines.loud.join(), /no answer within 333 ms; the last list, of 2, stays$/)
    etcd.signal('SIGCONT')
    await etcd.put(`${prefix}/http://c:1`)
    await a.has('a:1 b:1 c:1')
    assert.equal(a.lists.length, 2)
    await until(async () => (await etcd.keys(`${prefix}/http://a`)).length === 1, 'it is registered')
  })

  it('keeps its list while etcd is killed and starts again, and registers again', async () => {
    const lines = new Lines()
    await using a = follow('a', { logger: lines })
    await etcd.put(`${prefix}/http://b:1`)
    await a.has('a:1 b:1')
    await etcd.kill()
    await until(() => lines.loud.length > 0, 'it says so')
    assert.match(lines.loud.join(), /the last list, of 2, stays$/)
    await etcd.start()
    await etcd.put(`${prefix}/http://c:1`)
    await a.has('a:1 b:1 c:1')
    assert.equal(a.lists.length, 2)
  })

  it('registers again when its lease is lost, or when its key is deleted', async () => {
    await using a = follow('a')
    await until(async () => (await etcd.keys(prefix)).length === 1, 'it is registered')
    const [lease = ''] = await etcd.leases()
    await etcd.revoke(lease)
    await until(async () => (await etcd.keys(prefix)).length === 1, 'it is registered by another lease')
    assert.notDeepEqual(await etcd.leases(), [lease])
    await etcd.delete(`${prefix}/http://a:1`)
    await until(async () => (await etcd.keys(prefix)).length === 1, 'it is registered once more')
    assert.deepEqual(a.lists, [['http://a:1']])
  })

  it('goes on with a list when the revisions it would watch from are forgotten', async () => {
    const lines = new Lines()
    await using a = follow('a', { logger: lines })
    await a.has('a:1')
    etcd.signal('SIGSTOP')
    await until(() => lines.loud.length > 0, 'it says so')
    etcd.signal('SIGCONT')
    await etcd.put(`${prefix}/http://b:1`)
    await etcd.compact()
    await a.has('a:1 b:1')
    await etcd.put(`${prefix}/http://c:1`)
    await a.has('a:1 b:1 c:1')
  })

  it('asks the next endpoint when one fails: nobody listens, it never answers, it is no etcd', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1')
    const other = createServer((_, response) => response.end('<html>')).listen(0, '127.0.0.1')
    const urlOf = (server: typeof silent) => `http://127.0.0.1:${Object(server.address()).port}`
    await until(() => silent.listening && other.listening, 'they listen')
    const endpoints = [urlOf(silent), `http://127.0.0.1:${await freePort()}`, urlOf(other), etcd.url]
    const lines = new Lines()
    await using a = follow('a', { endpoints, logger: lines })
    await a.has('a:1')
    assert.match(lines.loud.join(), /there is no list yet/)
    for (const server of [silent, other]) server.close().closeAllConnections()
  })

  it('takes only its own prefix, and refuses keys that are no hosts one by one', async () => {
    const lines = new Lines()
    const keys = ['0/http://x:1', '', '/', '/nothing', '/http://0.0.0.0:1', '/HTTP://B:80']
    for (const key of keys) await etcd.put(prefix + key)
    await using a = follow('a', { logger: lines, prefix: `${prefix}/` })
    await a.has('a:1 b')
    assert.match(lines.loud.join(), /^warn etcdHosts\(.*\): 3 of its names are refused: /)
  })

  it('ends at once, and leaves no socket, while etcd is frozen', async () => {
    const a = follow('a')
    await a.has('a:1')
    etcd.signal('SIGSTOP')
    const ending = a.end()
    await until(() => a.isOver, 'it is over')
    await ending
    await until(() => !process.getActiveResourcesInfo().includes('TCPSocketWrap'), 'no socket is left')
    etcd.signal('SIGCONT')
  })
})
