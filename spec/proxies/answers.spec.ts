/** What a dial says of each mistake between two servers with a real proxy in the middle: which proxy, which status, what it means. */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { behind, dialError, type Options } from './grid.ts'
import { type Changes, type Kind, kinds, whyNot } from './proxy.ts'

interface Case {
  readonly what: string
  readonly options?: Partial<Options>
  readonly changes?: Readonly<Record<Kind, Changes>>
  /** Done before the first dial. */
  readonly spoil?: (test: TestContext, both: Awaited<ReturnType<typeof behind>>) => unknown
  readonly says: Readonly<Record<Kind, RegExp>>
}

const place = String.raw`\(at edge\.example:\d+/node-\d/grid/v1\)`
const status = (code: number, remark: string) =>
  new RegExp(`^https://node-\\d answered the upgrade with ${code} \\(${remark}\\) ${place}`)
const byNginx = 'server: nginx/[\\d.]+; '
const both = (pattern: RegExp) => ({ nginx: pattern, haproxy: pattern })
const none = { nginx: [], haproxy: [] }

const cases: readonly Case[] = [
  {
    what: 'no server behind it runs',
    spoil: async (_test, { a, b }) => Promise.all([a.server.stop(), b.server.stop()]),
    says: {
      nginx: status(502, `${byNginx}does a proxy on the way not reach the server\\?`),
      haproxy: status(503, 'has a proxy on the way no server for it\\?')
    }
  },
  {
    what: 'the servers behind it do not answer in its time',
    changes: { nginx: [['60s', '1s']], haproxy: [['server 30s', 'server 1s']] },
    spoil: (_test, { a, b }) => {
      for (const { server } of [a, b]) {
        server.http.removeAllListeners('upgrade')
        server.http.on('upgrade', (_request, socket) => socket.on('error', () => undefined))
      }
    },
    says: {
      nginx: status(504, `${byNginx}did a proxy on the way wait in vain for the server\\?`),
      haproxy: status(504, 'did a proxy on the way wait in vain for the server\\?')
    }
  },
  {
    what: 'it has no route for the path',
    changes: { nginx: [['location /node-', 'location /other-']], haproxy: [['path_beg /node-', 'path_beg /other-']] },
    says: {
      nginx: status(
        404,
        `${byNginx}does it call attach\\(\\), with this path\\? does a proxy on the way drop the Upgrade header\\?`
      ),
      haproxy: status(503, 'has a proxy on the way no server for it\\?')
    }
  },
  {
    what: 'it drops the Upgrade header',
    changes: {
      nginx: [
        ['  proxy_set_header Upgrade $http_upgrade;\n', ''],
        ['  proxy_set_header Connection upgrade;\n', '']
      ],
      haproxy: [['frontend edge\n', 'frontend edge\n  http-request del-header Upgrade\n']]
    },
    says: {
      nginx: status(426, `${byNginx}does a proxy on the way drop the Upgrade header\\?`),
      haproxy: status(426, 'does a proxy on the way drop the Upgrade header\\?')
    }
  },
  {
    what: 'it drops the subprotocol',
    changes: {
      nginx: [['proxy_connect', 'proxy_set_header Sec-WebSocket-Protocol ""; proxy_connect']],
      haproxy: [['frontend edge\n', 'frontend edge\n  http-request del-header Sec-WebSocket-Protocol\n']]
    },
    says: both(/^https:\/\/node-\d answered the upgrade with 400 .*: the subprotocol it-grid\.v1 must be offered$/)
  },
  {
    what: 'it leads to the server that dials',
    changes: {
      nginx: [
        ['10.0.0.1', '10.0.0.3'],
        ['10.0.0.2', '10.0.0.1'],
        ['10.0.0.3', '10.0.0.2']
      ],
      haproxy: [
        ['10.0.0.1', '10.0.0.3'],
        ['10.0.0.2', '10.0.0.1'],
        ['10.0.0.3', '10.0.0.2']
      ]
    },
    says: both(
      /^the handshake with https:\/\/node-\d failed: that place leads to this process itself: is a proxy, .* wrong\?$/
    )
  },
  {
    what: 'its certificate is not trusted',
    options: { dialer: () => ({ tls: {} }) },
    says: both(
      /^cannot connect to https:\/\/node-\d: self-signed certificate \(at edge\.example:\d+\/node-\d\/grid\/v1\)$/
    )
  }
]

for (const kind of kinds) {
  describe(`a dial through ${kind}`, { skip: whyNot[kind], concurrency: 3 }, () => {
    for (const { what, options, changes = none, spoil, says } of cases) {
      it(`says what it got where ${what}`, async (test) => {
        const made = await behind(test, { kind, way: 'A path for each host', changes: changes[kind], ...options })
        await spoil?.(test, made)
        assert.match((await dialError(made)).message, says[kind])
      })
    }
  })
}
