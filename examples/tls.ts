/**
 * The grid over TLS: hosts named `https://...` are dialed as `wss://`, and Node verifies their certificates as usual.
 *
 * Run it: `node --import tsx examples/tls.ts`
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { generate } from 'selfsigned'
import { connectWS, DialError, Manager, sharedSecret, single } from '../lib/index.ts'

const whoAmI = single<void, string>('who-am-i')

// A real grid has its certificates on disk. This certificate is made here, and is its own authority.
const { private: key, cert } = await generate([{ name: 'commonName', value: '127.0.0.1' }], {
  keyType: 'ec',
  extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }]
})
await overTls()

async function overTls(): Promise<void> {
  const servers = [createServer({ key, cert }), createServer({ key, cert })]
  for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening')
  const hosts = servers.map((server) => `https://127.0.0.1:${(server.address() as AddressInfo).port}`)

  const grids = servers.map((server, at) => {
    const grid = new Manager({
      local: hosts[at] ?? '',
      hosts,
      auth: sharedSecret('an example secret: yours is random'),
      // A self-signed certificate is its own authority. A real grid names the authority of its company here.
      dialer: connectWS({ tls: { ca: cert } })
    })
    grid.handle(whoAmI, (_payload, { remote }) => remote.host)
    grid.attach(server)
    return grid
  })

  for (const grid of grids) {
    const [peer] = grid.connections
    const name = await peer?.request(whoAmI, undefined, { waitForReady: true })
    console.log(`${grid.local} was asked for its name over TLS: ${name}`)
    assert.equal(name, grid.local)
  }

  await assert.rejects(dialWithoutAuthority(hosts[0] ?? ''), (error) => {
    assert.ok(error instanceof DialError)
    console.log(`a dialer that does not trust the certificate gets no conn: ${error.message}`)
    return true
  })

  await Promise.all(grids.map((grid) => grid.close()))
  for (const server of servers) server.close()
  console.log('done: both servers are closed')
}

/** Dials with the default dialer, which trusts only the usual authorities. */
function dialWithoutAuthority(host: string): Promise<unknown> {
  return connectWS()(host, { signal: AbortSignal.timeout(2000), path: '/grid/v1', maxConnMessageBytes: 100_000 })
}
