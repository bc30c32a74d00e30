/**
 * Integers of 64 bits in encoded msgpack, which `msgpackr` reads as bigint and does not write for numbers.
 *
 * All formats of 64 bits have one size, so a number changes its format in place. Only integers within ±(2^53-1), which a
 * number holds exactly, are changed. docs/protocol.md, section "Values".
 */

const float64 = 0xcb
const int64 = 0xd3
const high = 2 ** 32

// Not a view of the bytes themselves: for the one such number that most messages have, it would cost more than all else here.
const cell = new DataView(new ArrayBuffer(8))

/** The item at `at`, of 64 bits, becomes a float 64 where that is the same number. */
export function toNumber(bytes: Uint8Array, at: number): void {
  const format = bytes[at]
  if (format === float64) return
  const upper = format === int64 ? read32(bytes, at + 1) : read32(bytes, at + 1) >>> 0
  const value = upper * high + (read32(bytes, at + 5) >>> 0)
  if (!Number.isSafeInteger(value)) return
  cell.setFloat64(0, value)
  bytes[at] = float64
  write32(bytes, at + 1, cell.getInt32(0))
  write32(bytes, at + 5, cell.getInt32(4))
}

/** The item at `at`, of 64 bits, becomes an int 64 where it is a float that is an integer. */
export function toInteger(bytes: Uint8Array, at: number): void {
  if (bytes[at] !== float64) return
  cell.setInt32(0, read32(bytes, at + 1))
  cell.setInt32(4, read32(bytes, at + 5))
  const value = cell.getFloat64(0)
  if (!Number.isSafeInteger(value)) return
  bytes[at] = int64
  write32(bytes, at + 1, Math.floor(value / high))
  write32(bytes, at + 5, value | 0)
}

/** Big-endian, as an integer with a sign. */
export function read32(bytes: Uint8Array, at: number): number {
  const upper = ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16)
  return upper | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)
}

function write32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}
