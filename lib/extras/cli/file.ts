/** Files that are named on the command line: their content, what is wrong with one, and small ones as a whole, such as secrets. */

import { constants, createReadStream, fstatSync, open, stat } from 'node:fs'
import { Socket } from 'node:net'
import { PassThrough, pipeline, type Readable } from 'node:stream'
import { isatty, ReadStream } from 'node:tty'
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
function fileFault(what: string, error: unknown): UsageError {
  const { code = 'it cannot be read' } = Object(error) as NodeJS.ErrnoException
  return new UsageError(`${what}: ${faults[code] ?? code}`)
}

/**
 * Also of what is no regular file. To open a pipe waits for its writer, and to read one or a terminal for what comes, in a thread
 * of Node for which the end of the process waits, and by then no signal is heard. So neither waits there: on Linux, for elsewhere
 * a pipe without a writer may seem to be at its end.
 */
export function openFile(name: string): Readable {
  const content = new PassThrough()
  const fail = (error: Error) => void content.destroy(error)
  stat(name, (error, stats) => {
    if (error !== null) return fail(error)
    const isPipe = stats.isFIFO() && process.platform === 'linux'
    open(name, isPipe ? constants.O_RDONLY | constants.O_NONBLOCK : 'r', (failure, fd) => {
      if (failure !== null) return fail(failure)
      // What goes wrong is told by the content.
      pipeline(readerOf(fd), content, () => undefined)
    })
  })
  return content
}

function readerOf(fd: number): Readable {
  if (fstatSync(fd).isFIFO()) return new Socket({ fd, readable: true, writable: false })
  return isatty(fd) ? new ReadStream(fd) : createReadStream('', { fd })
}

/** What is read, by a name for people. It is opened by who reads it, who hears of what goes wrong. */
export interface Source {
  readonly name: string
  open(): Readable
}

/** As they are read. Ends with the signal, also while nothing comes. @throws {UsageError} where there is no such file */
export async function* chunksOf({ name, open }: Source, signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
  const input = open()
  const stop = () => input.destroy(signal.reason)
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop)
  try {
    for await (const chunk of input) yield chunk
  } catch (error) {
    if (signal.aborted) throw signal.reason
    throw fileFault(name, error)
  } finally {
    signal.removeEventListener('abort', stop)
    input.destroy()
  }
}

/** @param flag that names the file @throws {UsageError} */
export async function readSmall(file: string, flag: string, signal: AbortSignal): Promise<Buffer> {
  const what = `${flag} ${printable(file)}`
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of chunksOf({ name: what, open: () => openFile(file) }, signal)) {
    length += chunk.length
    if (length > maxBytes) throw new UsageError(`${what}: it has more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  if (length === 0) throw new UsageError(`${what}: it is empty`)
  return Buffer.concat(chunks)
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
