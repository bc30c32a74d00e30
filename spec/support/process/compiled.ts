/**
 * Scripts of the specs as plain JavaScript, with all they import: a process that runs one starts in a third of the time.
 */

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const repository = fileURLToPath(new URL('../../../', import.meta.url))

export interface Compiled {
  /** The path of the script, for `fork` or `spawn`. */
  readonly script: string
  remove(): void
}

/** Compiles the script at `entry` into a folder of its own; types are not checked. */
export async function compiled(entry: URL): Promise<Compiled> {
  const folder = mkdtempSync(join(tmpdir(), 'it-grid-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  const source = fileURLToPath(entry)
  const compilerOptions = { noEmit: false, allowImportingTsExtensions: false, noCheck: true, outDir: 'out' }
  const modules = join(repository, 'node_modules')
  try {
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
    symlinkSync(modules, join(folder, 'node_modules'))
    const config = {
      extends: join(repository, 'tsconfig.json'),
      compilerOptions: { ...compilerOptions, rootDir: repository },
      include: [],
      files: [source]
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
    await promisify(execFile)(process.execPath, [join(modules, 'typescript/bin/tsc'), '-p', folder])
  } catch (error) {
    remove()
    throw error
  }
  return { script: join(folder, 'out', relative(repository, source).replace(/\.ts$/, '.js')), remove }
}

/** The environment of a child: what it runs is no part of the coverage, and taking that slows it down. */
export function childEnvironment(): NodeJS.ProcessEnv {
  const { NODE_V8_COVERAGE: _, ...rest } = process.env
  return rest
}
