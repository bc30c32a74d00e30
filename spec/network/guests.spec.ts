/** Guests: programs in no list of hosts. What they may do, what is told of them, and what they do not cost. */

import assert from 'node:assert/strict'
import { createServer as createTlsServer } from 'node:https'
import { describe, it, type TestContext } from 'node:test'
import { pushable } from 'it-pushable'
import {
  type CertificateClaims,
  ClosedError,
  channels,
  connectWS,
  dialGuest,
  type GuestOptions,
  type GuestsOptions,
  type HandlerContext,
  type HandlerInterceptor,
  InvalidOptionError,
  introspection,
  type ManagerOptions,
  mutualTLS,
  RejectedError,
  sharedSecret,
  silentLogger,
  single,
  streaming
} from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { Gate } from '../support/gate.ts'
import { namesInOrder, secret } from '../support/grid/manager.ts'
import { rejection, Servers, TestServer } from '../support/grid/servers.ts'
import { makeAuthority } from '../support/network/certificates.ts'
import { settled, until } from '../support/until.ts'

const get = single<string, string>('get')
const put = single<string, string>('put')
const count = streaming<number, never, number>('count', { inCapacity: 0 })
const hold = single<string, string>('hold')
const guestSecret = sharedSecret('a secret of guests')
const [dialerName, local] = namesInOrder()
const allowed: GuestsOptions = { allow: ({ handler }) => handler !== put.id, auth: guestSecret }

/** A server that takes guests, unless its options say otherwise, and what its handlers saw. */
async function open(test: TestContext, options: Partial<ManagerOptions> = {}) {
  const servers = new Servers(test)
  const node = await servers.node(local, [local, dialerName], { guests: allowed, ...options })
  const seen: HandlerContext[] = []
  const gate = new Gate()
  const { manager } = node
  manager.handle(get, (key, context) => {
    seen.push(context)
    return `${key}: 1`
  })
  manager.handle(put, (key, context) => {
    seen.push(context)
    return key
  })
  manager.handle(count, async function* (to) {
    for (let n = 1; n <= to; n++) yield n
  })
  manager.handle(hold, async (key, context) => {
    seen.push(context)
    await gate.opened
    return key
  })
  const dial = async (more: Partial<GuestOptions> = {}) => {
    const { dialer } = servers
    const guest = await dialGuest(local, { auth: guestSecret, name: 'ops-ada', logger: silentLogger, dialer, ...more })
    servers.onEnd(() => guest.close({ timeout: 1 }))
    return guest
  }
  return { ...node, servers, seen, gate, dial }
}

describe('a guest', () => {
  it('calls what the rule allows, single and streaming, and is told what it is denied before the handler runs', async (test) => {
    const { dial, seen, manager } = await open(test)
    const guest = await dial()
    assert.equal(await guest.request(get, 'a'), 'a: 1')
    const numbers: number[] = []
    for await (const n of guest.newStream(count, 3)) numbers.push(n)
    assert.deepEqual(numbers, [1, 2, 3])
    assert.deepEqual([seen[0]?.host, seen[0]?.remote.role, seen[0]?.instance.length], ['guest:ops-ada', 'guest', 32])
    const denied = await rejection(guest.request(put, 'a'))
    assert.ok(RejectedError.is(denied))
    assert.deepEqual([denied.reason, denied.delivery], ['denied', 'notSent'])
    assert.equal(seen.length, 1)
    assert.deepEqual(
      [guest.host, guest.instance, guest.name, guest.state],
      [local, manager.instance, 'ops-ada', 'connected']
    )
    assert.deepEqual(guest.handlers.map(({ handler }) => handler).sort(), ['count', 'get', 'hold', 'put'])
  })

  it('meets the rule first, and then the interceptors of the manager and of the handler', async (test) => {
    const order: string[] = []
    const say = (name: string): HandlerInterceptor => ({
      single(_, next) {
        order.push(name)
        return next()
      }
    })
    const guests = { ...allowed, allow: () => order.push('allow') > 0 }
    const { dial, manager } = await open(test, { guests, interceptors: { handler: [say('manager')] } })
    manager.handle('own', () => new Uint8Array(), { interceptors: [say('handle')] })
    await (await dial()).request('own')
    assert.deepEqual(order, ['allow', 'manager', 'handle'])
  })

  it('is in no list of hosts, but in the stats, the events and the channels of the server', async (test) => {
    const { dial, manager } = await open(test)
    const published: unknown[] = []
    const keep = (event: { readonly host: string; readonly type: string }) => {
      if (event.host === 'guest:ops-ada') published.push(event.type)
    }
    channels.connection.subscribe(keep)
    test.after(() => void channels.connection.unsubscribe(keep))
    const guest = await dial()
    await guest.request(get, 'a')
    await until(() => manager.stats().guests[0]?.state === 'connected', 'it is ready there, too')
    assert.deepEqual([manager.hosts, manager.stats().connections.length], [[dialerName], 1])
    assert.throws(() => manager.connection('guest:ops-ada'), InvalidOptionError)
    const { guests, up, totals } = manager.stats()
    assert.deepEqual(
      guests.map(({ host, role, state, served }) => [host, role, state, served.calls]),
      [['guest:ops-ada', 'guest', 'connected', 1]]
    )
    assert.deepEqual([up, guest.stats().role, guest.stats().isDialer], [0, 'host', true])
    assert.ok(totals.messagesIn >= 1)
    await guest.close()
    await until(() => manager.stats().guests.length === 0, 'it has gone')
    assert.equal(manager.stats().totals.messagesIn, totals.messagesIn)
    const told = manager.recent.filter(({ host }) => host === 'guest:ops-ada')
    const hello = told.find(({ type }) => type === 'hello')
    assert.equal(hello?.type === 'hello' && hello.role, 'guest')
    assert.ok(told.some(({ type }) => type === 'close'))
    assert.deepEqual(
      published,
      told.map(({ type }) => type)
    )
  })

  it('does not see the server through introspection: true, but by a rule', async (test) => {
    for (const [introspect, outcome] of [
      [true, 'a rule does not allow this call of guest:ops-ada: introspection: true lets no guest in; give a function'],
      [(call: { readonly host: string }) => [local, 'guest:ops-ada'].includes(call.host), 'seen']
    ] as const) {
      const { dial, manager } = await open(test, { introspection: introspect })
      const look = introspection.on(await dial())
      const seen = await look.ping().then(
        () => 'seen',
        (error) => error.message
      )
      assert.equal(seen, outcome)
      assert.equal((await introspection.on(manager.connection(local)).ping()).instance, manager.instance)
    }
  })

  it('is seen by those that look in: what it calls, what is open of it, and what has become of it', async (test) => {
    const { dial, manager, seen, gate } = await open(test, { introspection: true })
    const guest = await dial()
    const running = guest.request(hold, 'a')
    await until(() => seen.length === 1, 'it runs')
    const look = introspection.on(manager.connection(local))
    const host = 'guest:ops-ada'
    const [caller] = await look.callers({ handler: hold.id })
    assert.deepEqual([caller?.host, caller?.open], [host, 1])
    for (const which of [{ host }, undefined]) {
      const open = (await look.streams(which)).filter((each) => each.host === host)
      assert.deepEqual(
        open.map(({ handler, side }) => [handler, side]),
        [[hold.id, 'handler']]
      )
    }
    gate.open()
    await running
    await guest.close()
    await until(() => manager.stats().guests.length === 0, 'it has gone')
    const types = (await look.recent({ host })).map(({ type }) => type)
    assert.ok(types.includes('hello') && types.includes('close'), types.join())
    assert.deepEqual(await look.streams({ host }), [])
  })

  it('of the same name as another one is another one', async (test) => {
    const { dial, manager } = await open(test)
    const [one, two] = [await dial(), await dial()]
    await two.request(get, 'a')
    assert.equal(await one.request(get, 'b'), 'b: 1')
    assert.deepEqual(
      manager.stats().guests.map(({ host, served }) => [host, served.calls]),
      [
        ['guest:ops-ada', 1],
        ['guest:ops-ada', 1]
      ]
    )
  })

  it('does not connect again when its conn is lost, and says so', async (test) => {
    const { dial, server, manager, seen } = await open(test)
    const guest = await dial()
    const running = rejection(guest.request(hold, 'a'))
    await until(() => seen.length === 1, 'it runs')
    server.cut()
    assert.equal((await running).delivery, 'maybeRan')
    const { how, error } = await guest.closed
    assert.deepEqual([how, (error as { reason?: string }).reason, guest.state], ['failed', 'lost', 'closed'])
    const late = await rejection(guest.request(get, 'a'))
    assert.ok(ClosedError.is(late))
    assert.match(late.message, /^the connection to http:\/\/\S+ was closed: /)
    assert.equal(late.delivery, 'notSent')
    await until(() => seen[0]?.signal.aborted === true, 'its handler hears of it')
    assert.equal(await settled(() => manager.stats().guests.length), 1, 'it counts while its handler runs')
  })

  it('hears of a shutdown, ends what it has begun, and is over', async (test) => {
    const { dial, manager, seen, gate } = await open(test)
    const guest = await dial()
    const running = guest.request(hold, 'a')
    await until(() => seen.length === 1, 'it runs')
    const closed = manager.close()
    await until(() => guest.state === 'closed' && seen[0]?.draining.aborted === true, 'both ends drain')
    assert.match((await rejection(guest.request(get, 'a'))).message, /is shutting down$/)
    gate.open()
    assert.equal(await running, 'a')
    await closed
    const { how, error } = await guest.closed
    assert.deepEqual([how, (error as { reason?: string }).reason], ['failed', 'shutdown'])
    assert.deepEqual(
      manager.stats().guests.map(({ session }) => session),
      []
    )
  })

  it('closes by itself, after its calls, and is gone', async (test) => {
    const { dial, manager, seen, gate } = await open(test)
    const guest = await dial()
    const running = guest.request(hold, 'a')
    await until(() => seen.length === 1, 'it runs')
    const closed = guest.close()
    assert.ok(ClosedError.is(await rejection(guest.request(get, 'a'))))
    gate.open()
    assert.equal(await running, 'a')
    await closed
    assert.deepEqual(await guest.closed, { how: 'ended' })
    await until(() => manager.stats().guests.length === 0, 'the server has none')
  })
})

describe('a server', () => {
  const refusal = async (dialed: Promise<unknown>) => {
    const error = await rejection(dialed)
    return RejectedError.is(error) ? error.reason : error.message
  }

  it('takes no guests by default', async (test) => {
    const { dial } = await open(test, { guests: undefined })
    assert.equal(await refusal(dial({ auth: secret })), 'noGuests')
    assert.equal(await refusal(dial()), 'authFailed')
  })

  it('takes those that its rule admits, and tells the others no more than that', async (test) => {
    const [asked, told]: [unknown[], string[]] = [[], []]
    const logger = { ...silentLogger, error: (text: string) => void told.push(text.replace(/\n {4}at .*/s, '')) }
    for (const admit of [
      () => false,
      () => 1 as never,
      () => {
        throw new Error('broken')
      },
      async () => {
        throw new Error('broken')
      }
    ]) {
      const { dial } = await open(test, { guests: { ...allowed, admit }, logger })
      const error = await rejection(dial())
      assert.equal(error.reason, 'guestRefused')
      assert.doesNotMatch(error.message, /broken/)
    }
    const why = ['it must answer true or false; its answer is 1', 'broken', 'broken']
    assert.deepEqual(
      told,
      why.map((text) => `guests.admit failed, guest:ops-ada is refused: ${text}`)
    )
    const { dial } = await open(test, { guests: { ...allowed, admit: async (remote) => asked.push(remote) > 0 } })
    await dial()
    const [remote] = asked as [Record<string, unknown>]
    assert.deepEqual([remote.host, remote.role, remote.identity], ['guest:ops-ada', 'guest', {}])
    assert.match(String(remote.address), /^127\.0\.0\.1:/)
  })

  it('takes so many guests at one time, and another one when one has gone', async (test) => {
    const { dial, manager } = await open(test, { guests: { ...allowed, max: 2 } })
    const [one] = [await dial({ name: 'one' }), await dial({ name: 'two' })]
    assert.equal(await refusal(dial({ name: 'three' })), 'tooManyGuests')
    await one?.close()
    await until(() => manager.stats().guests.length === 1, 'one has gone')
    await dial({ name: 'three' })
  })

  it('counts a guest that has gone while its handlers run: coming again and again gives it no more of them', async (test) => {
    const limits = { maxInboundStreams: 2 }
    const { dial, manager, seen, gate } = await open(test, { guests: { ...allowed, max: 1, limits } })
    const guest = await dial()
    const calls = [rejection(guest.request(hold, 'a')), rejection(guest.request(hold, 'b'))]
    await until(() => seen.length === 2, 'they run')
    assert.equal(await refusal(guest.request(get, 'a')), 'tooManyStreams')
    await guest.close({ timeout: 1 })
    await Promise.all(calls)
    await until(() => manager.stats().guests[0]?.state === 'closed', 'the server knows')
    assert.equal(await settled(() => manager.stats().guests.length), 1)
    assert.equal(await refusal(dial({ name: 'other' })), 'tooManyGuests')
    gate.open()
    await until(() => manager.stats().guests.length === 0, 'nothing runs')
    await dial({ name: 'other' })
  })

  it('lets go of a guest whose call its rule never decides on, when that has gone, and refuses the call in the time of a handshake', async (test) => {
    const [asked, told]: [string[], string[]] = [[], []]
    const logger = { ...silentLogger, error: (text: string) => void told.push(text) }
    const undecided = () => new Promise<boolean>(() => {})
    const allow = ({ handler }: { readonly handler: string }) => (asked.push(handler) > 0 ? undecided() : true)
    const { dial, manager } = await open(test, { guests: { ...allowed, allow, max: 1 }, logger })
    for (const [n, call] of [get, count].entries()) {
      const guest = await dial()
      const going = call === get ? guest.request(get, 'a') : guest.newStream(count, 3).responses.next()
      const gone = assert.rejects(Promise.resolve(going))
      await until(() => asked.length === n + 1, 'it is asked')
      await guest.close({ timeout: 1 })
      await gone
      await until(() => manager.stats().guests.length === 0, 'nothing runs for it')
    }
    const limits = { handshakeTimeoutMs: paced(1000) }
    const short = await open(test, { guests: { ...allowed, allow }, limits, logger })
    const guest = await short.dial()
    const calls = [guest.request(get, 'a'), guest.newStream(count, 3).responses.next()]
    assert.deepEqual(await Promise.all(calls.map((call) => refusal(Promise.resolve(call)))), ['denied', 'denied'])
    assert.match(
      told.at(-1) ?? '',
      /guests\.allow has not answered within \d+ ms: the call of \w+ by guest:ops-ada is refused/
    )
    assert.equal(short.manager.stats().guests[0]?.session?.runningHandlers, 0)
  })

  it('tells its server of a rule that fails, or that answers neither true nor false, at once and later', async (test) => {
    const told: string[] = []
    const logger = { ...silentLogger, error: (text: string) => void told.push(text) }
    const fail = () => {
      throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    }
    const answer = 'guests.allow must answer true or false; its answer is undefined'
    const rules: readonly (readonly [allow: () => never, text: string])[] = [
      [fail, 'Error: guests.allow threw: connect ECONNREFUSED'],
      [(async () => fail()) as never, 'Error: guests.allow threw: connect ECONNREFUSED'],
      [(() => undefined) as never, `InvalidOptionError: ${answer}`],
      [(async () => undefined) as never, `InvalidOptionError: ${answer}`]
    ]
    for (const [allow, text] of rules) {
      const { dial } = await open(test, { guests: { ...allowed, allow }, logger })
      assert.equal(await refusal((await dial()).request(get, 'a')), 'denied')
      const [line] = (told.pop() ?? '').split('\n')
      assert.deepEqual([line, told], [`the handler "get" failed at a call of guest:ops-ada by ${text}`, []])
    }
  })

  it('has told of a rule that has not decided for a second also a call that has ended before it is refused', async (test) => {
    let asked = 0
    const told: string[] = []
    const logger = { ...silentLogger, error: (text: string) => void told.push(text) }
    const allow = () => new Promise<boolean>(() => void asked++)
    const { dial, manager } = await open(test, { guests: { ...allowed, allow }, logger })
    const guest = await dial()
    const callFor = async (ms: number) => {
      const stop = new AbortController()
      const [count, call] = [asked, rejection(guest.request(get, 'a', { signal: stop.signal }))]
      await until(() => asked > count, 'it is asked')
      // From here on the rule certainly waits.
      const sinceMs = performance.now()
      await until(() => performance.now() - sinceMs >= ms, 'it has waited')
      stop.abort()
      await call
      await until(() => manager.stats().guests[0]?.session?.runningHandlers === 0, 'the server knows')
    }
    await callFor(0)
    assert.deepEqual(told, [])
    await callFor(1010)
    await callFor(0)
    assert.equal(told.length, 1, told.join())
    assert.match(
      told[0] ?? '',
      /^the handler "get" failed at a call of guest:ops-ada by InvalidOptionError: guests\.allow had not decided after \d{4,} ms, when the call ended\n/
    )
  })

  it('has a rule that does not answer told once a minute, however often it answers in between', async (test) => {
    const told: string[] = []
    const logger = { ...silentLogger, error: (text: string) => void told.push(text) }
    const allow = async ({ handler }: { readonly handler: string }) =>
      handler === put.id || new Promise<boolean>(() => {})
    const limits = { handshakeTimeoutMs: paced(200) }
    const { dial } = await open(test, { guests: { ...allowed, allow }, limits, logger })
    const guest = await dial()
    const callBoth = async () => {
      assert.equal(await refusal(guest.request(get, 'a')), 'denied')
      assert.equal(await guest.request(put, 'a'), 'a')
    }
    for (let n = 0; n < 3; n++) await callBoth()
    assert.equal(told.length, 1, told.join())
    const now = performance.now.bind(performance)
    test.mock.method(performance, 'now', () => now() + 60_000)
    await callBoth()
    assert.equal(told.length, 2, told.join())
  })

  it('lets go of a guest whose handlers have ended, while those of another one with its name run', async (test) => {
    const { dial, manager, seen, gate } = await open(test, { guests: { ...allowed, max: 2 } })
    const call = (await dial()).request(hold, 'a')
    await until(() => seen.length === 1, 'it runs')
    for (let n = 0; n < 3; n++) {
      await (await dial()).close()
      await until(() => manager.stats().guests.length === 1, 'it has gone')
    }
    gate.open()
    assert.equal(await call, 'a')
  })

  it('counts the handlers of a guest also when another one with its name has gone before', async (test) => {
    const { dial, manager, seen, gate } = await open(test)
    const [first, guest] = [await dial(), await dial()]
    await first.close()
    await until(() => manager.stats().guests.length === 1, 'the first one has gone')
    const call = rejection(guest.request(hold, 'a'))
    await until(() => seen.length === 1, 'it runs')
    await guest.close({ timeout: 1 })
    await call
    await until(() => manager.stats().guests[0]?.state !== 'connected', 'the server knows')
    assert.equal(await settled(() => manager.stats().guests.length), 1)
    gate.open()
    await until(() => manager.stats().guests.length === 0, 'nothing runs')
  })

  it('counts the handlers of a guest also when its list of hosts has changed meanwhile', async (test) => {
    const lists = pushable<string[]>({ objectMode: true })
    lists.push([local])
    const { dial, manager, seen, gate } = await open(test, { hosts: lists })
    await manager.ready
    const guest = await dial()
    lists.push([local, dialerName])
    await until(() => manager.hosts.length === 1, 'there is another list')
    const call = rejection(guest.request(hold, 'a'))
    await until(() => seen.length === 1, 'it runs')
    await guest.close({ timeout: 1 })
    await call
    await until(() => manager.stats().guests[0]?.state === 'closed', 'the server knows')
    assert.equal(await settled(() => manager.stats().guests.length), 1)
    gate.open()
    await until(() => manager.stats().guests.length === 0, 'nothing runs')
  })

  it('knows a guest by its certificate, where that is how servers prove themselves', async (test) => {
    const authority = await makeAuthority('of the specs')
    const own = await authority.issue(['localhost'])
    const server = createTlsServer({ ...own, ca: authority.cert, requestCert: true })
    const servers = new Servers(test)
    const { port } = await servers.watch(new TestServer(server as never)).listen(0, 'localhost')
    const name = `https://localhost:${port}`
    const manager = servers.manager({ local: name, hosts: [name], auth: mutualTLS(), guests: { allow: () => true } })
    manager.handle(
      get,
      (key, { host, remote }) => `${key} for ${host}: ${(remote.identity.claims as CertificateClaims).subject}`
    )
    manager.attach(server)
    const dial = async (names: string[]) => {
      const { key, cert } = await authority.issue(names)
      const dialer = connectWS({ tls: { key, cert, ca: authority.cert } })
      const guest = await dialGuest(name, { auth: mutualTLS(), name: 'ops-ada', dialer, logger: silentLogger })
      servers.onEnd(() => guest.close({ timeout: 1 }))
      return guest
    }
    const guest = await dial(['ops-ada.guest.invalid'])
    assert.equal(await guest.request(get, 'a'), 'a for guest:ops-ada: CN=ops-ada.guest.invalid')
    assert.equal(await refusal(dial(['ops-eve.guest.invalid'])), 'authFailed')
    assert.equal(await refusal(dial(['localhost'])), 'authFailed')
  })

  it('with another secret for guests takes no host that has it, and no guest that has that of hosts', async (test) => {
    const { dial, servers } = await open(test)
    assert.equal(await refusal(dial({ auth: secret })), 'authFailed')
    const other = servers.manager({ local: dialerName, hosts: [local, dialerName], auth: guestSecret })
    const connection = other.connection(local)
    await until(() => connection.lastError !== undefined, 'it was refused')
    assert.equal((connection.lastError as RejectedError).reason, 'authFailed')
  })

  it('refuses names of guests as hosts, and names that are none as guests', async (test) => {
    const { dial, servers } = await open(test)
    const host = 'https://ops.guest.invalid'
    assert.throws(() => servers.manager({ local, hosts: [local, host] }), /is a name of guests/)
    assert.throws(() => servers.manager({ local: host, hosts: [local] }), /is a name of guests/)
    for (const name of ['', 'A', 'a b', '-a', 'a-', 'ä', 'x'.repeat(64), 'a/b', 'xn--a']) {
      await assert.rejects(dial({ name }), /the name of a guest/, name)
    }
    for (const name of ['a', 'ops-ada.2', 'x'.repeat(63), '10.0.0.1', 'a_b']) await (await dial({ name })).close()
  })

  it('says what is wrong with options of guests', async (test) => {
    const { servers, dial } = await open(test)
    const make = (guests: unknown) => () =>
      servers.manager({ local, hosts: [local], guests: guests as GuestsOptions }) && undefined
    assert.throws(make({}), /guests\.allow is required/)
    assert.throws(make(true), /guests must be an object/)
    assert.throws(make({ allow: true }), /guests\.allow must be a function/)
    assert.throws(make({ ...allowed, max: 0 }), /guests\.max must be a whole number/)
    assert.throws(make({ ...allowed, limits: { handshakeTimeoutMs: 1 } }), /handshakeTimeoutMs/)
    assert.throws(make({ ...allowed, limit: 1 }), /did you mean "limits"/)
    await assert.rejects(dial({ auth: undefined as never }), /auth of dialGuest\(\) is required/)
    await assert.rejects(dial({ timeout: 0 }), /timeout of dialGuest\(\) must be above 0/)
  })
})
