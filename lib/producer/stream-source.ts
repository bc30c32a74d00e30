/**
 * Streams of Node and of the web as sources: released at once by whoever took them and will not read them any more.
 *
 * Their own iterators do less. That of Node is a generator, which does nothing when it is left before its first pull. And
 * both are left only once a pending pull has settled, which may never happen. Streams are recognised by what they can do,
 * for they may be of another realm or another package.
 */

import { IncomingMessage } from 'node:http'
import { quietly } from '../base/quietly.ts'

interface NodeStream {
  pipe(): unknown
  on(event: 'error', listener: () => void): unknown
  destroy(): unknown
}

type WebStream<T> = Pick<ReadableStream<T>, 'getReader' | 'cancel'> & { readonly values?: unknown }

const end: IteratorReturnResult<undefined> = Object.freeze({ done: true, value: undefined })

/** The iterator of a stream, by its `Symbol.asyncIterator`; undefined for a source that is no stream. */
export function openStream<T>(source: object, method: () => unknown): AsyncIterator<T> | undefined {
  // One with an iterator of its own making is read by that.
  if ((source as WebStream<T>).values === method && isWebStream<T>(source)) return openWebStream(source)
  return isNodeStream(source) ? openNodeStream(source, method as () => AsyncIterator<T>) : undefined
}

/** A stream that waits to be read may fail meanwhile, and Node ends the process when nothing listens to that. Reading throws it. */
export function shieldStream(source: unknown): void {
  if (isNodeStream(source)) source.on('error', ignore)
}

/** Releases `source` if it is a stream; not a web stream that somebody else reads. A Node stream does not tell that. */
export function releaseStream(source: unknown): void {
  try {
    if (isWebStream(source)) return quietly(() => source.cancel())
    if (!isNodeStream(source)) return
    shieldStream(source)
    destroy(source)
  } catch {
    // Ignored: it fails for another reason already.
  }
}

function openWebStream<T>(stream: WebStream<T>): AsyncIterator<T> {
  const reader = stream.getReader()
  return {
    async next() {
      let isOver = true
      try {
        const result = await reader.read()
        isOver = result.done
        return result as IteratorResult<T>
      } finally {
        if (isOver) reader.releaseLock()
      }
    },
    async return() {
      // A pending pull ends by this.
      const cancelled = reader.cancel()
      reader.releaseLock()
      await cancelled
      return end
    }
  }
}

function openNodeStream<T>(stream: NodeStream, method: () => AsyncIterator<T>): AsyncIterator<T> {
  shieldStream(stream)
  const iterator = Reflect.apply(method, stream, [])
  return {
    next: () => iterator.next(),
    return() {
      try {
        return iterator.return === undefined ? Promise.resolve(end) : iterator.return()
      } finally {
        destroy(stream)
      }
    }
  }
}

function destroy(stream: NodeStream): void {
  // As Node does where a `for await` is left: the request of an HTTP server can still be answered.
  if (stream instanceof IncomingMessage && !('req' in stream)) Object.assign(stream, { socket: null })
  stream.destroy()
}

function isNodeStream(source: unknown): source is NodeStream {
  const stream = source as NodeStream | undefined | null
  return typeof stream?.pipe === 'function' && typeof stream.on === 'function' && typeof stream.destroy === 'function'
}

function isWebStream<T>(source: unknown): source is WebStream<T> {
  const stream = source as WebStream<T> | undefined | null
  return typeof stream?.getReader === 'function' && typeof stream.cancel === 'function'
}

function ignore(): void {}
