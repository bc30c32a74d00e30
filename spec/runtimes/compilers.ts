/**
 * Compiles programs of users with every version of TypeScript that is supported, against the built package.
 *
 *     npm run compilers
 *
 * Programs that are right, of the core and of the extras, must compile under `moduleResolution` node16 and bundler, with `exactOptionalPropertyTypes` and the
 * declarations checked too; the mistakes of `mistakes.ts` must be told where they are. Compilers come from the npm registry.
 */

import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { table } from '../../benchmarks/harness/table.ts'
import { compareTexts, readDiagnostics, readMistakes } from '../repository/consumer/texts.ts'
import { install, mapAtOnce, root, run } from './install.ts'

const versions = ['5.7', '5.9', '6', '7']
const consumer = new URL('../repository/consumer/', import.meta.url)
const compilerOptions = {
  ...{ strict: true, noEmit: true, target: 'es2023', lib: ['es2023', 'esnext.disposable'], types: ['node'] },
  ...{ noUncheckedIndexedAccess: true, skipLibCheck: false }
}
const node16 = { module: 'node16', moduleResolution: 'node16' }
const bundler = { module: 'esnext', moduleResolution: 'bundler' }
const projects = {
  node16: { compilerOptions: { ...compilerOptions, ...node16, exactOptionalPropertyTypes: true }, files: ['use.ts'] },
  bundler: { compilerOptions: { ...compilerOptions, ...bundler, exactOptionalPropertyTypes: true }, files: ['use.ts'] },
  extras: { compilerOptions: { ...compilerOptions, ...node16 }, files: ['use-extras.ts'] },
  'extras, bundler': { compilerOptions: { ...compilerOptions, ...bundler }, files: ['use-extras.ts'] },
  mistakes: { compilerOptions: { ...compilerOptions, ...node16 }, files: ['mistakes.ts'] }
}

async function compile(compiler: string, folder: string, project: string): Promise<string> {
  const args = [compiler, '--project', join(folder, `tsconfig.${project}.json`), '--pretty', 'false']
  return await run(process.execPath, args, { cwd: folder }).then(
    ({ stdout }) => stdout,
    ({ stdout, message }) => stdout || message
  )
}

/** A project that has it-grid installed, beside what every Node project with types has. */
async function writeProject(folder: string): Promise<void> {
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module' }))
  for (const name of ['use.ts', 'use-extras.ts', 'mistakes.ts']) await cp(new URL(name, consumer), join(folder, name))
  for (const [name, project] of Object.entries(projects)) {
    await writeFile(join(folder, `tsconfig.${name}.json`), JSON.stringify(project))
  }
  await mkdir(join(folder, 'node_modules'), { recursive: true })
  await symlink(root, join(folder, 'node_modules/it-grid'))
  const { peerDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  // Those of the extras are installed by their users.
  for (const name of ['@types/node', ...Object.keys(peerDependencies)]) {
    await mkdir(join(folder, 'node_modules', name, '..'), { recursive: true })
    await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name))
  }
}

const folder = await mkdtemp(join(tmpdir(), 'it-grid-compilers-'))
await writeProject(folder)
const mistakes = readMistakes(await readFile(join(folder, 'mistakes.ts'), 'utf8'))

/** A row of the table. */
async function check(version: string): Promise<string[]> {
  const name = `typescript@${version}`
  const installed = await install(name, [name], 'typescript/bin/tsc')
  if ('reason' in installed) return [version, `not installed: ${installed.reason}`]
  const compiler = join(installed.folder, 'node_modules/typescript/bin/tsc')
  const row = [version]
  for (const project of Object.keys(projects)) {
    const said = await compile(compiler, folder, project)
    const faults = project === 'mistakes' ? compareTexts(mistakes, readDiagnostics(said)) : [said].filter(Boolean)
    row.push(faults.length > 0 ? 'FAILED' : project === 'mistakes' ? `${mistakes.length} as wanted` : 'compiles')
    if (faults.length > 0) console.error(`TypeScript ${version}, ${project}:\n${faults.join('\n')}`)
    if (faults.length > 0) process.exitCode = 1
  }
  return row
}

const rows = await mapAtOnce(versions, check)
await rm(folder, { recursive: true })
console.log(table(['TypeScript', ...Object.keys(projects)], rows))
