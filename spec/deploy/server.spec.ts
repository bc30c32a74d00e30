/**
 * The server of deploy/, built and started as its image does it: it answers probes, finds its peers, and ends at SIGTERM with
 * all that it has begun.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'
import { connectWS, type ManagerOptions, mutualTLS, sharedSecret, single } from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { Servers, TestServer } from '../support/grid/servers.ts'
import { makeAuthority } from '../support/network/certificates.ts'
import { freePorts } from '../support/network/free-port.ts'
import { childEnvironment } from '../support/process/child.ts'
import { until } from '../support/until.ts'
import { build, instruction } from './image.ts'

const folder = mkdtempSync(join(tmpdir(), 'it-grid-deploy-'))
before(() => build(folder))
after(() => rmSync(folder, { recursive: true }))

/** Answered behind all that was sent before. */
const who = single<void, { name: string }>('who')
const work = single<{ ms: number }, string>('work')
const secret = 'a secret of sixteen bytes'

/** The command of the image, in its environment and that of a deployment. */
function start(test: TestContext, env: Record<string, string>) {
  const [command, ...args] = JSON.parse(instruction('CMD'))
  const child = spawn(command, args, { cwd: folder, env: { ...childEnvironment(), NODE_ENV: 'production', ...env } })
  const gone = new Promise<number | null>((resolve) => child.once('close', resolve))
  const server = {
    output: '',
    gone,
    end: (signal: NodeJS.Signals) => child.kill(signal),
    /** Its status, and what it says. */
    async get(path: string): Promise<[status: number, text: string]> {
      const response = await fetch(`http://127.0.0.1:${env.HEALTH_PORT}${path}`)
      return [response.status, await response.text()]
    },
    async listens(): Promise<void> {
      const answers = () =>
        server.get('/livez').then(
          () => true,
          () => false
        )
      await until(
        async () => {
          assert.equal(child.exitCode, null, server.output)
          return await answers()
        },
        'it answers probes',
        60_000
      )
    }
  }
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      server.output += text
    })
  test.after(async () => {
    child.kill('SIGKILL')
    await gone
  })
  return server
}

/** A server of the image and a manager here, which are the two hosts of a grid. Each dials the other for half of the ports. */
async function withPeer(
  test: TestContext,
  scheme: string,
  env: Record<string, string>,
  options: Partial<ManagerOptions>,
  here = createServer()
) {
  const servers = new Servers(test)
  const [port = 0, healthPort = 0, own = 0] = await freePorts(3)
  const [local, name] = [`${scheme}://localhost:${port}`, `${scheme}://localhost:${own}`]
  const ports = { GRID_PORT: String(port), HEALTH_PORT: String(healthPort) }
  const hosts = [local, name]
  const server = start(test, {
    GRID_LOCAL: local,
    GRID_HOSTS: hosts.join(),
    GRID_READY_PEERS: '1',
    GRID_TLS_DIR: '',
    GRID_GRACE_MS: '',
    ...ports,
    ...env
  })
  await server.listens()
  const join = async () => {
    const manager = servers.manager({ local: name, hosts, ...options })
    manager.attach(here)
    servers.watch(await new TestServer(here).listen(own, 'localhost'))
    const connection = manager.connection(local)
    await connection.waitForConnect({ signal: AbortSignal.timeout(paced(15_000)) })
    return connection
  }
  return { server, local, name, join }
}

describe('the server of deploy/', () => {
  it('is ready when it has its peers, says why not before, and knows who is there', async (test) => {
    const file = join(folder, 'secret')
    // Blanks count, as the command line reads it.
    writeFileSync(file, `\uFEFF${secret} \r\na secret that comes after it\r\n`)
    const options = { auth: sharedSecret(`${secret} `), dialer: connectWS() }
    const {
      server,
      local,
      name: here,
      join: joinIt
    } = await withPeer(test, 'http', { GRID_SECRET_FILE: file }, options)
    assert.deepEqual(await server.get('/livez'), [200, ''])
    const [status, reasons] = await server.get('/readyz')
    assert.equal(status, 503)
    assert.match(reasons, /0 of .* 1/)
    await joinIt()
    await until(async () => (await server.get('/readyz'))[0] === 200, 'it is ready')
    const who = JSON.parse((await server.get('/who'))[1]) as { host: string; name?: string }[]
    assert.deepEqual(new Map(who.map(({ host, name }) => [host, name])).get(local), local)
    assert.ok(who.some(({ host }) => host === here))
    assert.equal((await server.get('/other'))[0], 404)
  })

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`ends at ${signal} with 0 when its calls have, and is live but not ready until then`, async (test) => {
      const file = join(folder, `secret-${signal}`)
      writeFileSync(file, secret)
      const options = { auth: sharedSecret(secret), dialer: connectWS() }
      const { server, local, join: joinIt } = await withPeer(test, 'http', { GRID_SECRET_FILE: file }, options)
      const peer = await joinIt()
      const working = peer.request(work, { ms: 1500 })
      await peer.request(who)
      server.end(signal)
      await until(async () => (await server.get('/readyz'))[0] === 503, 'it is not ready any more')
      assert.equal((await server.get('/livez'))[0], 200)
      assert.equal((await server.get('/who'))[0], 503)
      assert.equal(await working, local)
      assert.equal(await server.gone, 0, server.output)
      assert.match(server.output, new RegExp(`${signal}: ${local} ends when its calls have, within 20000 ms`))
    })
  }

  it('ends within its grace, with 0, although a call does not', async (test) => {
    const file = join(folder, 'secret-grace')
    writeFileSync(file, secret)
    const env = { GRID_SECRET_FILE: file, GRID_GRACE_MS: '100' }
    const options = { auth: sharedSecret(secret), dialer: connectWS() }
    const { server, join: joinIt } = await withPeer(test, 'http', env, options)
    const peer = await joinIt()
    const failing = assert.rejects(peer.request(work, { ms: 600_000 }), { delivery: 'maybeRan' })
    await peer.request(who)
    server.end('SIGTERM')
    await failing
    assert.equal(await server.gone, 0, server.output)
  })

  it('ends at once at a second signal, with 0', async (test) => {
    const file = join(folder, 'secret-twice')
    writeFileSync(file, secret)
    const options = { auth: sharedSecret(secret), dialer: connectWS() }
    const { server, join: joinIt } = await withPeer(test, 'http', { GRID_SECRET_FILE: file }, options)
    const peer = await joinIt()
    const failing = assert.rejects(peer.request(work, { ms: 600_000 }), { delivery: 'maybeRan' })
    await peer.request(who)
    server.end('SIGTERM')
    await until(() => server.output.includes('SIGTERM: '), 'it has heard the first')
    server.end('SIGINT')
    await failing
    assert.equal(await server.gone, 0, server.output)
  })

  it('proves itself by the certificate in its folder, while its probes are plain', async (test) => {
    const tls = join(folder, 'tls')
    mkdirSync(tls)
    const authority = await makeAuthority('the authority of the cluster')
    const [its, ours] = [await authority.issue(['localhost']), await authority.issue(['localhost'])]
    writeFileSync(join(tls, 'tls.key'), its.key)
    writeFileSync(join(tls, 'tls.crt'), its.cert)
    writeFileSync(join(tls, 'ca.crt'), authority.cert)
    const dialer = connectWS({ tls: { ...ours, ca: authority.cert } })
    const here = createTlsServer({ ...ours, ca: authority.cert, requestCert: true })
    const options = { auth: mutualTLS(), dialer }
    const { server, local, join: joinIt } = await withPeer(test, 'https', { GRID_TLS_DIR: tls }, options, here)
    assert.equal(await (await joinIt()).request(work, { ms: 1 }), local)
    assert.equal((await server.get('/readyz'))[0], 200)
  })

  for (const [what, env, why] of [
    ['has no name', { GRID_HOSTS: 'http://a' }, /GRID_LOCAL is not set/],
    ['has no secret', { GRID_LOCAL: 'http://a', GRID_HOSTS: 'http://a' }, /GRID_SECRET_FILE is not set/],
    ['has an empty name', { GRID_LOCAL: '', GRID_HOSTS: 'http://a,' }, /GRID_LOCAL is not set/],
    ['finds no hosts', { GRID_LOCAL: 'http://a', GRID_SECRET_FILE: '/dev/null' }, /GRID_DNS is not set/],
    ['has a port that is none', { GRID_LOCAL: 'http://a', GRID_PORT: 'x' }, /GRID_PORT is "x", not a number/]
  ] as const) {
    it(`does not start where it ${what}, and says so`, async (test) => {
      const server = start(test, { ...env })
      assert.equal(await server.gone, 1)
      assert.match(server.output, why)
    })
  }
})
