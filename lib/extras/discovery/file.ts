/**
 * `fileHosts`: the hosts that a file names, one a line, read again and again.
 *
 * It is read, not watched: that also works for what is mounted into a container, and on network drives.
 */

import type { Stats } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { InvalidOptionError } from '../../index.ts'
import { checkOptions, type PollOptions, pollRules } from './options.ts'
import { jittered, pause, type Search } from './search.ts'
import { createSource, type HostSource } from './source.ts'

const defaultEveryMs = 5000
const maxBytes = 4 * 1024 * 1024
/** A file that has changed is taken once it stays the same for so long: it may be written just now. */
const settleMs = 100
/** So often it is looked at for that. */
const maxLooks = 30

/**
 * The hosts of a file: one host a line, `#` begins a comment.
 *
 * @throws {InvalidOptionError} naming the argument that is wrong
 */
export function fileHosts(path: string, options: PollOptions): HostSource {
  if (typeof path !== 'string' || path === '')
    throw new InvalidOptionError('fileHosts() takes the path of a file first')
  const local = checkOptions('fileHosts', options, pollRules)
  const { everyMs = defaultEveryMs } = options
  const run = async (search: Search) => {
    let taken: string | undefined
    await search.repeat(everyMs, async () => {
      const text = await readSettled(path, taken, search.signal)
      // Also when it is the same: the source may have failed in between.
      search.found(toNames(text))
      taken = text
      return jittered(everyMs)
    })
  }
  return createSource({ name: `fileHosts(${path})`, local, options, run })
}

async function readSettled(path: string, taken: string | undefined, signal: AbortSignal): Promise<string> {
  let text = await read(path)
  for (let looks = 0; text !== taken && !signal.aborted; looks++) {
    if (looks === maxLooks) throw new Error(`it changes again and again: it does not stay the same for ${settleMs} ms`)
    await pause(settleMs, signal)
    const again = await read(path)
    if (again === text) break
    text = again
  }
  return text
}

async function read(path: string): Promise<string> {
  // Before it is opened: opening a pipe waits for its writer.
  const { size } = await regular(stat(path))
  const file = await open(path)
  try {
    await regular(file.stat())
    // One byte more, so that what grows just now does not look like the whole.
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size + 1), 0, size + 1, 0)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}

async function regular(about: Promise<Stats>): Promise<Stats> {
  const stats = await about
  if (!stats.isFile()) throw new Error('it is not a file')
  if (stats.size > maxBytes) throw new Error(`it has more than ${maxBytes} bytes`)
  return stats
}

function* toNames(text: string): Iterable<string> {
  for (const line of text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/)) {
    const name = line.replace(/(^|\s)#.*$/, '').trim()
    if (name !== '') yield name
  }
}
