/**
 * Values of another realm (`vm`, jest) are what they are, and two copies of the package in one program understand each
 * other: their errors, codecs, definitions and conns.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createContext, runInContext } from 'node:vm'
import * as ours from '../../lib/index.ts'
import { namesInOrder, secret } from '../support/grid/manager.ts'
import { rejection, Servers } from '../support/grid/servers.ts'
import { listening, parsed, rawSocket, upgradeHead } from '../support/raw/http.ts'
import { until } from '../support/until.ts'

const require = createRequire(import.meta.url)
const root = new URL('../../', import.meta.url)
const local = 'http://a.test'

/** As a bundler would make it, which changes the names of classes. */
async function bundled(file: URL): Promise<typeof ours> {
  const { buildSync } = require('esbuild') as { buildSync: (options: object) => void }
  const entry = fileURLToPath(new URL('lib/index.ts', root))
  const how = { bundle: true, minify: true, format: 'esm', platform: 'node', packages: 'external', logLevel: 'error' }
  buildSync({ ...how, entryPoints: [entry], outfile: fileURLToPath(file) })
  return (await import(file.href)) as typeof ours
}

function classesOf(copy: typeof ours): [string, new (...args: never[]) => Error][] {
  return Object.entries(copy).filter(([name]) => name.endsWith('Error')) as never
}

describe('two copies of the package in one program', () => {
  const file = new URL(`node_modules/.cache/it-grid-copy-${process.pid}.mjs`, root)
  let theirs: typeof ours

  before(async () => {
    theirs = await bundled(file)
  })
  after(() => rmSync(file, { force: true }))

  it('are two: no class is that of the other', () => {
    assert.notEqual(theirs.GridError, ours.GridError)
    assert.equal(new theirs.CodecError('text') instanceof ours.GridError, false)
  })

  it('tell the errors of each other, each by its class', () => {
    const is = (type: unknown, error: unknown) => (type as typeof ours.GridError).is(error)
    for (const [[from, Type], to] of [
      ...classesOf(ours).map((one) => [one, theirs] as const),
      ...classesOf(theirs).map((one) => [one, ours] as const)
    ]) {
      // Made without its constructor: each takes something else, and the brand is of the prototype.
      const error: Error = Object.create(Type.prototype)
      const told = classesOf(to)
        .filter(([, type]) => is(type, error))
        .map(([name]) => name)
      assert.deepEqual(told.sort(), [...new Set(['GridError', from])].sort())
    }
  })

  it('take nothing else for an error of theirs', () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    for (const other of [
      null,
      undefined,
      'ERR_CODEC',
      new Error('text'),
      { name: 'CodecError', code: 'ERR_CODEC' },
      proxy
    ]) {
      assert.equal(ours.GridError.is(other), false)
      assert.equal(ours.CodecError.is(other), false)
    }
    class Own extends ours.RemoteError {}
    assert.equal(ours.RemoteError.is(new Own('X', 'text')), true)
    assert.equal(Own.is(new Own('X', 'text')), true)
    assert.equal(Own.is(new ours.RemoteError('X', 'text')), false)
    assert.equal(Own.is(7), false)
  })

  it('share definitions, codecs, fields and handlers, and what these throw is as of one copy', async (test) => {
    const { field, json, msgpack, single, streaming, tuple } = theirs
    const struct = ours.tuple({ ids: field.array(ours.field.number), inner: tuple({ name: field.string }) })
    const echo = single<ours.Infer<typeof struct>, ours.Infer<typeof struct>>('echo', {
      request: struct,
      response: struct
    })
    const list = streaming<number[], number, Uint8Array>('list', {
      payload: json<number[]>(),
      response: theirs.bytes()
    })
    const fails = single<void, void>('fails', { request: msgpack<void>() })
    const on = new Servers(test).manager({ local, hosts: [local] })
    on.handle(echo, (value) => value)
    on.handle(list, async function* (payload, requests) {
      for await (const request of requests) yield Uint8Array.of(...payload, request)
    })
    on.handle(fails, () => {
      throw new theirs.RejectedError('busy', 'not now')
    })
    const peer = on.connection(local)
    const value = { ids: [1, 2], inner: { name: 'a' } }
    assert.deepEqual(await peer.request(echo, value), value)
    const wrong = { ids: [1], inner: { name: 5 } } as never
    assert.match(
      (await rejection(peer.request(echo, wrong))).message,
      /payload\.inner\.name does not fit its field: .*$/
    )
    assert.throws(() => struct.decode(ours.msgpack<unknown>().encode([[1], [5]])), {
      details: { path: ['inner', 'name'], expected: 'a string', found: 'a number' }
    })
    const stream = peer.newStream(list, [1])
    await stream.send(2)
    assert.deepEqual([...((await stream.responses.next()).value ?? [])], [1, 2])
    stream.cancel()
    const failed = await rejection(peer.request(fails))
    assert.ok(theirs.RemoteError.is(failed))
    assert.deepEqual([failed.code, failed.message], ['ERR_REJECTED', 'not now'])
    await on.close()
  })

  it('meet over a conn of either, with an auth of either', async (test) => {
    const [a, b] = namesInOrder()
    const hosts = [a, b]
    const listener = new theirs.Manager({ local: b, hosts, auth: secret, logger: theirs.silentLogger })
    test.after(() => listener.close({ timeout: 1 }))
    const dialer = new Servers(test).manager({
      ...{ local: a, hosts, auth: theirs.sharedSecret('a secret of the specs') },
      dialer: async () => {
        const [near, far] = theirs.memoryPair()
        listener.incomingConn(far)
        return near
      }
    })
    listener.handle('echo', (payload) => payload)
    const peer = dialer.connection(b)
    assert.deepEqual([...(await peer.request('echo', Uint8Array.of(7), { waitForReady: true }))], [7])
    await Promise.all([listener.close(), dialer.close()])
  })

  it('are guests of one HTTP server as one is: by path, and with the answers of its app', async (test) => {
    const server = createServer((_request, response) => response.end('of the app'))
    test.after(() => server.close())
    const port = await listening(server)
    const options = { local, hosts: [local], auth: secret, logger: ours.silentLogger }
    const managers = [
      new ours.Manager({ ...options, path: '/ours' }),
      new theirs.Manager({ ...options, path: '/theirs' })
    ]
    for (const manager of managers) manager.attach(server)
    const answer = async (path: string, upgrade: string) => {
      const socket = await rawSocket(port)
      socket.write(upgradeHead(path, { Upgrade: upgrade }))
      const [text] = await once(socket, 'data')
      socket.destroy()
      return parsed(String(text)).status
    }
    assert.deepEqual([await answer('/ours', 'websocket'), await answer('/theirs', 'websocket')], [101, 101])
    assert.deepEqual([await answer('/', 'h2c'), await answer('/other', 'websocket')], [200, 200])
    const third = new theirs.Manager({ ...options, path: '/ours' })
    assert.throws(() => third.attach(server), /"\/ours" is already served on this HTTP server/)
    for (const manager of [...managers, third]) await manager.close()
    assert.equal(server.listenerCount('upgrade'), 0)
  })
})

describe('values of another realm', () => {
  const realm = createContext({ structuredClone, setTimeout })
  const run = <T>(code: string): T => runInContext(`(${code})`, realm) as T

  it('are sent as what they are, and refused as what they are', async () => {
    const any = ours.msgpack<unknown>()
    const sent = run<object>('{ at: new Date(5), bytes: Uint8Array.of(1, 2), list: [1, { n: 2n }], none: null }')
    assert.deepEqual(any.decode(any.encode(sent)), {
      at: new Date(5),
      bytes: Uint8Array.of(1, 2),
      list: [1, { n: 2 }],
      none: null
    })
    for (const code of [
      'new Map()',
      'new Set([1])',
      'new Error("x")',
      'new Float32Array(1)',
      'new ArrayBuffer(1)',
      'new Date(NaN)',
      '/x/'
    ]) {
      assert.throws(
        () => any.encode(run(`{ it: ${code} }`)),
        { name: 'CodecError', message: /payload\.it holds / },
        code
      )
    }
    assert.deepEqual([...ours.bytes().encode(run('Uint8Array.of(7)'))], [7])
  })

  it('may be fields, options, hosts, secrets, metadata and definitions', async (test) => {
    const fields = run<(field: unknown) => { at: ours.Field<Date> }>('(field) => ({ at: field })')(ours.field.date)
    const struct = ours.tuple(fields)
    assert.deepEqual(struct.decode(struct.encode({ at: run('new Date(7)') })), { at: new Date(7) })
    const options = run<Record<string, unknown>>(
      '{ local: "http://a.test", hosts: ["http://a.test"], limits: { maxHandlers: 5 } }'
    )
    const auth = ours.sharedSecret(run<Uint8Array[]>('[new Uint8Array(16)]'))
    const on = new ours.Manager(Object.assign(options, { auth, logger: ours.silentLogger }) as never)
    const echo = run<(codec: unknown) => ours.SingleDefinition<unknown, unknown>>(
      '(codec) => ({ kind: "single", id: "echo", request: codec, response: codec })'
    )(ours.msgpack<unknown>())
    test.after(() => on.close({ timeout: 1 }))
    let metadata: ours.Metadata = {}
    on.handle(echo, (value, context) => {
      metadata = context.metadata
      return value
    })
    on.handle(
      'fails',
      run('async () => { throw Object.assign(new RangeError("far"), { code: "E_FAR", details: new Date(9) }) }')
    )
    const peer = on.connection(local)
    const given = run<ours.CallOptions>('{ timeout: 5000, metadata: { id: "a", bytes: Uint8Array.of(1) } }')
    assert.deepEqual(await peer.request(echo, run('[new Date(3)]'), given), [new Date(3)])
    assert.deepEqual(metadata, { id: 'a', bytes: Uint8Array.of(1) })
    const expected = { code: 'E_FAR', message: 'far', remoteName: 'RangeError', details: new Date(9) }
    await assert.rejects(peer.request('fails'), expected)
    const wrong = run<ours.CallOptions>('{ timeoutMs: 5 }')
    await assert.rejects(peer.request('fails', undefined, wrong), { name: 'InvalidOptionError' })
    await assert.rejects(peer.request('fails', undefined, run('{ metadata: { at: new Date(3) } }')), {
      message: /^metadata\.at .*; it is a Date$/
    })
    await on.close()
  })

  it('that are errors stay the errors that they are, where a conn fails by one', async (test) => {
    const dialer = run<ours.ConnDialer>('async () => { throw new TypeError("no way") }')
    const [a, b] = namesInOrder()
    const hosts = [a, b]
    const on = new Servers(test).manager({ local: a, hosts, dialer })
    const peer = on.connection(b)
    await until(() => peer.lastError !== undefined, 'the dial failed')
    assert.equal(peer.lastError?.name, 'TypeError')
    await on.close()
  })
})
