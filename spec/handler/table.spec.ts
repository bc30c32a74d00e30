/** The handler tables: indexes in the order of registration, names that are unique, and what a peer may advertise. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { SingleDefinition } from '../../lib/handler/definition.ts'
import { copyDefinition, rawSingle, rawStreaming, single, streaming } from '../../lib/handler/definition.ts'
import { joinSubroute, type LocalHandler, LocalHandlers, RemoteHandlers, toEntry } from '../../lib/handler/table.ts'
import type { HandlerEntry } from '../../lib/wire/frame.ts'

function handler(id: string, subroute = ''): LocalHandler {
  const definition = rawSingle(id)
  return { entry: toEntry(definition, subroute), definition, fn: (request: unknown) => request }
}

function entry(id: string, subroute = ''): HandlerEntry {
  return { kind: 0, inCapacity: 0, outCapacity: 1, subroute, id }
}

describe('joinSubroute', () => {
  it('joins with a slash, and adds none where one is empty', () => {
    assert.deepEqual(
      [
        joinSubroute('', ''),
        joinSubroute('a', ''),
        joinSubroute('', 'b'),
        joinSubroute('a', 'b'),
        joinSubroute('a/b', 'c')
      ],
      ['', 'a', 'b', 'a/b', 'a/b/c']
    )
  })
})

describe('toEntry', () => {
  it('has one response and no requests for a single handler, and the capacities of a streaming one', () => {
    assert.deepEqual(toEntry(rawSingle('a'), 's'), entry('a', 's'))
    const streaming = { kind: 1, inCapacity: 3, outCapacity: 5, subroute: '', id: 'b' }
    assert.deepEqual(toEntry(rawStreaming('b', 3, 5), ''), streaming)
  })

  it('refuses a capacity that no peer accepts, of a definition that was made by hand', () => {
    for (const bad of [-1, 1.5, 65_536, Number.NaN, undefined as unknown as number]) {
      for (const definition of [rawStreaming('b', bad, 1), rawStreaming('b', 1, bad)]) {
        assert.throws(() => toEntry(definition, ''), { name: 'InvalidOptionError', message: /from 0 to 65535; it is / })
      }
    }
  })
})

describe('copyDefinition', () => {
  it('reads each property once, so that one that changes or throws does so there', () => {
    const reads: PropertyKey[] = []
    const changing = <T extends object>(definition: T): T =>
      new Proxy(definition, {
        get(target, name, self) {
          if (name !== 'kind' && reads.includes(name)) throw new Error('it was read again')
          reads.push(name)
          return Reflect.get(target, name, self)
        }
      })
    for (const definition of [single('a'), streaming('b', { inCapacity: 0 })]) {
      reads.length = 0
      assert.deepEqual(copyDefinition(changing(definition) as SingleDefinition<unknown, unknown>), { ...definition })
    }
  })
})

describe('LocalHandlers', () => {
  it('lists what is offered in the order of registration', () => {
    const handlers = new LocalHandlers(256)
    const added = ['a', 'b', 'c'].map((id) => handler(id))
    for (const each of added) handlers.add(each)
    assert.deepEqual(
      handlers.list().map((place) => place.handler),
      added
    )
    assert.deepEqual(
      [handlers.remove('', 'b'), handlers.remove('', 'b'), handlers.remove('a', 'a')],
      [true, false, false]
    )
    assert.deepEqual(
      handlers.list().map(({ entry }) => entry.id),
      ['a', 'c']
    )
    assert.equal(handlers.size, 2)
  })

  it('gives a handler that comes back its old place, unless its kind or a capacity is another one', () => {
    const handlers = new LocalHandlers(256)
    handlers.add(handler('a'))
    const [place] = handlers.list()
    handlers.remove('', 'a')
    assert.equal(place?.handler, undefined)
    const again = handler('a')
    handlers.add(again)
    assert.equal(handlers.list()[0], place)
    assert.equal(place?.handler, again)
    handlers.remove('', 'a')
    const definition = streaming('a', { inCapacity: 0 })
    handlers.add({ entry: toEntry(definition, ''), definition, fn: () => [] } as never)
    assert.notEqual(handlers.list()[0], place)
    handlers.remove('', 'a')
    handlers.add(handler('a'))
    assert.equal(handlers.list()[0], place)
  })

  it('forgets the places of withdrawn handlers beyond some thousands, the oldest first', () => {
    const handlers = new LocalHandlers(256)
    let place: unknown
    handlers.onChanged((changed) => {
      place = changed
    })
    const placeOf = (n: number) => {
      handlers.add(handler(`${n}`))
      const given = place
      handlers.remove('', `${n}`)
      return given
    }
    const places = Array.from({ length: 5000 }, (_, n) => placeOf(n))
    const isKept = (n: number) => placeOf(n) === places[n]
    assert.deepEqual([4999, 1000, 0, 1].map(isKept), [true, true, false, false])
    assert.equal(handlers.size, 0)
  })

  it('refuses the same id under the same subroute, and takes it under another', () => {
    const handlers = new LocalHandlers(256)
    handlers.add(handler('a'))
    handlers.add(handler('a', 'disk1'))
    handlers.add(handler('disk1'))
    const exists = {
      name: 'HandlerExistsError',
      code: 'ERR_HANDLER_EXISTS',
      message: 'the handler "a" under "disk1" is already registered'
    }
    assert.throws(() => handlers.add(handler('a', 'disk1')), exists)
    assert.throws(() => handlers.add(handler('a')), { message: 'the handler "a" is already registered' })
    assert.equal(handlers.size, 3)
  })

  it('keeps subroute and id apart, also where their texts together are the same', () => {
    const handlers = new LocalHandlers(256)
    handlers.add(handler('c', 'a/b'))
    handlers.add(handler('b/c', 'a'))
    handlers.add(handler('a/b/c'))
    assert.equal(handlers.size, 3)
  })

  it('takes names that an object has by itself', () => {
    const handlers = new LocalHandlers(256)
    for (const id of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) handlers.add(handler(id))
    assert.equal(handlers.size, 4)
  })

  it('refuses an empty id, NUL, and names over the limit in bytes', () => {
    const handlers = new LocalHandlers(8)
    for (const bad of [
      handler(''),
      handler('a\0b'),
      handler('a', 'b\0'),
      handler('123456789'),
      handler('a', 'ééééé')
    ]) {
      assert.throws(() => handlers.add(bad), {
        name: 'InvalidOptionError',
        message: /^a (handler id|subroute) must not/
      })
    }
    handlers.add(handler('12345678', 'éééé'))
    assert.equal(handlers.size, 1)
  })

  it('refuses names that are not Unicode, which the peer would read as one and the same', () => {
    const handlers = new LocalHandlers(256)
    for (const bad of [handler('a\ud800'), handler('a\udc00'), handler('a', '\ud800')]) {
      assert.throws(() => handlers.add(bad), { name: 'InvalidOptionError', message: /must be well-formed Unicode$/ })
    }
    handlers.add(handler('\u{1f600}'))
  })

  it('refuses names that no table entry can carry, whatever the limit', () => {
    const handlers = new LocalHandlers(1_000_000)
    handlers.add(handler('a'.repeat(16 * 1024)))
    assert.throws(() => handlers.add(handler('a'.repeat(16 * 1024 + 1))), { message: /must not exceed 16384 bytes$/ })
  })

  it('calls its listeners after each registration and withdrawal until they are stopped', () => {
    const handlers = new LocalHandlers(256)
    const sizes: number[] = []
    const stop = handlers.onChanged(() => sizes.push(handlers.size))
    handlers.add(handler('a'))
    handlers.add(handler('b'))
    assert.throws(() => handlers.add(handler('b')))
    handlers.remove('', 'a')
    handlers.remove('', 'a')
    stop()
    handlers.add(handler('c'))
    assert.deepEqual(sizes, [1, 2, 1])
  })
})

describe('RemoteHandlers', () => {
  it('numbers entries through all frames, and finds them by subroute and id', () => {
    const handlers = new RemoteHandlers(10)
    handlers.add([entry('a'), entry('a', 'disk1')])
    handlers.add([])
    handlers.add([entry('b')])
    assert.deepEqual(handlers.find('', 'a'), { ...entry('a'), index: 0 })
    assert.deepEqual(handlers.find('disk1', 'a'), { ...entry('a', 'disk1'), index: 1 })
    assert.deepEqual(handlers.find('', 'b'), { ...entry('b'), index: 2 })
  })

  it('finds nothing that was not advertised, whatever its name', () => {
    const handlers = new RemoteHandlers(10)
    handlers.add([entry('a', 'disk1')])
    for (const [subroute, id] of [
      ['', 'a'],
      ['disk1', ''],
      ['', '__proto__'],
      ['', 'toString'],
      ['disk1', 'A']
    ] as const) {
      assert.equal(handlers.find(subroute, id), undefined)
    }
  })

  it('refuses a handler that was advertised before as a protocol error', () => {
    const handlers = new RemoteHandlers(10)
    handlers.add([entry('a', 's')])
    const again = { name: 'ProtocolError', message: 'a handler that was advertised before' }
    assert.throws(() => handlers.add([entry('b'), entry('a', 's')]), again)
  })

  it('withdraws handlers and offers them again by their index, as often as it is told', () => {
    const handlers = new RemoteHandlers(10)
    handlers.add([entry('a'), entry('b', 's')])
    handlers.change([2, 2, 0, 1, 1])
    assert.deepEqual([handlers.find('', 'a')?.index, handlers.find('s', 'b')], [0, undefined])
    handlers.add([{ ...entry('b', 's'), inCapacity: 7 }])
    assert.deepEqual([handlers.find('s', 'b')?.index, handlers.room], [2, 7])
    handlers.change([4, 3])
    assert.equal(handlers.find('s', 'b')?.index, 1)
    assert.deepEqual(
      handlers.list().map(({ index }) => index),
      [0, 1]
    )
  })

  it('refuses a change of a handler that there is not, and one that makes two of one name', () => {
    const handlers = new RemoteHandlers(10)
    handlers.add([entry('a')])
    for (const change of [2, 3, 2 ** 53 - 1]) {
      const unknown = { name: 'ProtocolError', message: 'a change of a handler that was not advertised' }
      assert.throws(() => handlers.change([change]), unknown)
    }
    handlers.change([0])
    handlers.add([entry('a')])
    assert.throws(() => handlers.change([1]), {
      name: 'ProtocolError',
      message: 'a handler that was advertised before'
    })
  })

  it('tells how many entries are still allowed', () => {
    const handlers = new RemoteHandlers(3)
    handlers.add([entry('a'), entry('b')])
    assert.equal(handlers.room, 1)
  })
})
