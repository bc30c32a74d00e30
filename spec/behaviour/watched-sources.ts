/** Sources of every kind that give little or nothing, and tell when they were released. */

import { EventEmitter, on } from 'node:events'
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'

export interface Watched {
  readonly source: AsyncIterable<Uint8Array> | Iterable<Uint8Array | PromiseLike<Uint8Array>>
  readonly released: () => boolean
}

const never = new Promise<never>(() => undefined)

function nodeStream(source: Readable): Watched {
  let closed = false
  source.once('close', () => {
    closed = true
  })
  return { source, released: () => closed }
}

function endlessDestruction(): Watched {
  const source = new Readable({ read: () => undefined, destroy: () => undefined })
  return { source, released: () => source.destroyed }
}

function webStream(type?: 'bytes'): Watched {
  let cancelled = false
  const cancel = () => {
    cancelled = true
  }
  const source = type === undefined ? new ReadableStream({ cancel }) : new ReadableStream({ type, cancel })
  return { source, released: () => cancelled }
}

/** An iterator whose `return()` gives what `leave` does. */
function iterator(leave: () => unknown): Watched {
  let returns = 0
  const source = {
    next: () => never,
    return() {
      returns++
      return leave()
    },
    [Symbol.asyncIterator]: () => source
  }
  return { source: source as unknown as AsyncIterable<Uint8Array>, released: () => returns === 1 }
}

/** A generator, whose `return()` is watched. */
function generator(source: Generator<PromiseLike<Uint8Array>> | AsyncGenerator<Uint8Array>): Watched {
  let returns = 0
  const leave = source.return
  const watched = Object.assign(source, {
    return(value: never) {
      returns++
      return Reflect.apply(leave, source, [value])
    }
  })
  return { source: watched, released: () => returns === 1 }
}

function events(): Watched {
  const emitter = new EventEmitter()
  const source = on(emitter, 'value') as AsyncIterable<never>
  return { source, released: () => emitter.listenerCount('value') === 0 }
}

/** None of their code runs once they are left. */
export const idleStreams: Record<string, () => Watched> = {
  'a Node stream': () => nodeStream(new Readable({ read: () => undefined })),
  'a Node stream whose destruction never ends': endlessDestruction,
  'a web stream': () => webStream(),
  'a web stream of bytes': () => webStream('bytes'),
  'the events of an emitter': events
}

/** A pull of these never ends by itself. */
export const idleSources: Record<string, () => Watched> = {
  ...idleStreams,
  'an iterator': () => iterator(() => Promise.resolve({ done: true, value: undefined })),
  'an iterator whose return() never settles': () => iterator(() => never),
  'an iterator whose return() rejects': () => iterator(() => Promise.reject(new Error('not now'))),
  'an iterator whose return() throws': () =>
    iterator(() => {
      throw new Error('not now')
    })
}

export const sources: Record<string, () => Watched> = {
  ...idleSources,
  'a file': () => nodeStream(createReadStream(import.meta.filename)),
  'a file that does not exist': () => nodeStream(createReadStream(`${import.meta.filename}.absent`)),
  'a Node stream whose destruction fails': () =>
    nodeStream(new Readable({ read: () => undefined, destroy: (_error, done) => done(new Error('not now')) })),
  'an iterable': () => {
    const { source, released } = iterator(() => ({ done: true, value: undefined }))
    return { source: { [Symbol.asyncIterator]: () => source as AsyncGenerator<Uint8Array> }, released }
  },
  'an async generator': () =>
    generator(
      (async function* () {
        for (; ; await delay(1)) yield new Uint8Array(1)
      })()
    ),
  'a generator': () =>
    generator(
      (function* () {
        for (;;) yield never
      })()
    )
}
