/** The checksum: the same one whatever computes it. */

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { describe, it } from 'node:test'
import { crc32 as crc32OfNode } from 'node:zlib'
import { chooseCRC32, crc32 } from '../../lib/wire/checksum.ts'
import { noise } from '../support/random.ts'

const load = () => createRequire(import.meta.url)('@node-rs/crc32')

function isThere(): boolean {
  try {
    return typeof load().crc32 === 'function'
  } catch {
    return false
  }
}

describe('the checksum of a batch', () => {
  it('is that of the native module, if there is one for this platform', (test) => {
    if (!isThere()) return test.skip('there is no native module for this platform')
    assert.equal(crc32, load().crc32)
  })

  it('is that of Node for batches of every length, wherever in their memory they begin', () => {
    const lengths = [...Array.from({ length: 300 }, (_, at) => at), 1023, 4096, 65_541, 300_000]
    for (const length of lengths) {
      const bytes = noise(Math.ceil(length / 4) * 4 + 4)
      for (const from of [0, 1, 3]) {
        const batch = bytes.subarray(from, from + length)
        assert.equal(crc32(batch), crc32OfNode(batch), `${length} bytes from ${from} on`)
      }
    }
  })

  it('is computed by Node where the module is not installed, is none, or computes something else', () => {
    const broken = [
      () => {
        throw Object.assign(new Error('not found'), { code: 'MODULE_NOT_FOUND' })
      },
      () => undefined as unknown as object,
      () => ({}),
      () => ({ crc32: 'no function' }),
      () => ({ crc32: () => 0 }),
      () => ({
        crc32() {
          throw new Error('no such instruction')
        }
      })
    ]
    for (const give of broken) assert.equal(chooseCRC32(give), crc32OfNode)
  })
})
