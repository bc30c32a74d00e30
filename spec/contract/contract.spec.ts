/** A contract: one list of definitions, implemented as a whole on one side, and methods on the other. */

import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import {
  type Connection,
  contract,
  type HandlersOf,
  type Manager,
  type SingleDefinition,
  single,
  streaming
} from '../../lib/index.ts'
import { openGrid, type TestGrid } from '../support/grid/grid.ts'
import { assertIdle } from '../support/grid/nothing-left.ts'
import { rejection } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

const get = single<string, string | null>('get')
const put = single<{ key: string; value: string }, void>('put')
const keys = streaming<void, never, string>('keys', { inCapacity: 0 })
const store = contract({ get, put, keys }, { subroute: 'store' })

class Store implements HandlersOf<typeof store.definitions> {
  readonly #values = new Map<string, string>()

  get(key: string): string | null {
    return this.#values.get(key) ?? null
  }

  put({ key, value }: { key: string; value: string }): void {
    this.#values.set(key, value)
  }

  *keys(): Iterable<string> {
    yield* this.#values.keys()
  }

  /** Of no definition. */
  clear(): void {
    this.#values.clear()
  }
}

let grid: TestGrid
let server: Manager
let peer: Connection

before(async () => {
  grid = await openGrid(2)
  server = grid.at(1)
  peer = grid.at(0).connection(server.local)
})

after(() => grid[Symbol.asyncDispose]())

beforeEach(async () => {
  server.unhandle(store)
  server.unhandle(store, { subroute: 'disk1' })
  await assertIdle(grid.managers)
})

const known = (subroute: string) =>
  until(() => peer.handlers.filter((each) => each.subroute === subroute).length === 3, 'the caller knows them')

describe('a contract', () => {
  it('is implemented by an instance of a class, and called by methods', async () => {
    server.implement(store, new Store())
    await known('store')
    const calls = store.on(peer)
    assert.equal(await calls.get('a'), null)
    await calls.put({ key: 'a', value: 'b' })
    assert.equal(await calls.get('a', { timeout: 1000 }), 'b')
    const got: string[] = []
    for await (const key of calls.keys()) got.push(key)
    assert.deepEqual(got, ['a'])
    assert.deepEqual(Object.keys(calls), ['get', 'put', 'keys'])
  })

  it('is implemented by plain functions, also under a subroute of its user, with options of all its calls', async () => {
    const metadata: unknown[] = []
    server.implement(
      store,
      {
        get: (key, context) => {
          metadata.push(context.metadata, context.subroute)
          return key
        },
        put: () => {},
        keys: () => ['x']
      },
      { subroute: 'disk1' }
    )
    await known('disk1/store')
    const calls = store.on(peer.subroute('disk1'), { metadata: { from: 'all' }, timeout: 1000 })
    assert.equal(await calls.get('k'), 'k')
    assert.equal(await calls.get('k', { metadata: { from: 'one' } }), 'k')
    assert.deepEqual(metadata, [{ from: 'all' }, 'disk1/store', { from: 'one' }, 'disk1/store'])
    assert.equal((await rejection(store.on(peer).get('k'))).code, 'ERR_UNKNOWN_HANDLER')
  })

  it('is withdrawn as a whole', async () => {
    server.implement(store, new Store())
    assert.equal(server.handlers.filter(({ subroute }) => subroute === 'store').length, 3)
    assert.equal(server.unhandle(store), true)
    assert.equal(server.unhandle(store), false)
    assert.equal(server.handlers.filter(({ subroute }) => subroute === 'store').length, 0)
  })

  it('is registered as a whole or not at all', () => {
    server.handle(put, () => {}, { subroute: 'store' })
    assert.throws(() => server.implement(store, new Store()), { code: 'ERR_HANDLER_EXISTS' })
    assert.deepEqual(
      server.handlers.filter(({ subroute }) => subroute === 'store').map(({ handler }) => handler),
      ['put']
    )
  })

  it('is refused with what is wrong in it', () => {
    const refused = (run: () => unknown, message: RegExp) => assert.throws(run, { code: 'ERR_INVALID_OPTION', message })
    refused(() => contract({ get, find: single('get') }), /"get" and "find" of contract\(\) have one id: "get"/)
    refused(() => contract({ get, feed: streaming('get') }), /have one id/)
    refused(() => contract(Object.fromEntries([['then', get]])), /takes no definition with the name "then"/)
    refused(() => contract({ get: 'get' } as never), /first argument of contract\(\) must be a definition/)
    refused(() => contract([get] as never), /first argument of contract\(\) must be an object/)
    refused(() => contract({ get }, { subroute: 1 } as never), /subroute of contract\(\) must be a string/)
    refused(
      () => store.on({} as Connection),
      /^the first argument of on\(\) must be a connection, or a subroute of one/
    )
    const handlers = { get: () => null, put: () => {}, keys: () => [] }
    const wrong = (given: object) => () => server.implement(store, given as typeof handlers)
    refused(wrong({ get: handlers.get, put: handlers.put }), /the handler "keys" of implement\(\) must be a function/)
    refused(wrong({ ...handlers, gett: handlers.get }), /the contract has no "gett" \(did you mean "get"\?\)/)
    refused(wrong(undefined as never), /the handlers of implement\(\) must be an object/)
    refused(() => server.implement({} as typeof store, handlers), /must be what contract\(\) returns/)
    refused(() => server.implement(store, handlers, { subRoute: 'a' } as object), /has no option "subRoute"/)
    assert.deepEqual(server.handlers, [])
  })

  it('may have names that every object has: then a handler of one is missing as any other', async () => {
    const odd = contract({ toString: get, valueOf: put, constructor: keys }, { subroute: 'odd' })
    const given = { toString: () => 'a', valueOf: () => {}, constructor: () => ['b'] }
    const implement = server.implement.bind(server) as (contract: unknown, handlers: object) => void
    for (const name of Object.keys(given)) {
      const rest = Object.fromEntries(Object.entries(given).filter(([each]) => each !== name))
      const message = new RegExp(`the handler "${name}" of implement\\(\\) must be a function`)
      assert.throws(() => implement(odd, rest), { code: 'ERR_INVALID_OPTION', message })
    }
    implement(odd, given)
    await known('odd')
    assert.equal(await odd.on(peer).toString('x'), 'a')
    server.unhandle(odd)
  })

  it('keeps its own list, whatever becomes of what it was made of', () => {
    const list: Record<string, SingleDefinition<string, string | null>> = { get }
    const made = contract(list)
    list.other = single<string, string | null>('other')
    assert.deepEqual(Object.keys(made.definitions), ['get'])
    assert.equal(Object.isFrozen(made) && Object.isFrozen(made.definitions), true)
  })
})
