/**
 * Who is not let in, what each end is told of it, and how often: over real WebSockets.
 */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { type Connection, insecure, type ManagerOptions, RejectedError, sharedSecret } from '../../lib/index.ts'
import { type LogBook, namesInOrder } from '../support/grid/manager.ts'
import { type Node, rejection, Servers } from '../support/grid/servers.ts'
import { refusalOf } from '../support/raw/dialer.ts'
import { WebSocketWire } from '../support/raw/wire.ts'
import { settled, until } from '../support/until.ts'

const otherSecret = sharedSecret('a secret of somebody else')
const tries = 9

/** Waits for so many refusals, then checks what a caller sees and how often each side has logged. */
async function assertRefused(
  connection: Connection,
  dialerLog: LogBook,
  refuser: Node,
  expected: { reason: string; atCaller: RegExp; atRefuser: RegExp }
): Promise<void> {
  await until(() => refuser.manager.stats().refusedHandshakes >= tries, `${tries} refusals`)
  const { lastError } = connection
  assert.ok(lastError instanceof RejectedError, String(lastError))
  assert.equal(lastError.reason, expected.reason)
  assert.match(lastError.message, expected.atCaller)
  const error = await rejection(connection.request('echo', Buffer.of(1)))
  assert.ok(error instanceof RejectedError)
  assert.deepEqual([error.reason, error.delivery], [expected.reason, 'notSent'])
  assert.match(error.message, expected.atCaller)
  const stream = connection.newStream('echo')
  assert.match((await rejection(stream.responses.next())).message, expected.atCaller)
  const atRefuser = refuser.log.warnings(/refused a conn/)
  assert.equal(atRefuser.length, 1, atRefuser.join('\n'))
  assert.match(atRefuser[0] ?? '', expected.atRefuser)
  // After its first retry, then after 2, 4, 8, ... more: told, but ever more rarely.
  const atDialer = dialerLog.warnings(new RegExp(`cannot connect to ${connection.host} `))
  assert.match(atDialer[0] ?? '', /attempt 2/)
  for (const line of atDialer) assert.match(line, expected.atCaller)
  const most = 2 + Math.log2(refuser.manager.stats().refusedHandshakes + 1)
  assert.ok(atDialer.length <= most, atDialer.join('\n'))
  await until(() => refuser.manager.stats().pendingHandshakes === 0, 'no handshake pending between two tries')
}

/** A server `b` that refuses, and a dialer `a` of it. */
async function refused(test: TestContext, ofDialer: Partial<ManagerOptions>, ofRefuser: Partial<ManagerOptions>) {
  const servers = new Servers(test)
  const [a, b] = namesInOrder()
  const refuser = await servers.node(b, [a, b], ofRefuser)
  const dialer = await servers.node(a, [a, b], ofDialer)
  return { servers, refuser, dialer, connection: dialer.manager.connection(b), a, b }
}

describe('a wrong secret', () => {
  it('is refused with nothing but that, and the detail is logged once', async (test) => {
    const { connection, dialer, refuser, b } = await refused(test, { auth: otherSecret }, {})
    await assertRefused(connection, dialer.log, refuser, {
      reason: 'authFailed',
      atCaller: /refused the handshake without a proof of its identity: secrets, or certificates and names, may differ/,
      atRefuser: /claims to be http:\/\/a .*the proof of the dialer was refused: the proof was made with another secret/
    })
    assert.equal(refuser.manager.connections[0]?.state, 'waiting')
    assert.doesNotMatch([...dialer.log.lines, ...refuser.log.lines].join('\n'), /a secret of (somebody|the specs)/)
    assert.equal(connection.host, b)
  })

  it('is refused in the same words whether the names are known or not', async (test) => {
    const { refuser, a, b } = await refused(test, { auth: otherSecret }, {})
    const names = [
      { host: a, remote: b },
      { host: 'http://nobody', remote: b },
      { host: b, remote: b },
      { host: a, remote: 'http://elsewhere' },
      { host: a, remote: b, versions: [99] },
      { host: a, remote: b, limits: { maxFragments: 0 } }
    ]
    for (const hello of names) {
      const refusal = await refusalOf(refuser.server.url, { ...hello, auth: otherSecret })
      assert.deepEqual(refusal, { reason: 'authFailed', message: 'the handshake failed' })
    }
  })

  it('of the listener is found out by the dialer, which sends no call', async (test) => {
    const anyone = { prove: () => new Uint8Array(32), verify: () => undefined }
    const { connection, refuser } = await refused(test, {}, { auth: anyone })
    await until(() => connection.lastError !== undefined, 'the dialer refused')
    assert.match(connection.lastError?.message ?? '', /the proof of the listener was refused/)
    assert.equal((await rejection(connection.request('echo', Buffer.of(1)))).delivery, 'notSent')
    assert.equal(await settled(() => refuser.manager.stats().totals.messagesIn), 0)
  })
})

describe('insecure() at one end only', () => {
  const atSecret = /the proof is empty, as that of insecure\(\): the other end does not have sharedSecret\(\)/

  it('is told by the log of the other end, which is dialed, and the dialer is told what may differ', async (test) => {
    const { connection, dialer, refuser } = await refused(test, { auth: insecure() }, {})
    await assertRefused(connection, dialer.log, refuser, {
      reason: 'authFailed',
      atCaller: /refused the handshake without a proof of its identity: secrets, or certificates and names, may differ/,
      atRefuser: atSecret
    })
  })

  it('is told by the log of the other end, which dials, and the dialed end says what it may be', async (test) => {
    const { connection, dialer, refuser, a } = await refused(test, {}, { auth: insecure() })
    const back = refuser.manager.connection(a)
    const told = /the peer closed the conn as soon as it was accepted: .*insecure\(\) at one end only/
    await until(() => dialer.log.warnings(atSecret).length > 0, 'the dialer has told why')
    await until(() => refuser.log.lines.some((line) => told.test(line)), 'the dialed end has told what it knows')
    assert.match(connection.lastError?.message ?? '', atSecret)
    assert.match(back.lastError?.message ?? '', told)
    assert.match((await rejection(back.request('echo', Buffer.of(1)))).message, told)
    assert.ok(
      back.recent.some((event) => event.type === 'close' && event.reason === 'lost' && told.test(event.message))
    )
  })
})

describe('after the proof a refusal has its reason, in full, at the caller', () => {
  it('for an unknown host', async (test) => {
    const { connection, dialer, refuser } = await refused(test, {}, { hosts: [] })
    await assertRefused(connection, dialer.log, refuser, {
      reason: 'unknownHost',
      atCaller: /^(.*)http:\/\/b\d* refused: http:\/\/a is not among the hosts of http:\/\/b\d*$/,
      atRefuser: /refused http:\/\/a: http:\/\/a is not among the hosts of http:\/\/b/
    })
  })

  it('for a server that is not the one that was dialed', async (test) => {
    const servers = new Servers(test)
    const [a, b] = namesInOrder()
    const refuser = await servers.node('http://c', [a, 'http://c'])
    const dialer = await servers.node(a, [a, b])
    servers.urls.set(b, refuser.server.url)
    await assertRefused(dialer.manager.connection(b), dialer.log, refuser, {
      reason: 'wrongHost',
      atCaller: /this server is http:\/\/c, not http:\/\/b/,
      atRefuser: /refused http:\/\/a: this server is http:\/\/c, not http:\/\/b/
    })
  })

  it('for its own name', async (test) => {
    const servers = new Servers(test)
    const [a, b] = namesInOrder()
    const refuser = await servers.node(a, [a])
    const dialer = servers.serve(await servers.listen(), a, [a, b])
    servers.urls.set(b, refuser.server.url)
    await assertRefused(dialer.manager.connection(b), dialer.log, refuser, {
      reason: 'ownName',
      atCaller: /http:\/\/a is the name of this server: two servers have one name/,
      atRefuser: /refused http:\/\/a: .*two servers have one name/
    })
  })

  it('for itself, where the name of the peer leads back to it, and tells of no other process', async (test) => {
    const servers = new Servers(test)
    const [a, b] = namesInOrder()
    const { manager, server, log } = await servers.node(a, [a, b])
    servers.urls.set(b, server.url)
    await until(() => manager.connection(b).lastError !== undefined, 'the dial has failed')
    const why =
      /^the handshake with http:\/\/b\d* failed: that place leads to this process itself: is a proxy, .* wrong\?$/
    assert.match(manager.connection(b).lastError?.message ?? '', why)
    await until(() => log.warnings(/^warn cannot connect/).length > 0, 'it is logged')
    assert.match(log.warnings(/^warn refused/)[0] ?? '', /: this is http:\/\/a itself, which dialed http:\/\/b\d*$/)
    assert.deepEqual(log.warnings(/^error|another process/), [])
  })

  const byHand = [
    ['the wrong direction', 'wrongDirection', /^http:\/\/a dials http:\/\/b\d*, not the other way round$/, {}],
    ['an unsupported version', 'unsupportedVersion', /b\d* speaks 7, 99, http:\/\/a speaks 1$/, { versions: [7, 99] }],
    ['limits that nobody can keep', 'badLimits', /limits\.maxFragments .* is not a/, { limits: { maxFragments: 0 } }]
  ] as const
  for (const [what, reason, text, changes] of byHand) {
    it(`for ${what}, told to a dialer made by hand and logged once`, async (test) => {
      const servers = new Servers(test)
      const [a, b] = namesInOrder()
      const { manager, server, log } = await servers.node(a, [a, b])
      for (let n = 1; n <= 4; n++) {
        const refusal = await refusalOf(server.url, { host: b, remote: a, ...changes })
        assert.equal(refusal.reason, reason)
        assert.match(refusal.message, text)
        await until(() => manager.stats().refusedHandshakes === n, 'it is counted')
      }
      assert.equal(log.warnings(/refused a conn/).length, 1)
      assert.match(log.warnings(/refused a conn/)[0] ?? '', new RegExp(`refused ${b}: `))
    })
  }
})

it('another reason from the same remote is logged again', async (test) => {
  const servers = new Servers(test)
  const [a, b] = namesInOrder()
  const { manager, server, log } = await servers.node(a, [a, b])
  for (const versions of [[7], [8], [7], [8]]) await refusalOf(server.url, { host: b, remote: a, versions })
  await until(() => manager.stats().refusedHandshakes === 4, 'all are counted')
  assert.equal(log.warnings(/refused a conn/).length, 2)
})

it('a refusal ends when its cause does, and the caller is let in', async (test) => {
  const servers = new Servers(test)
  const [a, b] = namesInOrder()
  const { manager, server } = await servers.node(b, ['http://c'])
  const connection = servers.manager({ local: a, hosts: [a, b] }).connection(b)
  await until(() => connection.lastError instanceof RejectedError, 'refused')
  await server.stop()
  await manager.close()
  await servers.node(b, [a, b], {}, 0)
  await connection.waitForConnect()
  assert.equal(connection.lastError, undefined)
})

it('a hello that is none costs its conn and nothing else', async (test) => {
  const { there, listener } = await new Servers(test).pair()
  await there.waitForConnect()
  for (const junk of [Buffer.of(9), Buffer.from('GET / HTTP/1.1'), Buffer.alloc(20_000, 1)]) {
    const dialer = await WebSocketWire.open(listener.server.url)
    dialer.write(junk)
    while ((await dialer.read()) !== undefined) assert.ok(true, 'an answer that says nothing')
  }
  await until(() => listener.manager.stats().refusedHandshakes === 3, 'all are refused')
  assert.equal(there.stats().reconnects, 0)
  assert.equal(there.state, 'connected')
})
