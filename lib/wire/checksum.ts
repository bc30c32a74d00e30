/**
 * The checksum of a batch: CRC-32 (ISO-HDLC, as in gzip). docs/protocol.md, section "Batches".
 *
 * That of Node has no SIMD code and is a fourth of what a large message costs. `@node-rs/crc32`, native code that computes the
 * same bytes two to three times as fast, is used where it is installed: an optional dependency, of some platforms only.
 */

import { createRequire } from 'node:module'
import { crc32 as crc32OfNode } from 'node:zlib'

type CRC32 = (bytes: Uint8Array) => number

/** By "123456789", of the catalogue of CRC algorithms. */
const check = { bytes: Buffer.from('123456789'), value: 0xcbf43926 }

/** The faster one, if `load` gives the module and it computes the same; else that of Node. */
export function chooseCRC32(load: () => { readonly crc32?: unknown }): CRC32 {
  try {
    const { crc32 } = load()
    if (typeof crc32 === 'function' && crc32(check.bytes) === check.value) return crc32 as CRC32
  } catch {
    // It is not installed, not for this platform, or native code is not allowed.
  }
  return crc32OfNode
}

// Not an `import`, which would fail without it; nor an awaited one, which would end `require('it-grid')`.
export const crc32 = chooseCRC32(() => createRequire(import.meta.url)('@node-rs/crc32'))
