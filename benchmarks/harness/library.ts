/**
 * The files of the built library, with their types: the benchmarks measure what users run, not what `tsx` makes of it.
 *
 * `tsx` wraps each function that is made at run time to keep its name, which costs time and memory of its own.
 */

import { existsSync } from 'node:fs'
import { basename } from 'node:path/posix'

/** What `npm run build` makes. */
export const builtLibrary = new URL('../../dist/', import.meta.url)

/** The files that are measured. */
interface Modules {
  readonly 'stream/deadlines': typeof import('../../lib/stream/deadlines.ts')
  readonly 'wire/frame': typeof import('../../lib/wire/frame.ts')
  readonly 'wire/frame-reader': typeof import('../../lib/wire/frame-reader.ts')
  readonly 'wire/frame-writer': typeof import('../../lib/wire/frame-writer.ts')
  readonly 'session/id-table': typeof import('../../lib/session/id-table.ts')
  readonly index: typeof import('../../lib/index.ts')
  readonly 'codec/msgpack': typeof import('../../lib/codec/msgpack.ts')
  readonly 'base/options': typeof import('../../lib/base/options.ts')
  readonly 'wire/outbox': typeof import('../../lib/wire/outbox.ts')
  readonly 'stream/sink': typeof import('../../lib/stream/sink.ts')
  readonly 'stream/source': typeof import('../../lib/stream/source.ts')
  readonly 'stream/window': typeof import('../../lib/stream/window.ts')
}

/** Loads one file of the library. */
export type Library = <Name extends keyof Modules>(name: Name) => Promise<Modules[Name]>

/** The library in `folder`, such as `dist` of this repository or of another working copy. */
export function libraryIn(folder: URL): Library {
  // In builds of before the folders all files lie side by side: they can still be measured against.
  const isFlat = existsSync(new URL('stream.js', folder))
  return (name) => import(new URL(`${isFlat ? basename(name) : name}.js`, folder).href)
}

/** @throws {Error} when there is no built library */
export function checkLibrary(folder: URL): void {
  // `tsx` runs the sources under the names of what is built of them.
  if (['index.js', 'index.ts'].some((name) => existsSync(new URL(name, folder)))) return
  throw new Error(`no built library in ${folder.pathname}: npm run build makes the one of this repository`)
}
