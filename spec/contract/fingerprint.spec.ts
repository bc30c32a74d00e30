/** Fingerprints: two servers that use other codecs for one handler are told, each once, and call each other as ever. */

import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { readFingerprint, readsInPlace } from '../../lib/codec/codec.ts'
import { GridFigures } from '../../lib/figures/grid-figures.ts'
import { rawSingle } from '../../lib/handler/definition.ts'
import { fingerprintOf } from '../../lib/handler/fingerprint.ts'
import { Mismatches } from '../../lib/handler/mismatches.ts'
import { Trace } from '../../lib/hooks/channels.ts'
import {
  type AnyDefinition,
  bytes,
  type CallInfo,
  type Codec,
  channels,
  type Field,
  field,
  type Infer,
  json,
  type Manager,
  msgpack,
  none,
  single,
  streaming,
  tuple
} from '../../lib/index.ts'
import { Flag, type Frame, FrameType } from '../../lib/wire/frame.ts'
import { openGrid, type TestGrid } from '../support/grid/grid.ts'
import { LogBook } from '../support/grid/manager.ts'
import { addHandler, table, rawSingle as theirs } from '../support/raw/make.ts'
import { type RawPeer, type RawPeerOptions, rawPeer } from '../support/raw/peer.ts'
import { settled, until } from '../support/until.ts'

const { string, number, optional, nullable, array } = field
const struct = tuple({ x: number, y: number })
type Struct = Infer<typeof struct>
const of = (request: Codec<unknown>) => fingerprintOf(single('a', { request, response: msgpack() }))
const ofTuple = (fields: Parameters<typeof tuple>[0]) => of(tuple(fields) as Codec<unknown>)
const own = (fingerprint: unknown): Codec<unknown> => ({ ...msgpack<unknown>(), fingerprint }) as Codec<unknown>
const schema = {
  '~standard': { version: 1, vendor: 'spec', validate: (value: unknown) => ({ value }) }
} as const

describe('the fingerprint of a definition', () => {
  it('is eight bytes in hex, the same for the same kind and codecs, whatever the name', () => {
    assert.match(of(msgpack()) ?? '', /^[0-9a-f]{16}$/)
    assert.equal(fingerprintOf(single('b', { request: msgpack(), response: msgpack() })), of(msgpack()))
    const all: (string | undefined)[] = [
      ...[of(msgpack()), of(json()), of(none() as Codec<unknown>), of(own('mine')), of(own('other'))],
      fingerprintOf(single('a', { response: json() })),
      fingerprintOf(streaming<void, number, number>('a')),
      fingerprintOf(streaming<void, number, number>('a', { request: json() }))
    ]
    assert.equal(new Set(all).size, all.length)
    assert.ok(!all.includes(undefined))
  })

  it('is none where a codec does not say what it is: that of bytes, one of the user, one that throws', () => {
    const throwing = {
      ...msgpack<unknown>(),
      get fingerprint(): string {
        throw new Error('no')
      }
    }
    for (const codec of [bytes() as Codec<unknown>, own(undefined), own(''), own(5), throwing])
      assert.equal(of(codec), undefined)
    assert.equal(fingerprintOf(rawSingle('a')), undefined)
  })

  it('is of the fields of a struct and their order, but not of those at its end that may be missing', () => {
    const { x, y } = { x: number, y: number }
    const told = [
      ...[{ x, y }, { y, x }, { x }, { x: string, y }, { x: array(number), y }, { x: optional(number), y }],
      ...[{ x: tuple({ y }) }, { x: tuple({ x }) }, { x: array(tuple({ x })) }]
    ].map((fields) => ofTuple(fields as never))
    assert.equal(new Set(told).size, told.length)
    assert.ok(!told.includes(undefined))
    for (const last of [optional(string), nullable(string), optional(string, 'z')])
      assert.equal(ofTuple({ x, y, last }), ofTuple({ x, y }))
    assert.equal(ofTuple({ x: { write: String, read: String } }), undefined)
  })

  it('of structs within structs takes no more room for each of them, however deep they are', () => {
    let within: Field<unknown> = number
    for (let depth = 0; depth < 20; depth++) {
      within = tuple({ left: within, right: within }) as Field<unknown>
      assert.ok((within.fingerprint?.length ?? 0) < 300)
    }
    const [one, other] = [number, string].map((z) => tuple({ z, a: within, b: within, c: array(within) }).fingerprint)
    assert.notEqual(one, other)
    assert.match(ofTuple({ within }) ?? '', /^[0-9a-f]{16}$/)
  })

  it('is none where a field of the user says something else than a text, or throws', () => {
    const read = (value: unknown) => value
    const throwing = {
      ...{ read, write: read },
      get fingerprint(): string {
        throw new Error('no')
      }
    }
    for (const x of [
      ...[5, '', null, {}, Symbol('x')].map((fingerprint) => ({ read, write: read, fingerprint })),
      throwing
    ]) {
      const mine = x as Field<unknown>
      for (const each of [mine, array(mine), optional(mine), nullable(mine), tuple({ x: mine })])
        assert.equal(ofTuple({ each }), undefined)
    }
  })

  it('does not look at schemas: one end may check less', () => {
    assert.equal(of(msgpack(schema)), of(msgpack()))
    assert.equal(of(tuple({ x: number }, schema as never) as Codec<unknown>), ofTuple({ x: number }))
  })
})

const plain = single<Struct, Struct>('move')
const packed = single<Struct, Struct>('move', { request: struct, response: struct })
const walk = streaming<void, never, number>('walk', { inCapacity: 0 })

async function two(definitions: readonly AnyDefinition[], body: (grid: TestGrid, log: LogBook) => Promise<void>) {
  const log = new LogBook()
  const events: unknown[] = []
  const hear = (event: { readonly type: string }) => {
    if (event.type === 'mismatch') events.push(event)
  }
  channels.connection.subscribe(hear)
  const grid = await openGrid(2, {
    logger: log,
    serve: (manager, index) => {
      const definition = definitions[index]
      if (definition === undefined) return
      if (definition.kind === 'single') manager.handle(definition, (value) => value)
      else manager.handle(definition, () => [1])
    }
  })
  try {
    await body(grid, log)
    const told = grid.managers.flatMap(({ connections }) => connections.flatMap(({ recent }) => recent))
    assert.deepEqual(told.filter(({ type }) => type === 'mismatch').length, events.length)
  } finally {
    channels.connection.unsubscribe(hear)
    await grid[Symbol.asyncDispose]()
  }
}

const other = (managers: readonly Manager[]) =>
  managers[0]?.connection(managers[1]?.local as string) as ReturnType<Manager['connection']>
const warned = (log: LogBook) => log.warnings(/have other codecs for the handler "move": .*fingerprints/).length

describe('two servers that use other codecs for one handler', () => {
  it('are told, each once, and however often they connect', async () => {
    await two([plain, packed], async (grid, log) => {
      const { managers } = grid
      await until(() => warned(log) === 2, 'both are told')
      const peer = other(managers)
      const [event] = peer.recent.filter(({ type }) => type === 'mismatch')
      const { fingerprint, own: mine } = event as { fingerprint: string; own: string }
      assert.deepEqual([fingerprint, mine], [fingerprintOf(packed), fingerprintOf(plain)])
      assert.equal(peer.handlers[0]?.fingerprint, fingerprint)
      // Of another kind it is another handler, of which calls tell.
      managers[1]?.unhandle('move')
      managers[1]?.handle(packed, (value) => value)
      assert.deepEqual(await peer.request(packed, { x: 1, y: 2 }, { waitForReady: true }), { x: 1, y: 2 })
      grid.cut()
      await until(() => peer.stats().reconnects === 1, 'they are connected anew')
      assert.deepEqual(await peer.request(packed, { x: 1, y: 2 }, { waitForReady: true }), { x: 1, y: 2 })
      assert.equal(await settled(() => warned(log)), 2)
    })
  })

  it('are not told where they use the same, or one of them has none', async () => {
    for (const definitions of [
      [packed, packed],
      [packed],
      [plain, rawSingle('move')],
      [walk, { ...plain, id: 'walk' }]
    ]) {
      await two(definitions, async (_, log) => {
        assert.equal(await settled(() => log.warnings(/codecs/).length), 0)
      })
    }
  })

  it('are told by the first call where only one of them has it, and not by one of the raw level', async () => {
    await two([undefined as never, packed], async ({ managers }, log) => {
      const peer = other(managers)
      const raw = Uint8Array.from(packed.request.encode({ x: 1, y: 2 }))
      await peer.request('move', raw)
      assert.equal(warned(log), 0)
      for (let call = 0; call < 3; call++)
        await assert.rejects(peer.request(plain, { x: 1, y: 2 }), { code: 'ERR_VALIDATION' })
      await peer.request(packed, { x: 1, y: 2 })
      assert.equal(warned(log), 1)
    })
  })

  it('are told by a request and by a stream that are published, at both ends', async (test) => {
    const ignore = () => {}
    for (const { start } of [channels.call, channels.handle]) {
      start.subscribe(ignore)
      test.after(() => start.unsubscribe(ignore))
    }
    const told = (log: LogBook) => log.warnings(/have other codecs for the handler/).length
    await two([undefined as never, packed], async ({ managers }, log) => {
      await assert.rejects(other(managers).request(plain, { x: 1, y: 2 }), { code: 'ERR_VALIDATION' })
      assert.equal(told(log), 1)
    })
    await two([undefined as never, walk], async ({ managers }, log) => {
      const asJson = streaming<void, never, number>('walk', { inCapacity: 0, response: json() })
      await assert.rejects(other(managers).newStream(asJson).responses.next(), { code: 'ERR_CODEC' })
      assert.equal(told(log), 1)
    })
  })
})

describe('a codec that counts what a published call sends or receives', () => {
  it('says of itself all that the codec says', () => {
    const trace = new Trace(channels.call, { side: 'caller' } as CallInfo, 'http://a:1', {})
    const all: Codec<unknown>[] = [msgpack(), json(), bytes() as Codec<unknown>, packed.request as Codec<unknown>]
    for (const codec of [...all, own(5), { ...msgpack<unknown>(), readsInPlace: false }]) {
      for (const counted of [trace.countIn(codec), trace.countOut(codec)]) {
        assert.equal(readFingerprint(counted), readFingerprint(codec))
        assert.equal(readsInPlace(counted), readsInPlace(codec))
      }
    }
  })
})

describe('what is told of other codecs', () => {
  it('is bounded for each peer, however many handlers it offers', () => {
    const log = new LogBook()
    const figures = new GridFigures('http://a')
    const mismatches = new Mismatches(log, figures)
    for (const host of ['http://b', 'http://c']) {
      for (let n = 0; n < 100; n++) mismatches.tell(host, { ...theirs, id: `handler ${n}`, fingerprint: 'aa' }, 'bb')
      assert.equal(log.warnings(new RegExp(`^warn ${host} and`)).length, 64)
      assert.equal(figures.of(host).events.recent.length, 64)
    }
  })
})

describe('fingerprints on the wire', () => {
  let peer: RawPeer
  afterEach(() => peer.stop())

  async function start(options: RawPeerOptions = {}): Promise<Extract<Frame, { type: 7 }>[]> {
    peer = rawPeer(options)
    addHandler(peer.handlers, plain as never, (value) => value)
    await peer.start()
    await until(() => peer.of(FrameType.handlers).length > 0, 'its table')
    return peer.of(FrameType.handlers)
  }
  const entry = { kind: 0, inCapacity: 0, outCapacity: 1, subroute: '', id: 'move' }

  it('are told to a peer that understands them, and to no other', async () => {
    const [without] = await start({ remoteUnderstands: ['handlerChanges'] })
    assert.deepEqual([without?.flags, without?.entries], [0, [entry]])
    await peer.stop()
    const [told] = await start({ remoteUnderstands: ['fingerprints'] })
    assert.deepEqual(
      [told?.flags, told?.entries],
      [Flag.fingerprints, [{ ...entry, fingerprint: fingerprintOf(plain) }]]
    )
  })

  it('stay what was sent where a handler comes back by another codec', async () => {
    await start({ remoteUnderstands: ['fingerprints', 'handlerChanges'] })
    peer.handlers.remove('', 'move')
    addHandler(peer.handlers, packed as never, (value) => value)
    addHandler(peer.handlers, { ...plain, id: 'last' } as never, (value) => value)
    await until(() => peer.of(FrameType.handlers).some(({ entries }) => entries[0]?.id === 'last'), 'it is told')
    const told = peer.of(FrameType.handlers).flatMap(({ entries }) => entries.map(({ id }) => id))
    assert.deepEqual(told, ['move', 'last'])
    assert.equal(peer.handlers.find('', 'move')?.fingerprint, fingerprintOf(packed))
  })

  it('that are too long close the conn', async () => {
    await start()
    peer.send({ ...table({ ...theirs, id: 'long', fingerprint: 'ab'.repeat(33) }), flags: Flag.fingerprints } as Frame)
    await until(() => peer.end !== undefined, 'it is closed')
    assert.equal(peer.end?.reason, 'protocol')
    assert.match(String(peer.end?.text), /a fingerprint of more than 32 bytes/)
  })
})
