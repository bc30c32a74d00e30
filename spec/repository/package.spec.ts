/**
 * What npm packs, and that a user can build on it: types under node16 and bundler, code at run time, and the examples that
 * are projects of their own. No network.
 */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { publint } from 'publint'
import { paced } from '../support/clock/pace.ts'
import { MarkdownFile } from '../support/pages/markdown.ts'
import { childEnvironment } from '../support/process/child.ts'

const run = promisify(execFile)
const repository = fileURLToPath(new URL('../..', import.meta.url))
const modules = join(repository, 'node_modules')
const notCopied = new Set(['node_modules', '.git', 'dist', 'coverage'])

/** A copy of the repository, so that a build of it disturbs nobody. */
let copy = ''
let consumer = ''
/** The same, with the optional peers of the extras installed. */
let consumerOfExtras = ''
let packed: string[] = []

before(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'it-grid-package-'))
  copy = join(folder, 'copy')
  consumer = join(folder, 'consumer')
  consumerOfExtras = join(folder, 'consumer-of-extras')
  const names = (await readdir(repository)).filter((name) => !notCopied.has(name))
  for (const name of names) await cp(join(repository, name), join(copy, name), { recursive: true })
  await symlink(modules, join(copy, 'node_modules'))
  await run('npm', ['run', '--silent', 'build'], { cwd: copy })
  const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--offline', '--ignore-scripts'], { cwd: copy })
  const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }]
  packed = files.map(({ path }) => path)
  const { dependencies, peerDependencies } = JSON.parse(await readFile(join(copy, 'package.json'), 'utf8'))
  await install(consumer, 'use.ts', Object.keys(dependencies))
  await install(consumerOfExtras, 'use-extras.ts', Object.keys({ ...dependencies, ...peerDependencies }))
})

after(async () => {
  if (copy !== '') await rm(join(copy, '..'), { recursive: true })
})

/** A project that has what was packed as `it-grid`, beside other packages, and a program. */
async function install(project: string, program: string, packages: readonly string[]): Promise<void> {
  const installed = join(project, 'node_modules', 'it-grid')
  for (const path of packed) await cp(join(copy, path), join(installed, path))
  // What the published types need beside them is what every Node project with types has.
  for (const name of [...packages, '@types/node', 'undici-types']) {
    await mkdir(join(project, 'node_modules', name, '..'), { recursive: true })
    await symlink(join(modules, name), join(project, 'node_modules', name))
  }
  await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'consumer', type: 'module' }))
  await cp(new URL(`consumer/${program}`, import.meta.url), join(project, program))
}

describe('the package', () => {
  it('contains dist, docs, README, CHANGELOG, SECURITY, LICENSE and package.json, and nothing else', () => {
    const kinds = new Set(packed.map((path) => path.split('/')[0]))
    assert.deepEqual(
      [...kinds].sort(),
      ['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'dist', 'docs', 'package.json'].sort()
    )
    const page = packed.filter((path) => path.startsWith('dist/extras/inspector/page/'))
    assert.deepEqual(page.map((path) => path.split('/').at(-1)).sort(), ['index.html', 'page.css', 'page.js'])
    const others = packed.filter((path) => path.startsWith('dist/') && !page.includes(path))
    assert.ok(others.every((path) => /\.(js|d\.ts)$/.test(path)))
    assert.ok(packed.filter((path) => path.startsWith('docs/')).every((path) => /\.(md|svg)$/.test(path)))
    for (const path of ['dist/index.js', 'dist/index.d.ts', 'docs/protocol.md']) assert.ok(packed.includes(path), path)
  })

  it('has no link in its pages that leads out of what is packed', () => {
    const dead: string[] = []
    for (const path of packed.filter((name) => name.endsWith('.md'))) {
      const prose = readFileSync(join(copy, path), 'utf8').replace(/^```[\s\S]*?^```$/gm, '')
      for (const [, link = ''] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
        const target = join(path, '..', link.split('#')[0] ?? '')
        if (!/^([a-z]+:|#)/.test(link) && !packed.includes(target)) dead.push(`${path}: ${link}`)
      }
    }
    assert.deepEqual(dead, [])
  })

  it('has nothing that publint finds', async () => {
    const pkgDir = join(consumer, 'node_modules', 'it-grid')
    const { messages } = await publint({ pkgDir, strict: true, pack: false })
    assert.deepEqual(messages, [])
  })

  it('runs none of the sources in what it ships', async () => {
    for (const path of packed.filter((name) => name.endsWith('.js'))) {
      const text = await readFile(join(copy, path), 'utf8')
      // Examples in comments may.
      const code = text.replace(/\/\*[\s\S]*?\*\//g, '')
      assert.doesNotMatch(code, /from '\.[^']*\.ts'/, path)
      assert.doesNotMatch(code, /sourceMappingURL/, path)
    }
  })

  it('is built before it is packed', async () => {
    const { scripts } = JSON.parse(await readFile(join(repository, 'package.json'), 'utf8'))
    assert.equal(scripts.prepack, 'npm run build')
    const npmrc = await readFile(join(repository, '.npmrc'), 'utf8').catch(() => '')
    assert.doesNotMatch(
      npmrc,
      /ignore-scripts\s*=\s*true/,
      'npm would skip prepack, and publish what dist happens to be'
    )
  })

  const targets = [
    ['node16', { module: 'node16', moduleResolution: 'node16' }],
    ['bundler', { module: 'esnext', moduleResolution: 'bundler' }]
  ] as const
  for (const [name, target] of targets) {
    const compile = async (project: string, program: string) => {
      const compilerOptions = {
        ...{ strict: true, noEmit: true, target: 'es2023', lib: ['es2023', 'esnext.disposable'], types: ['node'] },
        ...{ exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, skipLibCheck: false },
        ...target
      }
      const config = join(project, `tsconfig.${name}.json`)
      await writeFile(config, JSON.stringify({ compilerOptions, files: [program] }))
      const checked = run(process.execPath, [join(modules, 'typescript/bin/tsc'), '-p', config], { cwd: project })
      const { stdout } = await checked.catch((error: { stdout: string }) => error)
      return stdout
    }

    it(`type-checks in a project with moduleResolution ${name}`, async () => {
      assert.equal(await compile(consumer, 'use.ts'), '')
    })

    it(`type-checks with its extras and their peers in a project with moduleResolution ${name}`, async () => {
      assert.equal(await compile(consumerOfExtras, 'use-extras.ts'), '')
    })
  }

  const { exports, peerDependencies, version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'))
  const extras = Object.keys(exports).filter((path) => /^\.\/(?!package\.json$)/.test(path))
  /** What a process of each project finds at `it-grid/NAME`: its own answer or the message of the import that failed. */
  const found = { beside: new Map<string, unknown>(), without: new Map<string, unknown>() }

  before(async () => {
    const script = (find: string) => `
      const find = ${find}
      const names = ${JSON.stringify(extras.map((path) => `it-grid${path.slice(1)}`))}
      const all = names.map(async (name) => [name, await find(name).catch((error) => error.message)])
      Promise.all(all).then((answers) => console.log(JSON.stringify(answers)))
    `
    const answersIn = async (project: string, find: string) => {
      await writeFile(join(project, 'find.cjs'), script(find))
      const { stdout } = await run(process.execPath, ['find.cjs'], { cwd: project })
      return new Map<string, unknown>(JSON.parse(stdout))
    }
    const areSame = `async (name) => {
      const required = require(name)
      const imported = await import(name)
      const names = Object.keys(imported)
      return names.length > 0 && names.every((name) => required[name] === imported[name])
    }`
    found.beside = await answersIn(consumerOfExtras, areSame)
    found.without = await answersIn(consumer, '(name) => import(name).then(() => true)')
  })

  for (const path of extras) {
    const name = `it-grid${path.slice(1)}`

    it(`has ${name} beside its peers, by import and by require`, () => {
      assert.equal(found.beside.get(name), true)
    })

    // Not every extra needs one when it runs.
    const from = new URL(`../../lib/extras${path.slice(1)}/`, import.meta.url)
    const text = readdirSync(from)
      .filter((file) => file.endsWith('.ts'))
      .map((file) => readFileSync(new URL(file, from), 'utf8'))
      .join('\n')
    const needs = (peer: string) => new RegExp(`^import (?!type\\b)[^']* from '${peer}'`, 'm').test(text)
    if (!Object.keys(peerDependencies).some(needs)) continue

    it(`says at the import of ${name} which peer is missing, and that it is the one who needs it`, () => {
      const message = `${found.without.get(name)}`
      const [, peer = '', by = ''] = /Cannot find package '(.*)' imported from (.*)$/m.exec(message) ?? []
      assert.ok(peer in peerDependencies, message)
      assert.ok(by.includes(`/it-grid/dist/extras${path.slice(1)}/`), message)
    })
  }

  it('runs from dist, by import and with its package.json', async () => {
    const script = `
      import { Manager, insecure } from 'it-grid'
      import info from 'it-grid/package.json' with { type: 'json' }
      const manager = new Manager({ local: 'http://a:1', hosts: [], auth: insecure() })
      await manager.close()
      console.log(info.name, manager.local, import.meta.resolve('it-grid').endsWith('it-grid/dist/index.js'))
    `
    await writeFile(join(consumer, 'use.js'), script)
    const { stdout } = await run(process.execPath, ['use.js'], { cwd: consumer })
    assert.equal(stdout, 'it-grid http://a:1 true\n')
  })

  it('has its command line as a program', async () => {
    const { bin, version } = JSON.parse(await readFile(join(copy, 'package.json'), 'utf8'))
    const program = join(consumer, 'node_modules/it-grid', bin['it-grid'])
    assert.match(await readFile(program, 'utf8'), /^#!\/usr\/bin\/env node\n/)
    const { stdout } = await run(process.execPath, [program, '--version'])
    assert.equal(stdout, `${version}\n`)
  })

  it('is required from CommonJS as well', async () => {
    const script = `
      const { Manager, insecure } = require('it-grid')
      const manager = new Manager({ local: 'http://a:1', hosts: ['http://a:1'], auth: insecure() })
      manager.close().then(() => console.log(manager.local))
    `
    await writeFile(join(consumer, 'use.cjs'), script)
    const { stdout } = await run(process.execPath, ['use.cjs'], { cwd: consumer })
    assert.equal(stdout, 'http://a:1\n')
  })

  const examples = readdirSync(join(repository, 'examples')).filter((name) =>
    existsSync(join(repository, 'examples', name, 'package.json'))
  )
  for (const name of examples) {
    it(`runs examples/${name} as it is, which prints what its README says`, async () => {
      const example = join(consumer, '..', name)
      await cp(join(repository, 'examples', name), example, { recursive: true })
      const { dependencies, scripts } = JSON.parse(await readFile(join(example, 'package.json'), 'utf8'))
      // Peers are there where the example asks for one.
      const hasPeer = Object.keys(peerDependencies).some((peer) => peer in dependencies)
      const installed = join(hasPeer ? consumerOfExtras : consumer, 'node_modules')
      for (const needed of Object.keys(dependencies)) {
        await mkdir(join(example, 'node_modules', needed, '..'), { recursive: true })
        const from = needed === 'it-grid' ? installed : modules
        await symlink(join(from, needed), join(example, 'node_modules', needed))
      }
      assert.deepEqual([scripts.start, dependencies['it-grid']], ['tsx main.ts', `^${version}`])
      const args = ['--import', 'tsx', 'main.ts']
      const options = { cwd: example, env: childEnvironment(), timeout: paced(120_000) }
      const { stdout, stderr } = await run(process.execPath, args, options)
      const printed = new MarkdownFile(`examples/${name}/README.md`).code('text')
      // How many calls there were is another number each time.
      const shown = (text: string) => text.replace(/\d{3,}/g, 'many')
      assert.deepEqual([shown(stdout), stderr], [shown(printed.join('')), ''])
    })
  }

  it('hides its other files', async () => {
    const attempt = run(process.execPath, ['-e', "import('it-grid/dist/session.js')"], { cwd: consumer })
    await assert.rejects(attempt, /ERR_PACKAGE_PATH_NOT_EXPORTED/)
  })
})
