/**
 * The folders of the benchmarks, held to: what they share is in `harness/`, and none of them reaches into another.
 *
 * A path counts wherever it stands in the code: in an import, of a type too, or as the place of a script to start.
 */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path/posix'
import { describe, it } from 'node:test'

const root = new URL('../../', import.meta.url)
const folders = ['compare', 'harness', 'locks', 'micro', 'scale', 'socket.io']
/** Not ours, or made. */
const leftOut = ['dist', 'node_modules', 'results']

interface File {
  /** Within the repository: `benchmarks/micro/main.ts`. */
  readonly path: string
  readonly text: string
}

function filesIn(folder: string): File[] {
  return readdirSync(new URL(`${folder}/`, root), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return leftOut.includes(entry.name) ? [] : filesIn(path)
    return path.endsWith('.ts') ? [{ path, text: readFileSync(new URL(path, root), 'utf8') }] : []
  })
}

/** All paths in a file, as seen from the root of the repository. */
function pathsIn({ path, text }: File): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\/|(?<!:)\/\/.*$/gm, '')
  return [...code.matchAll(/(['"`])(?<path>\.\.?\/[^'"`]*)\1/g)].map(({ groups }) =>
    join(path, '..', groups?.path ?? '')
  )
}

/** `micro` of `benchmarks/micro/main.ts`; nothing for what is in no folder of the benchmarks. */
function folderOf(path: string): string | undefined {
  return /^benchmarks\/(?<folder>[^/]+)\//.exec(path)?.groups?.folder
}

/** The paths into another folder of the benchmarks than that of the file, or `harness/`. */
function faultsOf(file: File): string[] {
  const reached = pathsIn(file).filter((path) => ![undefined, 'harness', folderOf(file.path)].includes(folderOf(path)))
  return reached.map((path) => `${file.path} reaches ${path}`)
}

describe('benchmarks/', () => {
  const files = filesIn('benchmarks')

  it('has six folders, and nothing beside them', () => {
    const found = new Set(files.map(({ path }) => folderOf(path)))
    assert.deepEqual([...found].sort(), folders)
  })

  it('reaches what is there, and from no folder into another but harness/', () => {
    const reached = files.flatMap(pathsIn).filter((path) => /^[^$]*\.ts$/.test(path))
    const known = new Set([...files, ...filesIn('lib'), ...filesIn('examples')].map(({ path }) => path))
    for (const path of reached) assert.ok(known.has(path), `${path} is reached and not there`)
    assert.ok(reached.length > 150, `only ${reached.length} paths were found`)
    assert.deepEqual(files.flatMap(faultsOf), [])
  })

  it('is harness/ only for spec/long/', () => {
    const reached = filesIn('spec/long').flatMap(pathsIn).map(folderOf)
    assert.deepEqual([...new Set(reached)].sort(), ['harness', undefined])
  })
})

describe('the rule of benchmarks/', () => {
  const found = (path: string, line: string) => faultsOf({ path: `benchmarks/${path}`, text: line })

  it('finds a path into a sibling, of code, of a type, or of a script, however it is written', () => {
    for (const line of [
      "import { a } from '../compare/a.ts'",
      "import type { A } from '../compare/a.ts'",
      "export type { A } from '../compare/a.ts'",
      "let a: import('../compare/a.ts').A",
      "new URL('../compare/a.ts', import.meta.url)",
      'besides(import.meta.url, `../compare/a.ts`)'
    ]) {
      assert.deepEqual(found('locks/main.ts', line), ['benchmarks/locks/main.ts reaches benchmarks/compare/a.ts'], line)
    }
    assert.deepEqual(found('harness/pieces/a.ts', "'../../micro/a.ts'").length, 1)
  })

  it('takes paths within the folder, into harness/ and out of the benchmarks', () => {
    for (const line of ["'./a.ts'", "'../locks/a.ts'", "'../harness/a.ts'", "'../../lib/a.ts'", "// '../compare/a.ts'"])
      assert.deepEqual(found('locks/main.ts', line), [], line)
  })
})
