/** What a peer is told of the handlers of this server: what fits its limits, in frames that fit a batch. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AdvertisedHandlers } from '../../lib/handler/advertised.ts'
import { rawSingle } from '../../lib/handler/definition.ts'
import { LocalHandlers, toEntry } from '../../lib/handler/table.ts'

const wide = { maxHandlers: 4096, maxNameBytes: 100_000 }

function handlers(...names: readonly (readonly [id: string, subroute?: string])[]): LocalHandlers {
  const table = new LocalHandlers(wide.maxNameBytes)
  for (const [id, subroute = ''] of names) add(table, id, subroute)
  return table
}

function add(table: LocalHandlers, id: string, subroute = ''): void {
  const definition = rawSingle(id)
  table.add({ entry: toEntry(definition, subroute), definition, fn: (request: unknown) => request })
}

function ids(entries: readonly { readonly id: string }[]): string[] {
  return entries.map(({ id }) => id)
}

describe('AdvertisedHandlers', () => {
  it('tells what the peer has not been told, and knows each handler by its place', () => {
    const table = handlers(['a'], ['b'])
    const advertised = new AdvertisedHandlers(table, wide)
    advertised.onChanged(() => undefined)
    assert.deepEqual([advertised.isComplete, advertised.at(0)], [false, undefined])
    assert.deepEqual(ids(advertised.next()), ['a', 'b'])
    assert.deepEqual([advertised.isComplete, advertised.next()], [true, []])
    add(table, 'c')
    assert.equal(advertised.isComplete, false)
    assert.deepEqual(ids(advertised.next()), ['c'])
    assert.deepEqual(
      [0, 1, 2].map((index) => advertised.at(index)),
      table.list().map(({ handler }) => handler)
    )
    assert.deepEqual([advertised.at(3), advertised.warning], [undefined, undefined])
  })

  it('leaves out what is beyond the limits of the peer, and gives the others the places of the wire', () => {
    const table = handlers(['one'], ['long one'], ['two', 'sub'], ['three', 'long sub'], ['ééé'], ['four'], ['five'])
    const advertised = new AdvertisedHandlers(table, { maxHandlers: 3, maxNameBytes: 5 })
    advertised.onChanged(() => undefined)
    assert.deepEqual(ids(advertised.next()), ['one', 'two', 'four'])
    assert.deepEqual(
      [0, 1, 2, 3].map((index) => advertised.at(index)),
      [0, 2, 5, 7].map((at) => table.list()[at]?.handler)
    )
    assert.equal(advertised.isComplete, true)
    const warning =
      'it accepts at most 3 handlers (maxHandlers), with names of at most 5 bytes (maxNameBytes): "long one" is not advertised to it, nor are others beyond that'
    assert.equal(advertised.warning, warning)
    add(table, 'six')
    assert.deepEqual([advertised.next(), advertised.isComplete, advertised.warning], [[], true, warning])
  })

  it('gives as many at a time as a batch has room for', () => {
    const names = Array.from({ length: 50 }, (_, at) => [`${at}`.padStart(16_000, 'x')] as const)
    const advertised = new AdvertisedHandlers(handlers(...names, ['short'], ['another']), wide)
    const frames: number[] = []
    while (!advertised.isComplete) frames.push(ids(advertised.next()).reduce((sum, id) => sum + id.length, 0))
    assert.equal(
      frames.reduce((sum, bytes) => sum + bytes, 0),
      50 * 16_000 + 12
    )
    assert.ok(
      frames.every((bytes) => bytes <= 32_000),
      `${frames}`
    )
  })
})
