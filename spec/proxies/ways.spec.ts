/** The three ways of docs/proxies.md through a real nginx and a real HAProxy: what gets through, and who is who behind them. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { mutualTLS } from '../../lib/index.ts'
import { settled, until } from '../support/until.ts'
import { behind, dialError, numbers, ways } from './grid.ts'
import { type Changes, kinds, whyNot } from './proxy.ts'

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()

for (const kind of kinds) {
  describe(`through ${kind}`, { skip: whyNot[kind], concurrency: 3 }, () => {
    for (const way of ways) {
      it(`servers call each other both ways by ${way}, in messages of megabytes and under credit`, async (test) => {
        const { a, b, proxy } = await behind(test, { kind, way })
        for (const [from, to] of [
          [a, b],
          [b, a]
        ] as const) {
          const peer = from.manager.connection(to.name)
          await peer.waitForConnect()
          assert.equal(text(await peer.request('who')), `${from.name} asks ${to.name}`)
          const large = new Uint8Array(4 * 1024 * 1024).fill(7)
          assert.deepEqual(await peer.request('echo', large), large)
          const stream = peer.newStream(numbers)
          for await (const number of stream) if (number === 20) break
          const stalled = peer.newStream(numbers)
          await stalled.responses.next()
          const made = await settled(() => to.made)
          assert.ok(made < 60, `a consumer that stands still lets ${made} numbers be made`)
          stalled.cancel()
        }
        assert.deepEqual([...a.log.warnings(), ...b.log.warnings()], [], proxy.output)
        // A knock, or a check of the proxy, may be another one for a moment.
        await until(() => a.server.sockets.size + b.server.sockets.size === 1, 'there is one conn')
      })
    }

    it('limits and buffers of bodies do not count for what is sent on a conn', async (test) => {
      const changes: Changes =
        kind === 'nginx'
          ? [['server_name', 'client_max_body_size 1k; client_body_buffer_size 1k; proxy_buffer_size 1k; server_name']]
          : [['mode http', 'mode http\n  option http-buffer-request']]
      const { peer } = await behind(test, { kind, way: 'A path for each host', changes })
      const large = new Uint8Array(1024 * 1024).fill(7)
      await peer.waitForConnect()
      assert.deepEqual(await peer.request('echo', large), large)
    })

    it('a forged X-Forwarded-For, Forwarded or Host changes neither a name nor an address', async (test) => {
      const headers = { 'X-Forwarded-For': '10.9.9.9', Forwarded: 'for=10.9.9.9;host=node-9', 'X-Real-IP': '10.9.9.9' }
      const changes: Changes =
        kind === 'nginx'
          ? [['proxy_connect', 'proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_connect']]
          : [['mode http', 'mode http\n  option forwardfor']]
      const { peer, a, b } = await behind(test, {
        ...{ kind, way: 'A path for each host', changes },
        dialer: () => ({ headers: { ...headers, Host: 'node-9.grid.example' } })
      })
      const seen: unknown[] = []
      for (const { server } of [a, b])
        server.http.prependListener('upgrade', (request) => seen.push(request.headers['x-forwarded-for']))
      await peer.waitForConnect()
      assert.match(String(seen[0]), /10\.9\.9\.9.*127\.0\.0\.1/, 'the proxy has told both')
      assert.equal(text(await peer.request('who')), `${a.name} asks ${b.name}`)
      assert.match(text(await peer.request('address')), /^127\.0\.0\.1:\d+$/)
    })

    it('mutualTLS works where TLS is passed through, and says so where it ends', async (test) => {
      const passed = await behind(test, { kind, way: 'TLS passed through' })
      await passed.peer.waitForConnect()
      const ended = await behind(test, { kind, way: 'A path for each host', manager: { auth: mutualTLS() } })
      assert.match((await dialError(ended)).message, /refused the handshake without a proof of its identity/)
      const logs = () => [...ended.a.log.warnings(), ...ended.b.log.warnings()].join('\n')
      await until(() => /do not terminate TLS before this process/.test(logs()), 'the listener says why')
    })
  })
}
