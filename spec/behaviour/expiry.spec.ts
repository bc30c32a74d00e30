/** Identities that end: the session goes gracefully at that moment, and one that has passed already harms nobody. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { type Auth, dialerOf, insecure, Manager, silentLogger } from '../../lib/index.ts'
import { until } from '../support/until.ts'

const reconnect = { firstDelayMs: 5, baseDelayMs: 10, maxDelayMs: 50 }

/** Two managers; what `expiresAt` gives is when an identity of the peer ends, at the dialing manager. */
async function pair(test: TestContext, expiresAt: () => number): Promise<{ dialing: Manager; waiting: Manager }> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const listener = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let dialer = ''
  for (let port = 1; dialer === ''; port++) {
    const name = `http://127.0.0.2:${port}`
    if (dialerOf(name, listener) === name) dialer = name
  }
  const auth: Auth = { ...insecure(), verify: () => ({ expiresAt: expiresAt() }) }
  const common = { hosts: [dialer, listener], logger: silentLogger, reconnect }
  const waiting = new Manager({ ...common, local: listener, auth: insecure() })
  const dialing = new Manager({ ...common, local: dialer, auth })
  waiting.handle('echo', (payload) => payload)
  waiting.attach(server)
  test.after(async () => {
    await Promise.all([dialing.close(), waiting.close()])
    server.close()
  })
  return { dialing, waiting }
}

describe('an identity that expires', () => {
  it('ends its session without a lost call, and the next session follows', async (test) => {
    const { dialing } = await pair(test, () => Date.now() + 100)
    const [peer] = dialing.connections
    assert.ok(peer)
    let answers = 0
    while (peer.stats().reconnects < 3) {
      const answer: Uint8Array = await peer.request('echo', Buffer.of(1), { waitForReady: true, timeout: 10_000 })
      assert.deepEqual(Buffer.from(answer), Buffer.of(1))
      answers++
    }
    assert.ok(answers > 3)
  })

  it('and has done so already never leaves the connection connected without a session', async (test) => {
    const { dialing } = await pair(test, () => Date.now() - 1000)
    const [peer] = dialing.connections
    assert.ok(peer)
    let seen = 0
    peer.on('state', ({ state }) => {
      if (state === 'connected') seen++
    })
    await until(() => seen > 2, 'it was connected three times')
    await assert.rejects(peer.request('echo', Buffer.of(1), { waitForReady: true, timeout: 200 }))
    await until(() => peer.state !== 'connected', 'it is not connected')
    await assert.rejects(peer.request('echo', Buffer.of(1)), { delivery: 'notSent' })
  })
})
