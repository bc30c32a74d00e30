/** How many messages a consumer of rsocket asks for ahead, in both versions of it. */

const maxWindow = 256
const maxWindowBytes = 4 * 1024 * 1024
const minWindow = 4

/** 256 is faster than 64, 1024 no faster; but no more bytes than one would hold ready for a stream. */
export function windowOf(messageBytes: number): number {
  return Math.max(minWindow, Math.min(maxWindow, Math.floor(maxWindowBytes / messageBytes)))
}
