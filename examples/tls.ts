/**
 * The grid over TLS: hosts named `https://...` are dialed as `wss://`, and certificates are verified as Node does.
 *
 * The certificate is made by `openssl` when the example runs; without it the example says so and ends.
 * Run it: `node --import tsx examples/tls.ts`
 */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectWS, DialError, Manager, sharedSecret, single } from '../lib/index.ts'

const whoAmI = single<void, string>('who-am-i')

const certificate = makeCertificate()
if (certificate === undefined) console.log('skipped: this machine has no openssl to make a certificate with')
else await overTls(certificate)

async function overTls({ key, cert }: { key: string; cert: string }): Promise<void> {
  const servers = [createServer({ key, cert }), createServer({ key, cert })]
  for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening')
  const hosts = servers.map((server) => `https://127.0.0.1:${(server.address() as AddressInfo).port}`)

  const grids = servers.map((server, at) => {
    const grid = new Manager({
      local: hosts[at] ?? '',
      hosts,
      auth: sharedSecret('an example secret: yours is random'),
      // A self-signed certificate is its own authority. A real grid names that of its company here.
      dialer: connectWS({ tls: { ca: cert } })
    })
    grid.handle(whoAmI, (_payload, { remote }) => remote.host)
    grid.attach(server)
    return grid
  })

  for (const grid of grids) {
    const [peer] = grid.connections
    const name = await peer?.request(whoAmI, undefined, { waitForReady: true })
    console.log(`${grid.local} asked over TLS who it is: ${name}`)
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

/** What the default dialer does, which knows the usual authorities only. */
function dialWithoutAuthority(host: string): Promise<unknown> {
  return connectWS()(host, { signal: AbortSignal.timeout(2000), path: '/grid/v1', maxConnMessageBytes: 100_000 })
}

function makeCertificate(): { key: string; cert: string } | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'it-grid-tls-'))
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const kind = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  try {
    execFileSync('openssl', [...kind, ...subject, '-keyout', keyFile, '-out', certFile], { stdio: 'pipe' })
    return { key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certFile, 'utf8') }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  } finally {
    rmSync(folder, { recursive: true })
  }
}
