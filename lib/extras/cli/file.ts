/** Files that are named on the command line: what is wrong with one, and small ones as a whole, such as secrets and certificates. */

import { closeSync, openSync, readSync } from 'node:fs'
import { UsageError } from './exit.ts'
import { printable } from './text.ts'

/** What is named may be anything, and may have no end. */
const maxBytes = 1024 * 1024

const faults: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EISDIR: 'it is a directory',
  EACCES: 'this user may not read it',
  EPERM: 'this user may not read it'
}

/** What is wrong with a file, by the error of reading it. @param what names it */
export function fileFault(what: string, error: unknown): UsageError {
  const { code = 'it cannot be read' } = Object(error) as NodeJS.ErrnoException
  return new UsageError(`${what}: ${faults[code] ?? code}`)
}

/** @param flag that names the file @throws {UsageError} */
export function readSmall(file: string, flag: string): Buffer {
  const what = `${flag} ${printable(file)}`
  const bytes = readBounded(file, what)
  if (bytes.length > maxBytes) throw new UsageError(`${what}: it has more than ${maxBytes} bytes`)
  if (bytes.length === 0) throw new UsageError(`${what}: it is empty`)
  return bytes
}

/** Also of what is no regular file, such as a pipe of the shell. */
function readBounded(file: string, what: string): Buffer {
  let opened: number | undefined
  try {
    opened = openSync(file, 'r')
    const chunks: Buffer[] = []
    for (let length = 0; length <= maxBytes; ) {
      const chunk = Buffer.alloc(64 * 1024)
      const read = readSync(opened, chunk)
      if (read === 0) break
      length += read
      chunks.push(chunk.subarray(0, read))
    }
    return Buffer.concat(chunks)
  } catch (error) {
    throw fileFault(what, error)
  } finally {
    if (opened !== undefined) closeSync(opened)
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })
const lineBreaks = /\r\n|\n|\r/

/**
 * The secrets of a file: each line is one, without a mark of byte order and without its line break. What is no text is one
 * secret, byte for byte.
 *
 * @throws {UsageError}
 */
export function readSecrets(file: string): readonly (string | Uint8Array)[] {
  const bytes = readSmall(file, '--secret-file')
  const what = `--secret-file ${printable(file)}`
  if (/^(\xff\xfe|\xfe\xff)/.test(bytes.toString('latin1', 0, 2)))
    throw new UsageError(`${what}: it is UTF-16: write it as UTF-8`)
  const secrets = toLines(bytes) ?? [bytes]
  const short = secrets.find((each) => Buffer.byteLength(each) < leastBytes)
  if (secrets.length > 0 && short === undefined) return secrets
  const has = short === undefined ? 'there is none' : `there is one of ${Buffer.byteLength(short)}`
  throw new UsageError(`${what}: a secret must have ${leastBytes} bytes or more, and ${has}`)
}

const leastBytes = 16

function toLines(bytes: Uint8Array): string[] | undefined {
  try {
    return utf8.decode(bytes).split(lineBreaks).filter(Boolean)
  } catch {
    return undefined
  }
}
