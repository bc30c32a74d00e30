/** `fakePeer`: a real connection for the unit test of code that calls a peer. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fakePeer } from '../../lib/extras/testing/index.ts'
import { authorize, type Connection, contract, json, single, streaming } from '../../lib/index.ts'
import { rejection } from '../support/grid/servers.ts'

const get = single<{ key: string }, string>('get', { request: json(), response: json() })
const count = streaming<number, never, number>('count', { inCapacity: 0 })
const store = contract({ get, count })

/** Under test. */
async function getOr(peer: Connection, key: string, other: string, timeout = 15_000): Promise<string> {
  return await store
    .on(peer)
    .get({ key }, { timeout })
    .catch(() => other)
}

describe('fakePeer()', () => {
  it('answers at once, by its handlers', async () => {
    await using peer = fakePeer((grid) => grid.handle(get, ({ key }) => key.toUpperCase()))
    assert.equal(await getOr(peer, 'a', 'none'), 'A')
    assert.equal(peer.host, 'http://peer:9000')
    assert.equal(peer.stats().called.calls, 1)
  })

  it('fails as peers do: refusals, deadlines, unknown handlers', async () => {
    await using peer = fakePeer(
      (grid) => {
        const isKnown = authorize<{ key: string }>(({ payload }) => payload.key !== 'secret')
        grid.handle(get, () => new Promise(() => {}), { interceptors: [isKnown] })
      },
      { host: 'https://store:1' }
    )
    assert.equal(await getOr(peer, 'slow', 'none', 20), 'none')
    const refused = await rejection(peer.request(get, { key: 'secret' }))
    assert.deepEqual([peer.host, refused.reason, refused.delivery], ['https://store:1', 'denied', 'notSent'])
    assert.equal((await rejection(peer.newStream(count, 1).responses.next())).code, 'ERR_UNKNOWN_HANDLER')
  })

  it('streams, and takes more handlers later', async () => {
    await using peer = fakePeer(() => {})
    peer.grid.handle(count, async function* (to) {
      for (let n = 0; n < to; n++) yield n
    })
    const seen: number[] = []
    for await (const n of peer.newStream(count, 3).responses) seen.push(n)
    assert.deepEqual(seen, [0, 1, 2])
  })

  it('is closed by await using, and by what its setup throws', async () => {
    let peer: Connection
    {
      await using open = fakePeer((grid) => grid.handle(get, () => new Promise(() => {})))
      open.request(get, { key: 'a' }).catch(() => {})
      peer = open
    }
    assert.equal(peer.state, 'closed')
    const wrong = () => fakePeer((grid) => grid.handle('', () => new Uint8Array()))
    assert.throws(wrong, { code: 'ERR_INVALID_OPTION' })
  })
})
