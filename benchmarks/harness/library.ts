/**
 * The files of the built library, with their types: the benchmarks measure what users run, not what `tsx` makes of it.
 *
 * `tsx` wraps each function that is made at run time to keep its name, which costs time and memory of its own.
 */

import { existsSync, readdirSync } from 'node:fs'
import { extname } from 'node:path/posix'
import { pathToFileURL } from 'node:url'
import { refuse } from './arguments.ts'

/** The library, as its users import it. */
export type Grid = typeof import('../../lib/index.ts')

/** The files that are measured, by their names without the folder, which may be another one in an older build. */
interface Modules {
  readonly deadlines: typeof import('../../lib/stream/deadlines.ts')
  readonly 'frame-reader': typeof import('../../lib/wire/frame-reader.ts')
  readonly 'frame-writer': typeof import('../../lib/wire/frame-writer.ts')
  readonly 'id-table': typeof import('../../lib/open/id-table.ts')
  readonly index: Grid
  readonly 'extras/otel/index': typeof import('../../lib/extras/otel/index.ts')
  readonly msgpack: typeof import('../../lib/msgpack/msgpack.ts')
  readonly outbox: typeof import('../../lib/wire/outbox.ts')
  readonly sink: typeof import('../../lib/stream/sink.ts')
  readonly source: typeof import('../../lib/stream/source.ts')
  readonly window: typeof import('../../lib/stream/window.ts')
}

/** Loads one file of the library. */
export type Library = <Name extends keyof Modules>(name: Name) => Promise<Modules[Name]>

const extension = extname(import.meta.url)
/** The benchmarks themselves are compiled, to `benchmarks/dist/`, or run as sources. */
export const isCompiled = extension === '.js'
const repository = new URL(isCompiled ? '../../../../' : '../../', import.meta.url)
/** What `npm run build` makes. */
const builtLibrary = new URL('dist/', repository)

/**
 * What the comparison is about: the library as it was built. Only where the comparison itself runs as sources, in a
 * spec, is it the sources too. Figures are not asked for there.
 */
export const comparedLibrary = isCompiled ? builtLibrary : new URL('lib/', repository)

export const measures = isCompiled ? 'the built library' : 'the sources, through a loader: no figures to go by'

/** The module at `path`, seen from the module `from`: as a source or as compiled, like that one. */
export function besides(from: string, path: string): URL {
  return new URL(`${path}${extension}`, from)
}

/** The library in `folder`, such as `dist` of this repository or of another working copy. */
export function libraryIn(folder: URL): Library {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((path) => path.replace(/\.[jt]s$/, ''))
  return (name) => {
    const path = paths.includes(name) ? name : paths.find((path) => path.endsWith(`/${name}`))
    return import(new URL(`${path}.js`, folder).href)
  }
}

/** The folder of a built library: that at `path`, or that of this repository. Where there is none the run is refused. */
export function libraryAt(path: string): URL {
  const folder = path === '' ? builtLibrary : pathToFileURL(`${path}/`)
  // `tsx` runs the sources under the names of what is built of them.
  if (['index.js', 'index.ts'].some((name) => existsSync(new URL(name, folder)))) return folder
  return refuse(`no built library in ${folder.pathname}: npm run build makes the one of this repository`)
}
