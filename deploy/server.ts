/**
 * A server of a grid as it runs in a container: docs/deploy.md. What it has to know is in its environment, secrets are files.
 *
 * The grid has one port. Probes and people have another one, over plain HTTP, since a probe has no certificate.
 */

import { readFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connectWS, Manager, type ManagerOptions, mutualTLS, sharedSecret, single } from 'it-grid'
import { dnsHosts } from 'it-grid/discovery'

const { env } = process
const local = read('GRID_LOCAL')
const port = readNumber('GRID_PORT', 9000)
const healthPort = readNumber('HEALTH_PORT', 9001)
/** So many peers must be connected before this server is ready. */
const atLeast = readNumber('GRID_READY_PEERS', 0)
/** What running calls get at the end. The platform must wait longer than that before it kills. */
const graceMs = readNumber('GRID_GRACE_MS', 20_000)

const who = single<void, { name: string; upForMs: number }>('who')
const work = single<{ ms: number }, string>('work')

const { server, auth, dialer } = env.GRID_TLS_DIR ? withTls(env.GRID_TLS_DIR) : plain()
const grid = new Manager({ local, hosts: findHosts(), auth, ...(dialer && { dialer }) })
grid.handle(who, () => ({ name: local, upForMs: Math.round(process.uptime() * 1000) }))
grid.handle(work, async ({ ms }, { signal }) => {
  // What does not listen to the signal keeps the process when its call is over.
  await delay(ms, undefined, { signal })
  return local
})
grid.attach(server)
server.listen(port)

const pages: Record<string, (response: ServerResponse) => unknown> = {
  '/livez': (response) => response.writeHead(grid.health().live ? 200 : 503).end(),
  '/readyz'(response) {
    const { ready, reasons } = grid.health({ atLeast })
    response.writeHead(ready ? 200 : 503, { 'content-type': 'text/plain; charset=utf-8' }).end(reasons.join('\n'))
  },
  /** Asks all servers, this one too. */
  async '/who'(response) {
    const answers: unknown[] = []
    for await (const { host, value, error } of grid.all(who, undefined, { self: true, timeout: 2000 })) {
      answers.push(error === undefined ? { host, ...value } : { host, error: error.message })
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify(answers, null, 2)}\n`)
  }
}
const health = createServer(async (request, response) => {
  try {
    const page = pages[request.url ?? '']
    if (page === undefined) response.writeHead(404).end()
    else await page(response)
  } catch (error) {
    // Such as at the end, when nobody can be asked any more.
    response.writeHead(503, { 'content-type': 'text/plain; charset=utf-8' }).end(String(error))
  }
}).listen(healthPort)

let leftMs = graceMs
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(signal))
console.log(`${local} listens on ${port}, for probes on ${healthPort}`)

/** New calls fail or go elsewhere, running ones may end, at a second signal no more. Then the process ends by itself, with 0. */
async function stop(signal: string): Promise<void> {
  console.log(`${signal}: ${local} ends when its calls have, within ${leftMs} ms`)
  const timeout = leftMs
  leftMs = 0
  await grid.close({ timeout })
  server.close()
  health.close()
}

type Carrier = Pick<ManagerOptions, 'auth' | 'dialer'> & { readonly server: ReturnType<typeof createServer> }

function plain(): Carrier {
  const file = read('GRID_SECRET_FILE')
  // Read at each handshake, so that it can be replaced; as the command line reads it: each line is one, and blanks count.
  return {
    server: createServer(),
    auth: sharedSecret(() =>
      readFileSync(file, 'utf8')
        .replace(/^\uFEFF/, '')
        .split(/\r\n|\n|\r/)
        .filter(Boolean)
    )
  }
}

/** Certificates are replaced while the server runs: dialers read them at each dial, and this end once a minute. */
function withTls(folder: string): Carrier {
  const readFiles = () => ({
    key: readFileSync(join(folder, 'tls.key')),
    cert: readFileSync(join(folder, 'tls.crt')),
    ca: readFileSync(join(folder, 'ca.crt'))
  })
  const server = createTlsServer({ ...readFiles(), requestCert: true })
  const renew = () => {
    try {
      server.setSecureContext(readFiles())
    } catch (error) {
      console.error(`the certificate in ${folder} cannot be used, the old one stays: ${error}`)
    }
  }
  setInterval(renew, 60_000).unref()
  return { server, auth: mutualTLS(), dialer: connectWS({ tls: readFiles }) }
}

/** A list, or a name in DNS: one such as `_grid._tcp.grid` tells names and ports of servers, another one their addresses. */
function findHosts(): ManagerOptions['hosts'] {
  const list = env.GRID_HOSTS
  if (list) return list.split(',').flatMap((host) => host.trim() || [])
  const name = read('GRID_DNS')
  return name.startsWith('_') ? dnsHosts({ local, name, type: 'SRV' }) : dnsHosts({ local, name, type: 'A', port })
}

function read(name: string, otherwise?: string): string {
  // Empty is not set, as in a file of variables.
  const value = env[name] || otherwise
  if (value === undefined) throw new Error(`${name} is not set`)
  return value
}

function readNumber(name: string, otherwise: number): number {
  const value = Number(env[name] || otherwise)
  if (!Number.isInteger(value) || value < 0 || value > 2 ** 31)
    throw new Error(`${name} is "${env[name]}", not a number`)
  return value
}
