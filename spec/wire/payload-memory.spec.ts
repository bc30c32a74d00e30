/** Whose memory a payload is in, and that nobody can take another's along. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { allocatePayload } from '../../lib/wire/payload-memory.ts'
import { Servers } from '../support/grid/servers.ts'

describe('the memory of payloads', () => {
  it('is of its own from 4 KiB on, and exactly as large', () => {
    for (const size of [4096, 4097, 8192, 1_000_000]) assert.equal(allocatePayload(size).buffer.byteLength, size)
  })

  it('is a part of 8 KiB below, and never two parts overlap', () => {
    const payloads = Array.from({ length: 2000 }, (_, i) => allocatePayload(1 + ((i * 37) % 4095)))
    for (const [i, payload] of payloads.entries()) payload.fill(i % 251)
    for (const [i, payload] of payloads.entries()) {
      assert.equal(payload.buffer.byteLength, 8192)
      assert.ok(payload.every((byte) => byte === i % 251))
    }
  })

  it('keeps what others hold when one payload is transferred by its owner, whatever its size', async (test) => {
    const { there, listener } = await new Servers(test).pair()
    for (const size of [1, 500, 3000, 5000, 70_000, 200_000]) {
      const id = `moved ${size}`
      listener.manager.handle(id, (payload: Uint8Array) => {
        try {
          structuredClone(payload, { transfer: [payload.buffer as ArrayBuffer] })
        } catch (error) {
          // Newer versions of Node refuse to transfer what is shared, this one leaves it where it is.
          assert.equal((error as Error).name, 'DataCloneError')
        }
        return new Uint8Array(payload.length)
      })
      listener.manager.handle(`kept ${size}`, async (payload: Uint8Array) => {
        // All that came with it have been dealt with by then.
        await new Promise(setImmediate)
        return payload
      })
      await there.waitForConnect()
      const payload = new Uint8Array(size).fill(7)
      const known = () => there.request(id, payload).catch(() => undefined)
      while ((await known()) === undefined) await new Promise(setImmediate)
      const calls = Array.from({ length: 30 }, (_, i) => there.request(i % 3 === 1 ? id : `kept ${size}`, payload))
      for (const [i, answer] of (await Promise.all(calls)).entries()) {
        if (i % 3 !== 1) assert.deepEqual(answer, payload)
      }
    }
  })

  it('is that of plain Uint8Arrays, in one piece or joined from fragments', async (test) => {
    const { there, listener } = await new Servers(test).pair()
    listener.manager.handle('echo', (payload: Uint8Array) => payload)
    await there.waitForConnect()
    for (const size of [0, 1, 4096, 65_536, 65_537, 200_000]) {
      const answer = await there.request('echo', new Uint8Array(size))
      assert.equal(Object.getPrototypeOf(answer), Uint8Array.prototype, `${size} bytes`)
    }
  })
})
