/** Handlers that are withdrawn and come back, frame by frame: what each peer is told, and what none may say. */

import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { rawSingle, rawStreaming } from '../../lib/handler/definition.ts'
import { Flag, type Frame, FrameType, ResetCode } from '../../lib/wire/frame.ts'
import { addHandler, open, table, rawSingle as theirs } from '../support/raw/make.ts'
import { type RawPeer, type RawPeerOptions, rawPeer } from '../support/raw/peer.ts'
import { settled, until } from '../support/until.ts'

let peer: RawPeer
/** Frames that its first table took. */
let before = 0

async function start(options: RawPeerOptions): Promise<RawPeer> {
  peer = rawPeer(options)
  for (const id of ['a', 'b']) addHandler(peer.handlers, rawSingle(id), (payload) => payload)
  await peer.start()
  await settled(() => peer.of(FrameType.handlers).length)
  before = peer.of(FrameType.handlers).length
  return peer
}

const changes = (...numbers: number[]): Frame => ({
  ...{ type: FrameType.handlers, flags: Flag.changes, entries: [], changes: numbers }
})
const told = () => peer.of(FrameType.handlers).slice(before)
const add = (id: string) => addHandler(peer.handlers, rawSingle(id), (payload) => payload)

afterEach(() => peer.stop())

describe('handlers that are withdrawn', () => {
  it('are told by their index to a peer that understands it, and so are those that come back', async () => {
    await start({ remoteUnderstands: ['handlerChanges'] })
    peer.handlers.remove('', 'b')
    await until(() => told().length === 1, 'it is told')
    add('b')
    await until(() => told().length === 2, 'it is told')
    peer.handlers.remove('', 'a')
    addHandler(peer.handlers, rawStreaming('a', 0, 3), () => [])
    add('c')
    const said = () => told().flatMap((frame): unknown[] => frame.changes ?? frame.entries)
    await until(() => said().length === 5, 'it is told')
    const streaming = { kind: 1, inCapacity: 0, outCapacity: 3, subroute: '', id: 'a' }
    const single = { kind: 0, inCapacity: 0, outCapacity: 1, subroute: '', id: 'c' }
    assert.deepEqual(said(), [2, 3, 0, streaming, single])
  })

  it('are not told to a peer that does not understand them, whose calls are reset and no flood', async () => {
    await start({ limits: { maxIdleFramesPerSecond: 10 } })
    peer.handlers.remove('', 'a')
    addHandler(peer.handlers, rawStreaming('a', 0, 3), () => [])
    for (let call = 0; call < 100; call++) peer.send(open(1 + 2 * call, 0))
    await until(() => peer.of(FrameType.reset).length === 100, 'all are refused')
    assert.ok(peer.of(FrameType.reset).every(({ code }) => code === ResetCode.unknownHandler))
    assert.deepEqual([told(), peer.end], [[], undefined])
    peer.handlers.remove('', 'a')
    add('a')
    peer.send(open(1001, 0))
    await peer.frame(FrameType.data)
    assert.equal(await settled(() => told().length), 0)
  })
})

describe('changes of a peer', () => {
  it('are taken at any time after its first frame, and do not complete its table', async () => {
    peer = rawPeer()
    peer.session.start()
    const [first, second] = [theirs, { ...theirs, id: 'second' }]
    peer.send({ ...table(first), flags: Flag.more } as Frame, changes(0))
    assert.equal(await settled(() => Number(peer.ready)), 0)
    peer.send(table(second))
    await until(() => peer.ready, 'the table is whole')
    const { remoteHandlers } = peer.session
    assert.deepEqual([remoteHandlers.find('', theirs.id), remoteHandlers.find('', 'second')?.index], [undefined, 1])
    peer.send(changes(1, 1, 2, 2))
    await until(() => remoteHandlers.find('', theirs.id)?.index === 0, 'it is back')
    assert.equal(remoteHandlers.find('', 'second'), undefined)
  })

  const wrong: Record<string, readonly Frame[]> = {
    'name what was not sent': [changes(4)],
    'make two of one name': [changes(0), table(theirs), changes(1)],
    'are more than there may be handlers': [changes(...new Array(11).fill(0))]
  }
  for (const [what, frames] of Object.entries(wrong)) {
    it(`that ${what} close the conn`, async () => {
      await start({ limits: { maxHandlers: 10 } })
      peer.send(...frames)
      await until(() => peer.end !== undefined, 'it is closed')
      assert.equal(peer.end?.reason, 'protocol')
    })
  }

  it('that are too many for a second close the conn', async () => {
    await start({ limits: { maxIdleFramesPerSecond: 2 } })
    for (let n = 0; n < 20; n++) peer.send(changes(0))
    await until(() => peer.end !== undefined, 'it is closed')
    assert.equal(peer.end?.reason, 'flood')
  })
})
