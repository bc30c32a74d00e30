/**
 * The files of the built library, with their types: the benchmarks measure what users run, not what `tsx` makes of it.
 *
 * `tsx` wraps each function that is made at run time to keep its name, which costs time and memory of its own.
 */

import { existsSync } from 'node:fs'

/** What `npm run build` makes. */
export const builtLibrary = new URL('../../dist/', import.meta.url)

/** The files that are measured. */
interface Modules {
  readonly deadlines: typeof import('../../lib/deadlines.ts')
  readonly frame: typeof import('../../lib/frame.ts')
  readonly 'frame-reader': typeof import('../../lib/frame-reader.ts')
  readonly 'frame-writer': typeof import('../../lib/frame-writer.ts')
  readonly 'id-table': typeof import('../../lib/id-table.ts')
  readonly index: typeof import('../../lib/index.ts')
  readonly msgpack: typeof import('../../lib/msgpack.ts')
  readonly options: typeof import('../../lib/options.ts')
  readonly outbox: typeof import('../../lib/outbox.ts')
  readonly sink: typeof import('../../lib/sink.ts')
  readonly source: typeof import('../../lib/source.ts')
  readonly window: typeof import('../../lib/window.ts')
}

/** Loads one file of the library. */
export type Library = <Name extends keyof Modules>(name: Name) => Promise<Modules[Name]>

/** The library in `folder`, such as `dist` of this repository or of another working copy. */
export function libraryIn(folder: URL): Library {
  return (name) => import(new URL(`${name}.js`, folder).href)
}

/** @throws {Error} when there is no built library */
export function checkLibrary(folder: URL): void {
  // `tsx` runs the sources under the names of what is built of them.
  if (['index.js', 'index.ts'].some((name) => existsSync(new URL(name, folder)))) return
  throw new Error(`no built library in ${folder.pathname}: npm run build makes the one of this repository`)
}
