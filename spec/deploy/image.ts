/** What deploy/Dockerfile makes, without Docker: its build is run here, and its command is started as it says. */

import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from '../support/pages/markdown.ts'

const run = promisify(execFile)

/** Its instructions, each on one line, of each stage. */
export const stages: readonly (readonly (readonly [name: string, rest: string])[])[] = readFileSync(
  join(root, 'deploy/Dockerfile'),
  'utf8'
)
  .replace(/^#.*\n/gm, '')
  .replace(/\\\n/g, ' ')
  .split(/^(?=FROM )/m)
  .filter((stage) => stage.startsWith('FROM '))
  .map((stage) => [...stage.matchAll(/^([A-Z]+) +(.*)$/gm)].map(([, name = '', rest = '']) => [name, rest] as const))

/** What stands behind an instruction of the image, which must be there once. */
export function instruction(name: string): string {
  const found = stages.at(-1)?.filter(([each]) => each === name) ?? []
  if (found.length !== 1) throw new Error(`deploy/Dockerfile has ${found.length} ${name} in its image`)
  return found[0]?.[1] as string
}

/** Makes its file in a folder, by the command of its build. */
export async function build(folder: string): Promise<void> {
  const command = stages[0]?.find(([name, rest]) => name === 'RUN' && rest.includes('esbuild'))?.[1]
  if (command === undefined) throw new Error('deploy/Dockerfile does not build with esbuild')
  const outfile = `--outfile=${join(folder, 'server.mjs')}`
  await run('sh', ['-c', command.replace('--outfile=server.mjs', outfile)], { cwd: root })
}
