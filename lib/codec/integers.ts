/**
 * Integers of 64 bits in encoded msgpack, which `msgpackr` reads as bigint and does not write for numbers.
 *
 * All formats of 64 bits have one size, so a number changes its format in place. Only integers within ±(2^53-1), which a
 * number holds exactly, are changed. docs/protocol.md, section "Values".
 */

const float64 = 0xcb
const uint64 = 0xcf
const int64 = 0xd3
const high = 2 ** 32

const cell = new DataView(new ArrayBuffer(8))
const cellBytes = new Uint8Array(cell.buffer)

/** The item at `at`, of 64 bits, becomes a float 64 where that is the same number. */
export function toNumber(bytes: Uint8Array, at: number): void {
  const format = bytes[at]
  if (format === float64) return
  load(bytes, at)
  const value = (format === uint64 ? cell.getUint32(0) : cell.getInt32(0)) * high + cell.getUint32(4)
  if (!Number.isSafeInteger(value)) return
  cell.setFloat64(0, value)
  store(bytes, at, float64)
}

/** The item at `at`, of 64 bits, becomes an int 64 where it is a float that is an integer. */
export function toInteger(bytes: Uint8Array, at: number): void {
  if (bytes[at] !== float64) return
  load(bytes, at)
  const value = cell.getFloat64(0)
  if (!Number.isSafeInteger(value)) return
  cell.setInt32(0, Math.floor(value / high))
  cell.setUint32(4, value % high)
  store(bytes, at, int64)
}

function load(bytes: Uint8Array, at: number): void {
  for (let i = 0; i < 8; i++) cellBytes[i] = bytes[at + 1 + i] as number
}

function store(bytes: Uint8Array, at: number, format: number): void {
  bytes[at] = format
  for (let i = 0; i < 8; i++) bytes[at + 1 + i] = cellBytes[i] as number
}
