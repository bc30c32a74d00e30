/**
 * A file descriptor as a stream that never holds this thread: a reader that stands still, such as a pager, would otherwise keep it
 * from answering pings, and the host would take the guest for dead. Pipes that do not block are asked again after a moment.
 */

import { write } from 'node:fs'
import { Writable } from 'node:stream'

const againMs = 10

export function fdStream(fd: number): Writable {
  return new Writable({
    write(chunk: Uint8Array, _, done) {
      writeAll(fd, chunk, 0, done)
    }
  })
}

function writeAll(fd: number, chunk: Uint8Array, from: number, done: (error?: Error | null) => void): void {
  write(fd, chunk, from, (error, written) => {
    if (error?.code === 'EAGAIN') setTimeout(writeAll, againMs, fd, chunk, from, done)
    else if (error !== null) done(error)
    else if (from + written < chunk.length) writeAll(fd, chunk, from + written, done)
    else done()
  })
}
