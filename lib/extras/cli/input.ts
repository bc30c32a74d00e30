/** What a call sends: a value from the command line, a file or stdin, and the requests of a stream as they come. */

import { Buffer } from 'node:buffer'
import { fstatSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { UsageError } from './exit.ts'
import { chunksOf, openFile, type Source } from './file.ts'
import { printable } from './text.ts'
import { fromJson } from './values.ts'

/** One message is in memory as a whole. */
const maxBytes = 256 * 1024 * 1024
const lineBreak = 0x0a

/** `-` is stdin, `@FILE` a file; undefined for all else. */
export function sourceOf(text: string, stdin: Readable): Source | undefined {
  if (text === '-') return { name: 'stdin', open: () => stdin }
  if (!text.startsWith('@')) return undefined
  const name = text.slice(1)
  return { name: printable(name), open: () => openFile(name) }
}

/** Whether a pipe or a file is at stdin. Whether there is anything in a pipe is known only to who reads it. */
export function isPiped(stdin: Readable): boolean {
  const { fd } = stdin as { readonly fd?: unknown }
  if (typeof fd !== 'number') return false
  try {
    const stats = fstatSync(fd)
    return stats.isFIFO() || (stats.isFile() && stats.size > 0)
  } catch {
    return false
  }
}

/** The bytes of an argument: its own, or all of what it names. @throws {UsageError} */
export async function bytesOf(text: string, stdin: Readable, signal: AbortSignal): Promise<Uint8Array> {
  const source = sourceOf(text, stdin)
  if (source === undefined) return Buffer.from(text)
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of chunksOf(source, signal)) {
    length += chunk.length
    if (length > maxBytes) throw new UsageError(`${source.name} is larger than one message may be (${maxBytes} bytes)`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** @throws {UsageError} */
export async function payloadOf(text: string, stdin: Readable, signal: AbortSignal): Promise<unknown> {
  const name = sourceOf(text, stdin)?.name ?? 'the payload'
  return fromJson(toText(await bytesOf(text, stdin, signal), name), name)
}

/** One value a line, each when it is asked for; empty lines are left out. @throws {UsageError} naming the line */
export async function* linesOf(source: Source, signal: AbortSignal): AsyncGenerator<unknown, void> {
  const { name } = source
  let number = 0
  for await (const line of splitLines(chunksOf(source, signal), name)) {
    number++
    const text = toText(line, `line ${number} of ${name}`)
    if (text.trim() !== '') yield fromJson(text, `line ${number} of ${name}`)
  }
}

async function* splitLines(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array, void> {
  let rest: Uint8Array[] = []
  let length = 0
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf(lineBreak); end !== -1; end = chunk.indexOf(lineBreak, start)) {
      yield Buffer.concat([...rest, chunk.subarray(start, end)])
      ;[rest, length, start] = [[], 0, end + 1]
    }
    length += chunk.length - start
    if (length > maxBytes)
      throw new UsageError(`a line of ${name} is longer than one message may be (${maxBytes} bytes)`)
    if (start < chunk.length) rest.push(chunk.subarray(start))
  }
  if (length > 0) yield Buffer.concat(rest)
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function toText(bytes: Uint8Array, name: string): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new UsageError(`${name} is no UTF-8; bytes are sent by --raw`)
  }
}
