/**
 * The arguments of a lock as text, a value to a line: uid, owner, source, quorum, the number of resources, the resources.
 *
 * Nothing is escaped: a value that holds what may end a line is refused. No quorum is an empty line.
 */

import type { LockArgs } from '../../harness/lock-args.ts'

/** Lines before the first resource. */
const headLines = 5
/** All that `node:readline` takes for the end of a line. */
const lineEnds = /[\n\r\u2028\u2029]/

/** @throws {Error} when a value holds the end of a line */
export function encodeText({ uid, resources, owner, source, quorum }: LockArgs): Buffer {
  const lines = [uid, owner, source, quorum === null ? '' : String(quorum), String(resources.length), ...resources]
  for (const line of lines) {
    if (lineEnds.test(line)) throw new Error('a value that holds the end of a line cannot go as a line')
  }
  return Buffer.from(`${lines.join('\n')}\n`)
}

/** How many lines there are in all; unknown before the line that says it. */
export function linesInAll(lines: readonly string[]): number | undefined {
  return lines.length < headLines ? undefined : headLines + Number(lines[headLines - 1])
}

/** @throws {Error} when these are not all the lines, or too many */
export function argsOf(lines: readonly string[]): LockArgs {
  const [uid, owner, source, quorumText] = lines
  if (lines.length !== linesInAll(lines)) throw new Error('a line is missing, or there is one too many')
  const quorum = quorumText === '' ? null : Number(quorumText)
  if (Number.isNaN(quorum)) throw new Error('the quorum is no number')
  return { uid, resources: lines.slice(headLines), owner, source, quorum } as LockArgs
}

export function decodeText(bytes: Buffer): LockArgs {
  const lines = bytes.toString().split('\n')
  if (lines.pop() !== '') throw new Error('the last line has no end')
  return argsOf(lines)
}
