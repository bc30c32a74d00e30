/** Files that are named on the command line: what is wrong with one, and small ones as a whole, such as secrets and certificates. */

import { type FileHandle, open } from 'node:fs/promises'
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
export async function readSmall(file: string, flag: string, signal: AbortSignal): Promise<Buffer> {
  const what = `${flag} ${printable(file)}`
  const bytes = await unlessAborted(readBounded(file, what), signal)
  if (bytes.length > maxBytes) throw new UsageError(`${what}: it has more than ${maxBytes} bytes`)
  if (bytes.length === 0) throw new UsageError(`${what}: it is empty`)
  return bytes
}

/** Also of what is no regular file, such as a pipe of the shell. */
async function readBounded(file: string, what: string): Promise<Buffer> {
  let opened: FileHandle | undefined
  try {
    opened = await open(file)
    const chunks: Buffer[] = []
    for (let length = 0; length <= maxBytes; ) {
      const { bytesRead, buffer } = await opened.read(Buffer.alloc(64 * 1024))
      if (bytesRead === 0) break
      length += bytesRead
      chunks.push(buffer.subarray(0, bytesRead))
    }
    return Buffer.concat(chunks)
  } catch (error) {
    throw fileFault(what, error)
  } finally {
    await opened?.close()
  }
}

/** What is read may never come, such as from a pipe without a writer, and nothing ends the wait for it: it is left alone. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) onAbort()
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

const utf8 = new TextDecoder('utf-8', { fatal: true })
const lineBreaks = /\r\n|\n|\r/

/**
 * The secrets of a file: each line is one, without a mark of byte order and without its line break. What is no text is one
 * secret, byte for byte.
 *
 * @throws {UsageError}
 */
export async function readSecrets(file: string, signal: AbortSignal): Promise<readonly (string | Uint8Array)[]> {
  const bytes = await readSmall(file, '--secret-file', signal)
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
