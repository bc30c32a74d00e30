/**
 * Runs it-grid on every runtime that it is for, and prints what each does and what it lacks.
 *
 *     npm run runtimes
 *     npm run runtimes -- --quick --only bun
 *
 * Each runs the example of the README and all extras on the built package, and the behaviour suite on the sources: over all kinds of conns,
 * or with `--quick` over memory only. Deadlines run under the fake timers of vitest and jest. Runtimes and runners come from
 * the npm registry; what cannot be installed is printed with the reason, and is no failure.
 */

import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { transform } from 'esbuild'
import { table } from '../../benchmarks/harness/table.ts'
import { MarkdownFile } from '../support/pages/markdown.ts'
import { childEnvironment } from '../support/process/child.ts'
import { cache, install, mapAtOnce, root, run } from './install.ts'
import { type Runtime, runtimes } from './runtimes.ts'

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } } })
const kinds = values.quick ? ['memory'] : ['memory', 'tcp', 'unix', 'ws', 'wss']
const readme = new MarkdownFile('README.md')
const failures: string[] = []

interface Printed {
  readonly text: string
  readonly failed: boolean
}

async function execute(file: string, args: readonly string[], cwd = root): Promise<Printed> {
  const options = { cwd, env: { ...childEnvironment(), NO_COLOR: '1' }, timeout: 300_000, maxBuffer: 2 ** 26 }
  return await run(file, args, options).then(
    ({ stdout, stderr }) => ({ text: stdout + stderr, failed: false }),
    ({ stdout, stderr, message }) => ({ text: `${stdout}${stderr}` || message, failed: true })
  )
}

/** A project that has it-grid installed, and the example without its types: the oldest runtime does not know any. */
async function writeExample(folder: string): Promise<string> {
  const source = readme.code('ts').find((code) => code.includes("from 'it-grid'")) ?? ''
  const { code } = await transform(source, { loader: 'ts', format: 'esm', target: 'es2022' })
  const file = join(folder, 'example.mjs')
  await writeFile(file, code)
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module', dependencies: { 'it-grid': '*' } }))
  await mkdir(join(folder, 'node_modules'))
  await symlink(root, join(folder, 'node_modules/it-grid'))
  await symlink(join(root, 'node_modules/prom-client'), join(folder, 'node_modules/prom-client'))
  await cp(new URL('programs/extras.js', import.meta.url), join(folder, 'extras.mjs'))
  return file
}

function failed(runtime: string, what: string, text: string): string {
  failures.push(`${runtime}, ${what}:\n${text.slice(-4000)}`)
  return 'FAILED'
}

async function runExample({ name, program }: Runtime, binary: string, example: string): Promise<string> {
  // The loader of the sources is of no use here, and the oldest has no other.
  const args = program.filter((argument) => !/^--import$|typescript\.mjs$/.test(argument))
  const { text } = await execute(binary, [...args, example], dirname(example))
  return text === readme.code('text')[0] ? 'runs' : failed(name, 'the example of the README', text)
}

/** They are given as they are: no loader turns them into what the oldest runtime knows. */
async function runExtras({ name, program }: Runtime, binary: string, folder: string): Promise<string> {
  const args = program.filter((argument) => !/^--import$|typescript\.mjs$/.test(argument))
  const { text } = await execute(binary, [...args, join(folder, 'extras.mjs')], folder)
  return text.endsWith('all work\n') ? 'work' : failed(name, 'the extras', text)
}

async function runSuite({ name, specs, counts }: Runtime, binary: string): Promise<string> {
  let passed = 0
  let isWhole = true
  for (const kind of kinds) {
    const printed = await execute(binary, [...specs, `./spec/behaviour/${kind}.spec.ts`])
    const [good, bad] = counts.map((count) => Number(count.exec(printed.text)?.[1] ?? Number.NaN))
    if (printed.failed || bad !== 0 || !(Number(good) > 100)) {
      isWhole = false
      failed(name, `the behaviour suite over ${kind}`, printed.text)
    }
    passed += Number(good)
  }
  return isWhole ? `${passed} pass` : 'FAILED'
}

/** What it lacks is what it is known to lack, no more and no less: the page names it. */
async function runProbe({ name, program, lacks }: Runtime, binary: string): Promise<string> {
  const { text } = await execute(binary, [...program, './spec/runtimes/programs/probe.ts'])
  const json = /^\{.*\}$/m.exec(text)?.[0]
  if (json === undefined) return failed(name, 'the probe', text)
  const found: Record<string, string> = JSON.parse(json)
  for (const what of new Set([...Object.keys(found), ...Object.keys(lacks)])) {
    const why = found[what]
    if (why === undefined) failed(name, 'the probe', `${what} works by now: say so here and in the README`)
    else if (lacks[what]?.test(why) !== true) failed(name, 'the probe', `${what} does not work: ${why}`)
  }
  return Object.keys(found).join(', ') || 'nothing'
}

/** One at a time: the ports of its servers are fixed. */
let lastExample = Promise.resolve('')

async function runRuntime(runtime: Runtime, example: string): Promise<string[]> {
  const { name, packages, binary } = runtime
  const installed = await install(packages.join('+'), packages, binary)
  if ('reason' in installed) return [name, '-', '-', '-', '-', `not installed: ${installed.reason}`]
  const file = join(installed.folder, 'node_modules', binary)
  const { text: version } = await execute(file, ['--version'])
  const row = [name, /[\d.]+/.exec(version)?.[0] ?? version]
  lastExample = lastExample.then(() => runExample(runtime, file, example))
  row.push(await lastExample)
  row.push(await runExtras(runtime, file, dirname(example)))
  row.push(await runSuite(runtime, file))
  row.push(await runProbe(runtime, file))
  return row
}

/** By the newest Node that was installed: test runners give up old ones. */
async function runFakeTimers(folder: string): Promise<string[][]> {
  const packages = ['vitest', 'jest']
  const node = await install('node@24', ['node@24'], 'node/bin/node')
  const installed = await install('test-runners', packages, 'jest/bin/jest.js')
  const missing = [node, installed].find((one) => 'reason' in one)
  if (!('folder' in node) || !('folder' in installed)) {
    return [
      [
        'fake timers',
        '-',
        '-',
        '-',
        '-',
        `not installed: ${missing !== undefined && 'reason' in missing ? missing.reason : ''}`
      ]
    ]
  }
  const binary = join(node.folder, 'node_modules/node/bin/node')
  const modules = join(installed.folder, 'node_modules')
  if (!existsSync(join(modules, 'it-grid'))) await symlink(root, join(modules, 'it-grid'))
  // Test runners look at no files below a `node_modules`.
  const tests = join(folder, 'fake-timers')
  await cp(new URL('fake-timers/', import.meta.url), tests, { recursive: true })
  await symlink(modules, join(tests, 'node_modules'))
  await writeFile(join(tests, 'package.json'), JSON.stringify({ type: 'module' }))
  const config = join(tests, 'jest.config.json')
  await writeFile(config, JSON.stringify({ testMatch: ['**/jest.test.js'], transform: {}, testEnvironment: 'node' }))
  const commands = {
    vitest: ['node_modules/vitest/vitest.mjs', 'run', 'vitest.test.js'],
    jest: ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', '--config', config]
  }
  const rows: string[][] = []
  for (const [name, args] of Object.entries(commands)) {
    const printed = await execute(binary, args, tests)
    const { version } = JSON.parse(await readFile(join(modules, name, 'package.json'), 'utf8'))
    const said = printed.failed ? failed(name, 'fake timers', printed.text) : 'deadlines fire'
    rows.push([`fake timers of ${name}`, version, '', '', said, ''])
  }
  return rows
}

const wanted = runtimes.filter(({ name }) => name.toLowerCase().includes(values.only?.toLowerCase() ?? ''))
await mkdir(cache, { recursive: true })
const folder = await mkdtemp(join(tmpdir(), 'it-grid-runtimes-'))
const example = await writeExample(folder)
const rows = await mapAtOnce(wanted, (runtime) => runRuntime(runtime, example))
if (values.only === undefined) rows.push(...(await runFakeTimers(folder)))
await rm(folder, { recursive: true })
console.log(
  table(['runtime', 'version', 'README example', 'extras', `behaviour suite over ${kinds.join(', ')}`, 'lacks'], rows)
)
for (const failure of failures) console.error(`\n${failure}`)
process.exitCode = failures.length === 0 ? 0 : 1
