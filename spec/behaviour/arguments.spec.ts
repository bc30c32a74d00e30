/**
 * What a program without types may give by mistake: each function refuses it at once, and says what is wrong and what is
 * right.
 */

import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { afterEach, describe, it } from 'node:test'
import * as grid from '../../lib/index.ts'
import { LogBook, secret, testManager } from '../support/grid/manager.ts'
import { rejection } from '../support/grid/servers.ts'

type Wrong = readonly [what: string, run: () => unknown, text: RegExp | string]

const local = 'http://a.test'
const manager = () => testManager({ local, hosts: [local] })
// biome-ignore format: one function a line
const {
  Manager, bytes, connectDuplex, connectWS, dialerOf, duplexConn, field, json, memoryPair, mutualTLS, sharedSecret, single,
  streaming, tuple, webSocketConn
} = grid as unknown as Record<string, (...args: unknown[]) => unknown> & {
  Manager: new (options?: unknown) => unknown
  field: Record<string, (...args: unknown[]) => unknown>
}
const make = (options?: unknown) => new Manager(options)
const good = { local, hosts: [local], auth: secret }
const codec = (bytes as () => unknown)()

class Options {
  get timeout() {
    return 5
  }
}

const definitions: Wrong[] = [
  ['no id', () => single?.(), 'a handler id must be a string; it is undefined'],
  ['an id that is a number', () => single?.(7), 'a handler id must be a string; it is 7'],
  ['an empty id', () => streaming?.('', { inCapacity: 0 }), 'a handler id must not be empty'],
  ['NUL in an id', () => single?.('a\0b'), /must not contain NUL/],
  ['half a character in an id', () => single?.('\ud800'), /well-formed Unicode/],
  [
    'a codec in the place of options',
    () => single?.('a', codec),
    /^single\(\) has no option "encode"; it has request, resp/
  ],
  ['an option that does not exist', () => single?.('a', { reply: codec }), /^single\(\) has no option "reply"/],
  [
    'an option of another function',
    () => single?.('a', { inCapacity: 0 }),
    /"inCapacity" \(it belongs in streaming\(\)\)/
  ],
  ['an option that is spelled wrong', () => streaming?.('a', { incapacity: 0 }), /\(did you mean "inCapacity"\?\)/],
  [
    'a capacity as text',
    () => streaming?.('a', { outCapacity: '8' }),
    /^outCapacity of streaming\(\) must .* the string "8"$/
  ],
  ['a capacity of NaN', () => streaming?.('a', { inCapacity: Number.NaN }), /from 0 to 65535; it is NaN$/],
  [
    'a codec that was not called',
    () => single?.('a', { request: json }),
    /^request of single\(\) must be a codec, .* a function$/
  ],
  [
    'options that are no object',
    () => single?.('a', 'json'),
    'the options of single() must be an object; they are a string'
  ],
  ['a field that is none', () => field?.array?.(String), /^the argument of field\.array\(\) is not a field/],
  ['a codec as a field', () => field?.nullable?.(codec), /^the argument of field\.nullable\(\) is not a field/],
  ['no field', () => field?.optional?.(), /is not a field: .*; it is undefined$/],
  ['fields in a list', () => tuple?.([codec]), 'the first argument of tuple() must be an object; it is an array'],
  ['no fields', () => tuple?.(), 'the first argument of tuple() must be an object; it is undefined']
]

const conns: Wrong[] = [
  [
    'a certificate',
    () => connectWS?.({ ca: 'pem' }),
    /^connectWS\(\) has no option "ca" \(it belongs in tls: \{ ca \}\); it has he/
  ],
  [
    'headers that are a text',
    () => connectWS?.({ headers: 'a: b' }),
    'headers of connectWS() must be an object of names and texts that HTTP allows; it is a string'
  ],
  [
    'headers as the web has them',
    () => connectWS?.({ headers: new Headers({ a: 'b' }) }),
    /^headers of .*; it is a Headers$/
  ],
  ['headers in a list', () => connectWS?.({ headers: [['a', 'b']] }), /^headers of connectWS\(\) .*; it is an array$/],
  ['a header that is undefined', () => connectWS?.({ headers: { authorization: undefined } }), /^headers of connectWS/],
  ['a header of two lines', () => connectWS?.({ headers: { a: 'b\r\nc: d' } }), /^headers of connectWS/],
  ['a header without a name', () => connectWS?.({ headers: { 'a b': 'c' } }), /^headers of connectWS/],
  [
    'an agent of another kind',
    () => connectWS?.({ agent: { dispatch: () => true } }),
    /^agent .* must be an http\.Agent or/
  ],
  ['tls in a list', () => connectWS?.({ tls: [{ ca: 'pem' }] }), /^tls of connectWS\(\) .*; it is an array$/],
  ['a mask that is no boolean', () => connectWS?.({ mask: 1 }), 'mask of connectWS() must be a boolean; it is 1'],
  [
    'a mark below 0',
    () => connectWS?.({ highWaterMarkBytes: -1 }),
    /must be a whole number from 0 to 2\^31-1; it is -1$/
  ],
  [
    'tls that is true',
    () => connectWS?.({ tls: true }),
    /^tls of connectWS\(\) must be the options of tls\.connect, or/
  ],
  ['no function', () => connectDuplex?.(), 'the first argument of connectDuplex() must be a function; it is undefined'],
  [
    'an option',
    () => connectDuplex?.(() => 0, { secured: true }),
    /^connectDuplex\(\) has no option "secured" .*"secure"/
  ],
  [
    'no stream',
    () => duplexConn?.(new EventEmitter()),
    /^the first .* duplexConn\(\) must be a Duplex of Node; it is an Ev/
  ],
  [
    'a text of duplexConn',
    () => duplexConn?.(new PassThrough(), { remoteAddress: 7 }),
    /remoteAddress .* a string; it is 7$/
  ],
  [
    'no WebSocket',
    () => webSocketConn?.({}, { secure: true, remoteAddress: 'a' }),
    /must be a WebSocket of the package ws/
  ],
  ['a capacity of 0', () => memoryPair?.({ capacity: 0 }), /^capacity of memoryPair\(\) must be a whole number from 1/],
  [
    'an option of memoryPair',
    () => memoryPair?.({ size: 1 }),
    /has no option "size"; it has capacity, secure, log, yields$/
  ],
  [
    'a certificate for the proof',
    () => mutualTLS?.({ cert: 'pem' }),
    /"cert" \(it belongs in dialer: connectWS\(\{ tls/
  ],
  [
    'isFor that is a list',
    () => mutualTLS?.({ isFor: ['a'] }),
    'isFor of mutualTLS() must be a function; it is an array'
  ],
  ['a secret that is a number', () => sharedSecret?.(5), /^sharedSecret: a secret must be/],
  ['a host that is none', () => dialerOf?.('http://a', 5), 'a host must be a string; it is 5']
]

const ofManager: Wrong[] = [
  [
    'no options',
    () => make(),
    'local is required: it must be the name of this server, an origin such as https://node-1:9000'
  ],
  [
    'an option that does not exist',
    () => make({ ...good, hostList: [] }),
    /^Manager has no option "hostList".*; it has local, hosts/
  ],
  ['a limit outside of limits', () => make({ ...good, maxHandlers: 5 }), /\(it belongs in limits: \{ maxHandlers \}\)/],
  [
    'a time outside of its group',
    () => make({ ...good, intervalMs: 5 }),
    /\(it belongs in keepAlive: \{ intervalMs \}\)/
  ],
  [
    'a secret',
    () => make({ ...good, secret: 'abc' }),
    /^Manager has no option "secret" \(use auth: sharedSecret\(secret\)\)/
  ],
  ['a secret as auth', () => make({ ...good, auth: 'hunter2' }), /^auth must be sharedSecret\(.*; it is a string$/],
  [
    'a function as auth',
    () => make({ ...good, auth: sharedSecret }),
    /^auth must be sharedSecret\(.*; it is a function$/
  ],
  ['null for an option', () => make({ ...good, logger: null }), /^logger must have the methods .*; it is null$/],
  [
    'null for a group',
    () => make({ ...good, reconnect: null }),
    'the options of reconnect must be an object; they are null'
  ],
  [
    'an inherited option',
    () => make(Object.create(good)),
    'local is inherited: options must be own properties, as in { ...options }'
  ],
  ['a list of options', () => make([good]), 'the options of Manager must be an object; they are an array'],
  [
    'an address to listen on as its name',
    () => make({ ...good, local: 'http://0.0.0.0:9000' }),
    /is an address to listen on/
  ],
  [
    'such an address in IPv6',
    () => make({ ...good, hosts: [local, 'http://[::]:9000'] }),
    /name the server as the others/
  ],
  [
    'such an address, shortened',
    () => make({ ...good, local: 'ws://0:9000' }),
    /^http:\/\/0\.0\.0\.0:9000 is an address to/
  ],
  [
    'a name with a path',
    () => make({ ...good, local: 'https://user:secret@a.test/grid?token=secret' }),
    /^local "…@a\.test\/grid…" is more than a host: a host has a scheme, a name and a port only, without/
  ],
  [
    'a host with a path',
    () => make({ ...good, hosts: [local, 'http://b.test/grid'] }),
    /^hosts: host "http:\/\/b\.test\/grid" is more than a host: a host has a scheme, a name and a port only/
  ],
  [
    'one string as all hosts',
    () => make({ ...good, hosts: local }),
    /^hosts must be an iterable of.*; it is a string$/
  ],
  [
    'a path without a slash',
    () => make({ ...good, path: 'grid' }),
    /^path must be a URL path such as \/grid\/v1: .* slash/
  ],
  [
    'a secret that is not set',
    () => sharedSecret?.(undefined),
    'sharedSecret: a secret must be a string or a Uint8Array; it is undefined'
  ],
  ['port 0', () => make({ ...good, local: 'http://a.test:0' }), 'http://a.test:0 has no port that others can dial']
]

const methods: ((on: grid.Manager) => Wrong[])[] = [
  (on) => {
    const handle = on.handle.bind(on) as (...args: unknown[]) => void
    const answer = () => undefined
    const close = on.close.bind(on) as (options: unknown) => unknown
    const upgrade = on.handleUpgrade.bind(on) as (...args: unknown[]) => void
    const socket = new Socket()
    const request = new IncomingMessage(socket)
    const head = Buffer.alloc(0)
    return [
      [
        'handle: no definition',
        () => handle(undefined, answer),
        /^the first argument of handle\(\) must be a definition.*; it is und/
      ],
      [
        'handle: a codec',
        () => handle(codec, answer),
        /made by single\(\) or streaming\(\), or the id of a raw handler; it is an/
      ],
      [
        'handle: an id of a definition by hand',
        () => handle({ ...grid.single('a'), id: 5 }, answer),
        'a handler id must be a string; it is 5'
      ],
      ['handle: no codec in it', () => handle({ kind: 'single', id: 'a' }, answer), /^request of "a" must be a codec/],
      ['handle: no function', () => handle('a', {}), 'the function of a handler must be a function; it is an object'],
      [
        'handle: a subroute in the place of options',
        () => handle('a', answer, 'disk1'),
        'the options of handle() must be an object; they are a string'
      ],
      [
        'handle: an option',
        () => handle('a', answer, { subRoute: 'x' }),
        /^handle\(\) has no option "subRoute" \(did you mean "subroute"/
      ],
      [
        'handle: a subroute',
        () => handle('a', answer, { subroute: 5 }),
        'subroute of handle() must be a string; it is 5'
      ],
      ['close: a number', () => close(5000), 'the options of close() must be an object; they are 5000'],
      [
        'close: a text',
        () => close({ timeout: '5s' }),
        'timeout of close() must be a number of at least 0; it is the string "5s"'
      ],
      [
        'close: an option',
        () => close({ timeoutMs: 5 }),
        /^close\(\) has no option "timeoutMs" \(did you mean "timeout"\?\); it has timeout$/
      ],
      [
        'handleUpgrade: no request',
        () => upgrade(undefined, socket, head),
        /^the first argument of handleUpgrade\(\) /
      ],
      [
        'handleUpgrade: a socket first',
        () => upgrade(socket, request, head),
        /must be the request of an upgrade; it is a/
      ],
      [
        'handleUpgrade: no socket',
        () => upgrade(request, {}, head),
        /^the second .* the socket of an upgrade; it is an ob/
      ],
      [
        'handleUpgrade: no head',
        () => upgrade(request, socket),
        /^the third argument of handleUpgrade\(\) .* undefined$/
      ],
      ...(['on', 'once', 'addListener', 'prependListener', 'prependOnceListener'] as const).map(
        (add): Wrong => [
          `connection.${add}: an event that there is not`,
          () => on.connection(local)[add]('stat' as 'state', () => undefined),
          'a connection has no event "stat" (did you mean "state"?); it has state, restart, handlers'
        ]
      ),
      ['connection: a number', () => on.connection(5 as never), 'a host must be a string; it is 5']
    ]
  }
]

const calls: [what: string, options: unknown, text: RegExp | string][] = [
  [
    'timeoutMs',
    { timeoutMs: 5 },
    'a call has no option "timeoutMs" (did you mean "timeout"?); it has timeout, signal, metadata, waitForReady'
  ],
  ['a timeout as text', { timeout: '1000' }, /^timeout of a call must be above 0 .*; it is the string "1000"$/],
  ['a timeout of NaN', { timeout: Number.NaN }, /or Infinity; it is NaN$/],
  ['a timeout below 0', { timeout: -1 }, /; it is -1$/],
  ['null as a timeout', { timeout: null }, /; it is null$/],
  ['a timeout that no timer can count', { timeout: 2 ** 31 }, /at most 2147483647 ms, or Infinity; it is 2147483648$/],
  [
    'a controller as its signal',
    { signal: new AbortController() },
    'signal of a call must be an AbortSignal; it is an AbortController'
  ],
  [
    'a signal in the place of options',
    AbortSignal.timeout(60_000),
    'the options of a call must be an object; they are an AbortSignal'
  ],
  ['a number in the place of options', 1000, 'the options of a call must be an object; they are 1000'],
  ['waitForReady that is a text', { waitForReady: 'yes' }, 'waitForReady of a call must be a boolean; it is a string'],
  ['a subroute', { subroute: 'x' }, /"subroute" \(use connection\.subroute\(name\)\)/],
  ['options of a class', new Options(), /^timeout of a call is inherited/],
  ['null', null, 'the options of a call must be an object; they are null'],
  ['a date in metadata', { metadata: { at: new Date(0) } }, /^metadata\.at must be .*; it is a Date$/],
  ['a list in metadata', { metadata: { tags: ['a'] } }, /^metadata\.tags must be .*; it is an array$/],
  ['an object in metadata', { metadata: { user: { id: 1 } } }, /^metadata\.user must be .*; it is an object$/],
  [
    'a long bigint in metadata',
    { metadata: { n: 2n ** 64n } },
    /^metadata\.n must be .*; it is 18446744073709551616n$/
  ],
  [
    'other bytes in metadata',
    { metadata: { b: new ArrayBuffer(1) } },
    /^metadata\.b must be .*; it is an ArrayBuffer$/
  ],
  ['metadata that is a list', { metadata: [] }, /^metadata must be an object/],
  ['metadata that is null', { metadata: null }, /^metadata must be an object/]
]

function refused(text: RegExp | string) {
  return { name: 'InvalidOptionError', code: 'ERR_INVALID_OPTION', message: text }
}

describe('each function refuses', () => {
  for (const [group, rows] of Object.entries({ definitions, conns, 'a manager': ofManager })) {
    for (const [what, run, text] of rows) it(`${group}: ${what}`, () => assert.throws(run, refused(text)))
  }

  it('its arguments, when it is a method', async () => {
    const on = manager()
    for (const [what, run, text] of methods.flatMap((rows) => rows(on))) assert.throws(run, refused(text), what)
    assert.equal(on.stats().handlerCount, 0)
    await on.close()
  })

  for (const [what, options, text] of calls) {
    it(`a call: ${what}`, async () => {
      const on = manager()
      on.handle('echo', (payload) => payload)
      const feed = grid.streaming<void, never, number>('feed', { inCapacity: 0 })
      on.handle(feed, () => [1])
      const peer = on.connection(local)
      const expected = { ...refused(text), delivery: 'notSent' }
      const given = options as grid.CallOptions
      await assert.rejects(peer.request('echo', undefined, given), expected)
      await assert.rejects(peer.newStream(feed, undefined, given).responses.next(), expected)
      await on.close()
    })
  }

  it('names of any length and with control characters, without repeating them', async () => {
    const on = manager()
    const peer = on.connection(local)
    on.handle('echo', (payload) => payload)
    const name = `a\n\u001b[31m${'x'.repeat(100_000)}`
    const failed = [
      await rejection(peer.request(name)),
      await rejection(peer.subroute(name).request('echo')),
      await rejection(peer.request(grid.streaming(name, { inCapacity: 0 }) as never, undefined as never)),
      await rejection((async () => on.handle({ kind: 'single', id: name } as never, undefined as never))()),
      await rejection((async () => tuple?.({ [name]: 5 }))())
    ]
    for (const { message } of failed) assert.match(message, /^[^\p{Cc}]{1,700}$/u)
    await on.close()
  })

  it('a source of requests that is none', async () => {
    const on = manager()
    const add = grid.streaming<void, number, number>('add')
    on.handle(add, (_, requests) => requests)
    for (const [source, what] of [
      [undefined, 'undefined'],
      [5, '5'],
      [{}, 'an object'],
      [() => [1], 'a function']
    ]) {
      const stream = on.connection(local).newStream(add)
      // As `for await` says it.
      const expected = {
        name: 'TypeError',
        message: `a source must be an iterable or an async iterable; it is ${what}`
      }
      await assert.rejects(stream.sink(source as never), expected)
      await assert.rejects(stream.responses.next(), expected)
    }
    await on.close()
  })

  it('a call to what is no handler, or one of the other kind', async () => {
    const on = manager()
    const peer = on.connection(local)
    const newStream = peer.newStream.bind(peer) as (...args: unknown[]) => unknown
    const one = grid.single('one')
    const many = grid.streaming('many', { inCapacity: 0 })
    const callUntyped = peer.request.bind(peer) as unknown as (...args: unknown[]) => Promise<unknown>
    const request = (target: unknown) => rejection(callUntyped(target))
    for (const target of [undefined, 5, {}, codec]) {
      assert.match(
        (await request(target)).message,
        /^the first argument of request\(\) must be a definition made by single/
      )
      assert.throws(() => newStream(target), refused(/^the first argument of newStream\(\) must be a definition/))
    }
    assert.equal(
      (await request(many)).message,
      'request() is for single handlers; "many" is streaming: use newStream()'
    )
    assert.throws(() => newStream(one), refused(/^newStream\(\) is for streaming handlers; "one" is single: use req/))
    assert.throws(() => peer.subroute(7 as never), refused('a subroute must be a string; it is 7'))
    const waiting = rejection(peer.waitForConnect({ timeout: 5 } as never))
    assert.match(
      (await waiting).message,
      /^waitForConnect\(\) has no option "timeout" \(use signal: AbortSignal\.timeout\(ms\)\)/
    )
    await on.close()
  })
})

describe('options are own properties', () => {
  const polluted = Object.prototype as { timeout?: unknown; signal?: unknown; capacity?: unknown; path?: unknown }

  afterEach(() => {
    for (const name of ['timeout', 'signal', 'capacity', 'path']) Reflect.deleteProperty(polluted, name)
  })

  it('so that what others put on Object.prototype is no option', async () => {
    Object.assign(polluted, { timeout: 'x', signal: 'x', capacity: 0, path: 'x' })
    const on = manager()
    on.handle('echo', (payload) => payload)
    memoryPair?.({})
    assert.equal((await on.connection(local).request('echo', Uint8Array.of(1), {})).length, 1)
    await on.close({})
  })

  it('of any object: without a prototype, frozen, of a class, of a module, with a getter that is read once', async () => {
    const on = manager()
    on.handle('echo', (payload) => payload)
    class Own {
      timeout = 1000
    }
    const timeoutModule: string = 'data:text/javascript,export const timeout = 1000'
    connectWS?.({ tls: await import(timeoutModule) })
    let reads = 0
    const counting = {
      get timeout() {
        reads++
        return 1000
      }
    }
    const given = [
      Object.assign(Object.create(null), { timeout: 1000 }),
      Object.freeze({ timeout: 5000 }),
      new Own(),
      await import(timeoutModule),
      counting
    ]
    for (const options of given) await on.connection(local).request('echo', undefined, options)
    assert.equal(reads, 1)
    await on.close()
  })
})

describe('a list of hosts that does not name this server', () => {
  const text = `warn hosts does not name this server, ${local} (it names http://b.test): a server refuses those that its list does not name`

  it('is said at the start', async () => {
    const log = new LogBook()
    await testManager({ local, hosts: ['http://b.test'], logger: log }).close()
    assert.deepEqual(log.warnings(), [text])
  })

  it('is said once for as long as it is so, of lists that come', async () => {
    const log = new LogBook()
    async function* lists() {
      yield ['http://b.test']
      yield ['http://b.test']
      yield ['http://b.test', local]
      yield ['http://b.test']
    }
    const on = testManager({ local, hosts: lists(), logger: log })
    await on.ready
    await new Promise(setImmediate)
    assert.deepEqual(log.warnings(), [text, text])
    await on.close()
  })
})
