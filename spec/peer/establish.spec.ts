/** Conns, dialers, authentication and loggers of the user that throw, wherever they are called: nothing is held for them. */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { type Auth, type Conn, type ConnDialer, connectDuplex, type Logger, memoryPair } from '../../lib/index.ts'
import { spend } from '../support/clock/machine.ts'
import { LogBook, namesInOrder, secret, testManager } from '../support/grid/manager.ts'
import { settled, until } from '../support/until.ts'

const [dialerName, listenerName] = namesInOrder()
const hosts = [dialerName, listenerName]
const maxPendingHandshakes = 2

function fail(): never {
  throw new Error('broken')
}

async function failLater(): Promise<never> {
  throw new Error('broken')
}

/** A silent conn with some of its members replaced; those in `getters` throw when they are read. */
function broken(members: Partial<Record<keyof Conn, unknown>>, getters: readonly (keyof Conn)[] = []): Conn {
  let cut = (_error: Error) => {}
  const lost = new Promise<never>((_, reject) => {
    cut = reject
  })
  lost.catch(() => undefined)
  const conn: Conn = {
    source: { [Symbol.asyncIterator]: () => ({ next: () => lost }) },
    sink: () => lost,
    secure: true,
    remoteAddress: 'own',
    limitInbound() {},
    close: () => cut(new Error('closed')),
    abort: (error) => cut(error)
  }
  for (const [name, value] of Object.entries(members)) Object.defineProperty(conn, name, { value })
  for (const name of getters) Object.defineProperty(conn, name, { get: fail })
  return conn
}

/** A listener whose peer dials over memory, if it may. */
function listener(test: TestContext, options: { auth?: Auth; logger?: Logger } = {}) {
  const log = new LogBook()
  const limits = { maxPendingHandshakes }
  const manager = testManager({ local: listenerName, hosts, limits, logger: log, ...options })
  test.after(() => manager.close())
  const join = async () => {
    const dialer: ConnDialer = async () => {
      const [mine, theirs] = memoryPair()
      manager.incomingConn(theirs)
      return mine
    }
    const peer = testManager({ local: dialerName, hosts, dialer })
    test.after(() => peer.close())
    await peer.connection(listenerName).waitForConnect()
    await manager.connection(dialerName).waitForConnect()
    return peer
  }
  return { manager, log, join }
}

/** Rejections and exceptions that nothing caught, until the spec ends. */
function uncaught(test: TestContext): unknown[] {
  const errors: unknown[] = []
  const keep = (error: unknown) => errors.push(error)
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    const others = process.listeners(event as 'uncaughtException')
    process.removeAllListeners(event).on(event, keep)
    test.after(() => {
      process.removeAllListeners(event)
      for (const other of others) process.on(event, other as () => void)
    })
  }
  return errors
}

const badConns: readonly (readonly [title: string, conn: () => unknown])[] = [
  ['undefined', () => undefined],
  ['an empty object', () => ({})],
  ['a conn whose source is no iterable', () => broken({ source: [] })],
  ['a conn whose source throws', () => broken({ source: { [Symbol.asyncIterator]: fail } })],
  ['a conn whose source has no next()', () => broken({ source: { [Symbol.asyncIterator]: () => ({}) } })],
  [
    'a conn whose source rejects with undefined',
    () => broken({ source: { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject() }) } })
  ],
  [
    'a conn whose messages are no bytes',
    () =>
      broken({
        source: (async function* () {
          yield 'text'
        })()
      })
  ],
  ['a conn whose sink is no function', () => broken({ sink: 'none' })],
  ['a conn whose sink throws', () => broken({ sink: fail })],
  ['a conn whose sink rejects', () => broken({ sink: failLater })],
  ['a conn whose sink returns nothing', () => broken({ sink: () => undefined, source: (async function* () {})() })],
  ['a conn whose limitInbound throws', () => broken({ limitInbound: fail })],
  ['a conn whose limitInbound is no function', () => broken({ limitInbound: 5 })],
  ['a conn whose close and abort throw', () => broken({ close: fail, abort: fail, limitInbound: fail })],
  ['a conn whose close and abort reject', () => broken({ close: failLater, abort: failLater, limitInbound: fail })],
  ['a conn whose address is a symbol', () => broken({ remoteAddress: Symbol('here'), limitInbound: fail })],
  ...(['source', 'sink', 'secure', 'remoteAddress', 'limitInbound', 'close', 'abort'] as const).map(
    (name) => [`a conn whose ${name} throws when it is read`, () => broken({}, [name])] as const
  )
]

describe('incomingConn', () => {
  for (const [title, make] of badConns) {
    it(`refuses ${title}, holds nothing for it and keeps no honest peer out`, async (test) => {
      const { manager, log, join } = listener(test)
      const errors = uncaught(test)
      for (let count = 0; count <= maxPendingHandshakes; count++) {
        manager.incomingConn(make() as Conn)
        assert.ok(manager.stats().pendingHandshakes <= maxPendingHandshakes)
      }
      await join()
      await until(() => manager.stats().pendingHandshakes === 0, 'none is pending')
      await settled(() => errors.length)
      assert.deepEqual(errors, [])
      assert.ok(manager.stats().refusedHandshakes > maxPendingHandshakes)
      assert.ok(log.warnings(/refused a conn from/).length > 0)
    })
  }

  it('holds no more silent conns than may be pending, however many were accepted before', async (test) => {
    const { manager, join } = listener(test)
    for (let count = 0; count <= maxPendingHandshakes; count++) await (await join()).close()
    for (let count = 0; count < 5 * maxPendingHandshakes; count++) {
      manager.incomingConn(broken({}))
      assert.ok(manager.stats().pendingHandshakes <= maxPendingHandshakes)
    }
    await join()
  })

  it('refuses a conn that it was given before', async (test) => {
    const { manager, join } = listener(test)
    const [conn] = memoryPair()
    for (let count = 0; count <= maxPendingHandshakes; count++) manager.incomingConn(conn)
    await join()
    await until(() => manager.stats().pendingHandshakes === 0, 'none is pending')
  })
})

describe('an authentication that throws', () => {
  const broken: Auth[] = [
    { prove: fail, verify: fail },
    { prove: failLater, verify: failLater },
    {
      prove: secret.prove,
      verify: () => ({
        get expiresAt(): number {
          return fail()
        }
      })
    }
  ]
  for (const [at, auth] of broken.entries()) {
    it(`fails the handshake only (${at + 1} of ${broken.length})`, async (test) => {
      const { manager } = listener(test, { auth })
      const errors = uncaught(test)
      const peer = testManager({
        ...{ local: dialerName, hosts },
        dialer: async () => {
          const [mine, theirs] = memoryPair()
          manager.incomingConn(theirs)
          return mine
        }
      })
      test.after(() => peer.close())
      await until(() => manager.stats().refusedHandshakes > maxPendingHandshakes, 'it is refused again and again')
      await peer.close()
      await until(() => manager.stats().pendingHandshakes === 0, 'none is pending')
      assert.deepEqual(errors, [])
    })
  }
})

it('an identity whose properties change, or throw when they are read again, is read once', async (test) => {
  const errors = uncaught(test)
  const reads: string[] = []
  const once = (name: string, value: unknown) => ({
    get: () => {
      if (reads.includes(name)) fail()
      reads.push(name)
      return value
    }
  })
  const identityOf = (end: string) =>
    Object.defineProperties(
      {},
      {
        expiresAt: once(`${end} expiresAt`, Date.now() + 1_000_000),
        claims: once(`${end} claims`, end)
      }
    )
  const authOf = (end: string): Auth => ({ prove: secret.prove, verify: () => identityOf(end) })
  const { manager } = listener(test, { auth: authOf('dialer') })
  let identity: unknown
  manager.handle('who', (payload, { remote }) => {
    identity = remote.identity
    return payload
  })
  const dialer: ConnDialer = async () => {
    const [mine, theirs] = memoryPair()
    manager.incomingConn(theirs)
    return mine
  }
  const peer = testManager({ local: dialerName, hosts, dialer, auth: authOf('listener') })
  test.after(() => peer.close())
  await peer.connection(listenerName).request('who', undefined, { waitForReady: true })
  assert.deepEqual(
    reads.toSorted(),
    ['dialer', 'listener'].flatMap((end) => [`${end} claims`, `${end} expiresAt`])
  )
  assert.equal((identity as { claims: unknown }).claims, 'dialer')
  assert.deepEqual([manager.stats().pendingHandshakes, peer.stats().pendingHandshakes, errors], [0, 0, []])
})

describe('a dialer', () => {
  const hostile = new Proxy(new Error('hidden'), { getPrototypeOf: fail, get: fail, has: fail })
  const dialers: readonly (readonly [title: string, dialer: () => unknown, text: RegExp])[] = [
    ['that throws', fail, /broken/],
    ['that rejects', failLater, /broken/],
    ['that rejects with undefined', () => Promise.reject(), /undefined/],
    ['that rejects with what cannot be read', () => Promise.reject(hostile), /without a readable message/],
    ['that gives nothing', () => undefined, /not a conn/],
    ['that gives something else', async () => ({ close: fail }), /not a conn/],
    ['that gives a conn that throws', async () => broken({ sink: fail, abort: fail }), /broken/],
    [
      'that gives a conn that cannot be closed',
      async () => broken({ close: fail, source: [][Symbol.iterator]() }),
      /conn/
    ],
    [
      'of duplexes that gives none',
      () => connectDuplex(() => ({ connecting: true }) as never)('x', options()),
      /connect/
    ]
  ]
  for (const [title, dialer, text] of dialers) {
    it(`${title} is asked again, and its error is told`, async (test) => {
      const errors = uncaught(test)
      let dials = 0
      const manager = testManager({
        ...{ local: dialerName, hosts },
        dialer: () => {
          dials++
          return dialer() as Promise<Conn>
        }
      })
      test.after(() => manager.close())
      await until(() => dials > 2, 'it was asked again')
      const connection = manager.connection(listenerName)
      assert.match(connection.lastError?.message ?? '', text)
      await assert.rejects(connection.request('any'), { name: 'DisconnectedError', delivery: 'notSent', message: text })
      await manager.close()
      await settled(() => errors.length)
      assert.deepEqual(errors, [])
    })
  }

  it('that gives a conn once it was given up has it aborted', async () => {
    let give = (_conn: unknown) => {}
    const dialer = () =>
      new Promise<Conn>((resolve) => {
        give = resolve as typeof give
      })
    const manager = testManager({ ...{ local: dialerName, hosts }, dialer })
    await until(() => manager.connection(listenerName).state === 'connecting', 'it dials')
    await manager.close()
    const aborted: Error[] = []
    give(broken({ abort: (error: Error) => aborted.push(error) }))
    await until(() => aborted.length > 0, 'it is aborted')
    assert.deepEqual(
      aborted.map(({ message }) => message),
      ['the dial was given up']
    )
  })

  it('that gives something else than a conn once it was given up harms nothing', async (test) => {
    const errors = uncaught(test)
    let give = (_conn: unknown) => {}
    const manager = testManager({
      ...{ local: dialerName, hosts },
      dialer: () =>
        new Promise((resolve) => {
          give = resolve as typeof give
        })
    })
    await until(() => manager.connection(listenerName).state === 'connecting', 'it dials')
    await manager.close()
    give(undefined)
    await settled(() => errors.length)
    assert.deepEqual(errors, [])
  })
})

function options() {
  return { signal: new AbortController().signal, path: '/', maxConnMessageBytes: 1000 }
}

/** A conn in use, and what its members give from then on. */
function wearing(conn: Conn, members: PropertyDescriptorMap): Conn {
  const own: Conn = {
    ...{ source: conn.source, sink: (source) => conn.sink(source), secure: true, remoteAddress: 'own' },
    ...{ close: (reason) => conn.close(reason), abort: (error) => conn.abort(error) }
  }
  return Object.defineProperties(own, members)
}

describe('a conn that breaks after its handshake', () => {
  const arrived: Record<string, () => unknown> = {
    throws: fail,
    'is a bigint': () => 5n,
    'is a symbol': () => Symbol('many'),
    'is no number': () => Number.NaN,
    'is an object': () => ({ valueOf: fail })
  }
  for (const [how, get] of Object.entries(arrived)) {
    it(`in that its arrivedBytes ${how} has its deadlines, again and again, and ends no process`, async (test) => {
      const { manager } = listener(test)
      const errors = uncaught(test)
      manager.handle('hang', () => new Promise<never>(() => undefined))
      const dialer: ConnDialer = async () => {
        const [mine, theirs] = memoryPair()
        manager.incomingConn(theirs)
        return wearing(mine, { arrivedBytes: { get }, releasedMessages: { get } })
      }
      const peer = testManager({ local: dialerName, hosts, dialer, keepAlive: { intervalMs: 1000 } })
      test.after(() => peer.close({ timeout: 1 }))
      const connection = peer.connection(listenerName)
      await connection.waitForConnect()
      for (let call = 0; call < 3; call++) {
        await assert.rejects(connection.request('hang', undefined, { timeout: 5 }), { name: 'DeadlineError' })
        // A timer that is late looks at what has arrived.
        const call = connection.request('hang', undefined, { timeout: 5 })
        spend(15)
        await assert.rejects(call, { name: 'DeadlineError' })
      }
      assert.deepEqual(errors, [])
      assert.equal(connection.stats().reconnects, 0)
    })
  }

  for (const [what, junk] of Object.entries({ 'a number': 5, 'a text': 'text', nothing: undefined })) {
    it(`in that it gives ${what} in place of a message is lost, and dialed again`, async (test) => {
      const { manager } = listener(test)
      const errors = uncaught(test)
      manager.handle('hang', () => new Promise<never>(() => undefined))
      let breakConn = () => {}
      const dialer: ConnDialer = async () => {
        const [mine, theirs] = memoryPair()
        manager.incomingConn(theirs)
        const inner = mine.source[Symbol.asyncIterator]()
        const broken = new Promise<IteratorResult<Uint8Array>>((resolve) => {
          breakConn = () => resolve({ done: false, value: junk as unknown as Uint8Array })
        })
        const next = () => Promise.race([inner.next(), broken])
        return wearing(mine, { source: { value: { [Symbol.asyncIterator]: () => ({ next }) } } })
      }
      const peer = testManager({ local: dialerName, hosts, dialer })
      test.after(() => peer.close({ timeout: 1 }))
      const connection = peer.connection(listenerName)
      await connection.waitForConnect()
      const call = connection.request('hang', undefined, { waitForReady: true })
      await until(() => manager.connection(dialerName).stats().session?.runningHandlers === 1, 'it runs')
      breakConn()
      await assert.rejects(call, { name: 'DisconnectedError', reason: 'lost', message: /something else than bytes/ })
      await until(() => connection.stats().reconnects === 1, 'it is dialed again')
      assert.ok(connection.stats().totals.bytesIn > 0)
      assert.deepEqual(errors, [])
    })
  }
})

it('a logger that throws or rejects stops nothing', async (test) => {
  const errors = uncaught(test)
  for (const write of [fail, failLater]) {
    const { manager, join } = listener(test, { logger: { debug: write, info: write, warn: write, error: write } })
    for (let count = 0; count <= maxPendingHandshakes; count++) manager.incomingConn({} as Conn)
    await join()
    assert.equal(manager.stats().pendingHandshakes, 0)
  }
  await settled(() => errors.length)
  assert.deepEqual(errors, [])
})
