/** A caller or handler that gives the memory of its message away before it was sent loses that call, and no other. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CodecError, DisconnectedError } from '../../lib/base/errors.ts'
import { Servers } from '../support/grid/servers.ts'

const large = 300_000

function giveAway(payload: Uint8Array): void {
  structuredClone(payload, { transfer: [payload.buffer as ArrayBuffer] })
}

describe('a message whose memory is given away before it was sent', () => {
  it('ends its call, which says so, and leaves the others', async (test) => {
    const { there, listener } = await new Servers(test).pair()
    listener.manager.handle('late', async (payload: Uint8Array) => {
      await new Promise(setImmediate)
      return payload
    })
    await there.waitForConnect()
    while ((await there.request('late').catch(() => undefined)) === undefined) await new Promise(setImmediate)
    const other = there.request('late', Uint8Array.of(1, 2))
    const payload = new Uint8Array(large)
    const lost = there.request('late', payload)
    giveAway(payload)
    await assert.rejects(lost, CodecError)
    assert.deepEqual(await other, Uint8Array.of(1, 2))
    assert.equal(there.state, 'connected')
  })

  it('is told to the caller when the handler did it', async (test) => {
    const { there, listener } = await new Servers(test).pair()
    listener.manager.handle('giver', (): Uint8Array => {
      const answer = new Uint8Array(large)
      setImmediate(() => undefined)
      queueMicrotask(() => giveAway(answer))
      return answer
    })
    await there.waitForConnect()
    let failure: unknown
    while (failure === undefined || (failure as { code?: string }).code === 'ERR_UNKNOWN_HANDLER') {
      failure = await there.request('giver').catch((error) => error)
      await new Promise(setImmediate)
    }
    assert.ok(failure instanceof Error && !(failure instanceof DisconnectedError), String(failure))
    assert.equal(there.state, 'connected')
  })
})
