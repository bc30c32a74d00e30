/**
 * Runtimes, compilers and test runners from the npm registry, in a folder of their own below `node_modules/.cache`: nobody
 * who works on it-grid needs all of them.
 */

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { atOnce } from '../../benchmarks/harness/callers.ts'

export const run = promisify(execFile)
export const root = fileURLToPath(new URL('../..', import.meta.url))
export const cache = join(root, 'node_modules/.cache/it-grid-runtimes')

/** Such as `node@24`: where they are, or why they cannot be installed. */
export type Installed = { readonly folder: string } | { readonly reason: string }

/** @param file that a finished installation has, of its `node_modules` */
export async function install(name: string, packages: readonly string[], file: string): Promise<Installed> {
  const folder = join(cache, name)
  const modules = join(folder, 'node_modules')
  if (existsSync(join(modules, file))) return { folder }
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  try {
    // With scripts: the package of Node fetches its binary by one.
    const flags = ['--no-audit', '--no-fund', '--no-save', '--ignore-scripts=false', '--package-lock=false']
    await run('npm', ['install', ...flags, ...packages], { cwd: folder, timeout: 180_000 })
    return existsSync(join(modules, file)) ? { folder } : { reason: `npm installed it without ${file}` }
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string }
    const lines = stderr.split('\n').filter((line) => line !== '')
    return { reason: lines.find((line) => /E\w+:|code E|notarget|network/i.test(line)) ?? lines[0] ?? String(error) }
  }
}

/** What `work` makes of each, in their order; as many at once as there are processors. */
export async function mapAtOnce<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  const left = items.entries()
  await atOnce(availableParallelism(), async () => {
    for (const [at, item] of left) results[at] = await work(item)
  })
  return results
}
