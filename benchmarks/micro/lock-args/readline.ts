/**
 * The old way: bytes go into a stream, `node:readline` makes lines of it, and the lines make a struct. In three variants.
 *
 * The stream is made with what it holds, at no cost of a source of its own, which is kinder than the body of a request.
 */

import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import type { LockArgs } from '../../harness/lock-args.ts'
import { argsOf, linesInAll } from './lines.ts'

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

/** The same with `for await`, as the documentation of Node shows it. */
export async function decodeByForAwait(bytes: Buffer): Promise<LockArgs> {
  const lines: string[] = []
  for await (const line of createInterface({ input: streamOf(bytes), crlfDelay: Number.POSITIVE_INFINITY })) {
    lines.push(line)
  }
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
