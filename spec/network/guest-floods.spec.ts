/** Guests that come in any number, with or without a proof, and guests that break the protocol: what hosts notice of them. */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { Connection } from '../../lib/connection/connection.ts'
import { defaultKeepAlive, defaultLimits, defaultReconnect } from '../../lib/errors/options.ts'
import { LocalHandlers } from '../../lib/handler/table.ts'
import {
  type Auth,
  type ConnDialer,
  dialGuest,
  type Manager,
  type ManagerOptions,
  memoryPair,
  sharedSecret,
  silentLogger,
  single
} from '../../lib/index.ts'
import { parseGuests } from '../../lib/network/guest-options.ts'
import { Guests } from '../../lib/network/guests.ts'
import { dialPeer } from '../../lib/peer/dial.ts'
import { createInstance } from '../../lib/peer/handshake.ts'
import { Beat } from '../../lib/session/beat.ts'
import { eachRound } from '../support/clock/rounds.ts'
import { Gate } from '../support/gate.ts'
import { LogBook, namesInOrder, nameThat, secret, testManager } from '../support/grid/manager.ts'
import { rejection } from '../support/grid/servers.ts'
import { addHandler } from '../support/raw/make.ts'
import { settled, until } from '../support/until.ts'

const [dialerName, local] = namesInOrder()
const guestSecret = sharedSecret('a secret of guests')
const guests = { auth: guestSecret, allow: () => true }
const flood = 200

/** A server that is dialed over memory, and ways to dial it. */
function open(test: TestContext, options: Partial<ManagerOptions> = {}) {
  const log = new LogBook()
  const hosts = [local, dialerName]
  const server = testManager({ local, hosts, guests, logger: log, ...options })
  const dialer: ConnDialer = async () => {
    const [mine, theirs] = memoryPair()
    server.incomingConn(theirs)
    return mine
  }
  const closed: (() => unknown)[] = [() => server.close({ timeout: 1 })]
  test.after(() => Promise.all(closed.map((close) => close())))
  const host = (auth: Auth, name = dialerName): Manager => {
    const manager = testManager({ local: name, hosts: [name, local], dialer, auth })
    closed.push(() => manager.close({ timeout: 1 }))
    return manager
  }
  const guest = async (name: string, auth: Auth = guestSecret) => {
    const made = await dialGuest(local, { auth, name, dialer, logger: silentLogger })
    closed.push(() => made.close({ timeout: 1 }))
    return made
  }
  return { server, log, host, guest, dialer }
}

/** Makes no proof before the gate opens. */
function slowly(auth: Auth, gate: Gate, onAsked: () => void): Auth {
  return {
    verify: (context, proof) => auth.verify(context, proof),
    async prove(context) {
      onAsked()
      await gate.opened
      return await auth.prove(context)
    }
  }
}

describe('a flood of guests', () => {
  it('that prove nothing leaves the handshakes of hosts alone, and lets in the guest that proves itself', async (test) => {
    const limits = { maxPendingHandshakes: 32 }
    const { server, host, guest } = open(test, { limits })
    const gate = new Gate()
    let asked = 0
    const slow = (auth: Auth) => slowly(auth, gate, () => asked++)
    const peer = host(slow(secret)).connection(local)
    await until(() => asked === 1, 'the host is in its handshake')
    let failed = 0
    const silent = Array.from({ length: flood }, async (_, n) => {
      await guest(`silent-${n}`, slow(guestSecret)).catch(() => failed++)
    })
    await until(() => failed === flood - 2, 'all others are cut')
    assert.equal(server.stats().pendingHandshakes, 1 + limits.maxPendingHandshakes / 16)
    assert.equal((await guest('ada')).state, 'connected')
    gate.open()
    await peer.waitForConnect()
    await server.connection(dialerName).waitForConnect()
    assert.equal(peer.stats().dialing.failures, 0, 'its first dial has come through')
    await Promise.all(silent)
  })

  it('that are refused leaves the log, the events and the counts of others as they are', async (test) => {
    const { server, log, host, guest } = open(test, { guests: { ...guests, admit: () => false } })
    const stranger = nameThat('dials', local)
    const other = host(secret, stranger)
    await until(() => other.connection(local).lastError !== undefined, 'a host is refused')
    await until(() => log.warnings(/refused/).length === 1, 'that is told')
    // Its own refusals would push out each other.
    await other.close({ timeout: 1 })
    await settled(() => server.recent.length)
    const before = server.recent
    const warned = log.warnings().length
    assert.ok(before.length > 0 && warned > 0)
    for (let n = 0; n < flood; n++) assert.equal((await rejection(guest(`eve-${n}`))).reason, 'guestRefused')
    assert.deepEqual(log.warnings().slice(warned).length, 1, 'one line for all')
    const after = server.recent
    assert.deepEqual(
      before.filter(({ seq }) => !after.some((event) => event.seq === seq)),
      []
    )
    assert.ok(after.length <= before.length + 256)
    assert.equal(server.stats().refusedHandshakes >= flood + 1, true)
    assert.deepEqual([server.stats().guests, server.stats().pendingHandshakes], [[], 0])
  })
})

describe('the handshakes of guests', () => {
  it('go on one a turn of the event loop, in their order, so that what hosts have sent is dealt with between them', async () => {
    const settings = parseGuests(guests, secret, defaultLimits)
    const handlers = new LocalHandlers(defaultLimits.maxNameBytes)
    const init = { local, logger: silentLogger, reconnect: defaultReconnect, handlers, goingAway: () => undefined }
    const { turn } = new Guests({ ...init, settings })
    let turns = 0
    const stop = eachRound(() => turns++)
    const seen = await Promise.all(Array.from({ length: 8 }, () => turn().then(() => turns)))
    stop()
    assert.equal(new Set(seen).size, 8, seen.join())
    assert.deepEqual(
      seen,
      [...seen].sort((a, b) => a - b)
    )
  })
})

describe('what a guest may not', () => {
  /** A guest with a handler of its own. */
  async function serving(dialer: ConnDialer, offers: boolean): Promise<Connection> {
    const handlers = new LocalHandlers(defaultLimits.maxNameBytes)
    if (offers) addHandler(handlers, single<unknown, unknown>('own'), () => new Uint8Array())
    const session = { limits: defaultLimits, beat: new Beat(defaultKeepAlive.intervalMs), handlers }
    const end = {
      local: 'https://ops.guest.invalid',
      instance: createInstance(),
      auth: guestSecret,
      checksum: undefined
    }
    const connect = (host: string, signal: AbortSignal) =>
      dialer(host, { signal, path: '/', maxConnMessageBytes: 2 ** 20 })
    const { signal } = new AbortController()
    const established = await dialPeer({ ...end, session, connect }, local, signal, 'guest')
    const dial = () => Promise.reject(new Error('once'))
    const connection = new Connection({
      ...{ host: local, dials: false, dial, reconnect: defaultReconnect, logger: silentLogger }
    })
    connection.adopt(established)
    return connection
  }

  it('is to serve: one entry in its table closes its conn, as a fault of the protocol', async (test) => {
    const { dialer, server, log } = open(test)
    const good = await serving(dialer, false)
    await good.waitForConnect()
    const bad = await serving(dialer, true)
    await until(() => bad.state === 'waiting', 'it is cut')
    assert.match(bad.lastError?.message ?? '', /handler table of more than the 0 entries/)
    await until(() => server.stats().guests.length === 1, 'the other one is still there')
    assert.equal(log.warnings(/guest:ops/).length, 1)
    await good.close({ reason: 'shutdown', text: 'done' }, 0)
  })
})
