/**
 * The arguments of a lock as text, a value to a line: uid, owner, source, quorum, the number of resources, the resources.
 *
 * Nothing is escaped: a value that holds what may end a line is refused. No quorum is an empty line. The old way to read
 * them is `node:readline` over a stream, in two variants. The stream is made with what it holds, at no cost of a source
 * of its own, which is kinder than the body of a request.
 */

import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import type { LockArgs } from '../../../lib/extras/locks/definitions.ts'

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
function linesInAll(lines: readonly string[]): number | undefined {
  return lines.length < headLines ? undefined : headLines + Number(lines[headLines - 1])
}

/** @throws {Error} when these are not all the lines, or too many */
function argsOf(lines: readonly string[]): LockArgs {
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

/** A stream and an interface for each struct, and its `line` events: the faster way to take lines from it. */
export async function decodeByEvents(bytes: Buffer): Promise<LockArgs> {
  const lines = await new Promise<string[]>((resolve) => {
    const lines: string[] = []
    createInterface({ input: streamOf(bytes), crlfDelay: Number.POSITIVE_INFINITY })
      .on('line', (line) => lines.push(line))
      .on('close', () => resolve(lines))
  })
  return argsOf(lines)
}

/** One stream and one interface for all structs, one after the other: no set-up, but only one struct at a time. */
export function sharedDecoder(): (bytes: Buffer) => Promise<LockArgs> {
  const input = new Readable({ read: ignore })
  let lines: string[] = []
  let settle: (lines: string[]) => void = ignore
  createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) => {
    lines.push(line)
    if (lines.length !== linesInAll(lines)) return
    const all = lines
    lines = []
    settle(all)
  })
  return async (bytes) => {
    const all = await new Promise<string[]>((resolve) => {
      settle = resolve
      input.push(bytes)
    })
    return argsOf(all)
  }
}

function streamOf(bytes: Buffer): Readable {
  const input = new Readable({ read: ignore })
  input.push(bytes)
  input.push(null)
  return input
}

function ignore(): void {}
