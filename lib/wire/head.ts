/**
 * The first byte of a frame, its type and flags: which are right, and what is wrong with the others.
 *
 * A table says it of each byte, as every frame is asked; the rules are those of docs/protocol.md, section "Frames".
 */

import { allowedFlags, Flag, FrameType } from './frame.ts'

const moreWithOthers = 'a fragment with flags of a whole message'
const changesWithOthers = 'flags of a handler table beside changes'
const frameNames = ['', 'open', 'data', 'credit', 'reset', 'ping', 'pong', 'handlers', 'goAway']

/** What is wrong with the first byte of a frame; undefined if nothing is. */
export function findWrong(type: number, flags: number): string | undefined {
  const has = (flag: number) => (flags & flag) !== 0
  const allowed = allowedFlags[type]
  if (allowed === undefined || type === 0) return `unknown frame type ${type}`
  if (has(~allowed)) return `flags 0x${flags.toString(16)} on a frame of type ${frameNames[type]}`
  if (has(Flag.more) && has(Flag.end)) return moreWithOthers
  if (type === FrameType.handlers && has(Flag.changes) && flags !== Flag.changes) return changesWithOthers
  if (type !== FrameType.data) return undefined
  if (has(Flag.more) && has(~Flag.more)) return moreWithOthers
  if (has(Flag.error | Flag.bare) && !has(Flag.end)) return 'an error or bare flag without the end of the half'
  return has(Flag.error) && has(Flag.bare) ? 'an error flag without an error' : undefined
}

/** By the first byte of a frame: 1 if nothing is wrong with it. */
export const isRight = Uint8Array.from({ length: 256 }, (_, head) =>
  findWrong(head & 0x0f, head & 0xf0) === undefined ? 1 : 0
)
