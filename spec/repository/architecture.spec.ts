/**
 * The layers, held to: which folder of `lib/` may import which, who may know `ws`, and how large and how documented a
 * file is.
 *
 * A folder imports from the folders below it only, and the types of others count as imports too.
 */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path/posix'
import { describe, it } from 'node:test'

/** The folders of the core, from the one that knows all others to the one that knows none. */
const layers = [
  'manager',
  'introspection',
  'contract',
  'many',
  'network',
  'connection',
  'renewal',
  'caller',
  'call',
  'peer',
  'listen',
  'session',
  'open',
  'responder',
  'handler',
  'rules',
  'hooks',
  'stream',
  'producer',
  'wire',
  'conn',
  'codec',
  'msgpack',
  'figures',
  'time',
  'errors',
  'report',
  'base'
]

/** The only files that know `ws`. */
const knowWs = ['conn/connect-ws', 'conn/websocket', 'listen/listener']
const maxLines = 320
/** Bundled into files of its own: what it imports is a dependency of nobody who installs the package. */
const bundled = 'extras/inspector/page/'
/** A folder with more files than this is a corridor; with fewer than the least it is a cupboard. */
const filesOfFolder = { least: 3, most: 10 }
/** More members than this handed over at once mean that one thing was cut where it is thick. */
const maxMembers = 9

interface File {
  /** Within `lib/`, without the ending: `stream/window`. */
  readonly name: string
  readonly text: string
  /** The names of the files of ours that it imports, be it for a type only. */
  readonly imports: readonly string[]
  readonly packages: readonly string[]
}

const folder = new URL('../../lib/', import.meta.url)
const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => readSource(path, readFileSync(new URL(path, folder), 'utf8')))

function readSource(path: string, text: string): File {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '')
  const clauses = [...code.matchAll(/^(?:import|export)\s+(?:[^'"]*?\s+from\s+)?['"](?<from>[^'"]+)['"]/gm)]
  const inline = [...code.matchAll(/\bimport\(['"](?<from>[^'"]+)['"]\)/g)]
  const found = [...clauses, ...inline].map(({ groups }) => groups?.from ?? '')
  return {
    name: path.slice(0, -'.ts'.length),
    text,
    imports: found.filter((from) => from.startsWith('.')).map((from) => join(path, '..', from).replace(/\.ts$/, '')),
    packages: found.filter((from) => !from.startsWith('.') && !from.startsWith('node:'))
  }
}

/** `stream` of `stream/window`; `extras/testing` of `extras/testing/faults`, for each extra is a house of its own. */
function folderOf(name: string): string {
  return /^extras\/[^/]+|^[^/]+(?=\/)/.exec(name)?.[0] ?? ''
}

/** What is wrong with an import; undefined for nothing. */
function faultOf(from: string, to: string): string | undefined {
  const [importer, imported] = [folderOf(from), folderOf(to)]
  if (importer === imported || importer === '') return undefined
  if (imported.startsWith('extras/') && !importer.startsWith('extras/')) return 'the core imports an extra'
  if (importer.startsWith('extras/')) {
    if (to === 'index' || to === `${imported}/index`) return undefined
    return 'an extra imports something else than public names'
  }
  return layers.indexOf(imported) > layers.indexOf(importer) ? undefined : 'the import points upwards'
}

function faultsOf(sources: readonly File[]): string[] {
  return sources.flatMap(({ name, imports }) => {
    return imports.flatMap((imported) => {
      const fault = faultOf(name, imported)
      return fault === undefined ? [] : [`${name} imports ${imported}: ${fault}`]
    })
  })
}

/** The first circle of imports, as `a > b > a`; undefined where there is none. */
function circleOf(sources: readonly File[]): string | undefined {
  const byName = new Map(sources.map((file) => [file.name, file]))
  const cleared = new Set<string>()
  const visit = (name: string, path: readonly string[]): string | undefined => {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name].join(' > ')
    if (cleared.has(name)) return undefined
    for (const imported of byName.get(name)?.imports ?? []) {
      const circle = visit(imported, [...path, name])
      if (circle !== undefined) return circle
    }
    cleared.add(name)
    return undefined
  }
  for (const { name } of sources) {
    const circle = visit(name, [])
    if (circle !== undefined) return circle
  }
  return undefined
}

/** The interfaces of a source that have too many members, with how many. */
function thickSeams({ name, text }: File): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '')
  return [...code.matchAll(/^(?:export )?interface (?<what>\w+).*\{\n(?<body>[\s\S]*?)^\}/gm)].flatMap(({ groups }) => {
    const members = groups?.body?.match(/^ {2}(?:readonly )?[\w[]/gm)?.length ?? 0
    return members > maxMembers ? [`${name} ${groups?.what} ${members}`] : []
  })
}

describe('lib/', () => {
  it('has a folder for each layer, and beside them only the public names', () => {
    const folders = new Set(files.map(({ name }) => folderOf(name)).filter((name) => !name.startsWith('extras/')))
    assert.deepEqual([...folders].sort(), ['', ...layers].sort())
    assert.deepEqual(
      files.map(({ name }) => name).filter((name) => folderOf(name) === ''),
      ['index']
    )
  })

  it(`has ${filesOfFolder.least} to ${filesOfFolder.most} files a folder, extras apart`, () => {
    for (const layer of layers) {
      const count = files.filter(({ name }) => folderOf(name) === layer).length
      assert.ok(count >= filesOfFolder.least && count <= filesOfFolder.most, `${layer} has ${count}`)
    }
  })

  it('imports what is there, from the same folder or from those below it, types included', () => {
    const names = new Set(files.map(({ name }) => name))
    const imports = files.flatMap((file) => file.imports)
    for (const name of imports) assert.ok(names.has(name), `${name} is imported and not there`)
    assert.ok(imports.length > 200, `only ${imports.length} imports were found`)
    assert.deepEqual(faultsOf(files), [])
  })

  it('has no circles, those of types included', () => {
    assert.equal(circleOf(files), undefined)
  })

  it(`hands over at most ${maxMembers} members at once, but for what users fill in or read`, () => {
    const names = new Set(files.find(({ name }) => name === 'index')?.text.match(/\w+/g))
    const seams = files.flatMap(thickSeams)
    assert.ok(
      seams.some((seam) => seam.startsWith('network/options ManagerOptions')),
      'public ones were not found'
    )
    assert.deepEqual(
      seams.filter((seam) => !names.has(seam.split(' ')[1] ?? '')),
      []
    )
  })

  it('knows ws in three files only, and no package that is not a dependency; extras know optional peers beside them', () => {
    const { dependencies, peerDependencies, peerDependenciesMeta } = manifest
    const used = { core: new Set<string>(), extras: new Set<string>() }
    for (const { name, packages } of files) {
      for (const found of name.startsWith(bundled) ? [] : packages) {
        used[name.startsWith('extras/') ? 'extras' : 'core'].add(found)
        if (found === 'ws') assert.ok(knowWs.includes(name), `${name} imports ws`)
      }
    }
    // The declarations that we ship name types of ws, so its users need them too.
    assert.deepEqual([...used.core, '@types/ws'].sort(), Object.keys(dependencies).sort())
    assert.deepEqual([...used.extras].sort(), Object.keys(peerDependencies).sort())
    assert.deepEqual(
      peerDependenciesMeta,
      Object.fromEntries([...used.extras].map((name) => [name, { optional: true }]))
    )
  })

  it('exports each extra under its name, by its index.ts, and no other file beside that of the core', () => {
    const extras = [...new Set(files.map(({ name }) => folderOf(name)))].filter((name) => name.startsWith('extras/'))
    const entries = extras.map((name): [string, string] => [`.${name.slice('extras'.length)}`, `${name}/index`])
    const entryOf = (path: string) => ({ types: `./dist/${path}.d.ts`, default: `./dist/${path}.js` })
    const expected = [['.', 'index'] as const, ...entries].map(([subpath, path]) => [subpath, entryOf(path)])
    assert.deepEqual(manifest.exports, {
      ...Object.fromEntries(expected),
      './package.json': './package.json'
    })
  })

  for (const { name, text } of files) {
    it(`${name}.ts has at most ${maxLines} lines and says first what it is for`, () => {
      const lines = text.trimEnd().split('\n')
      assert.ok(lines.length <= maxLines, `${lines.length} lines`)
      // A program begins with what runs it.
      assert.match(text, /^(?:#!.*\n+)?\/\*\*(?:[^*]|\*(?!\/)){20,}\*\//, 'no head comment')
    })
  }

  it('asks the global clock, which fake timers replace, and none that is imported', () => {
    for (const { name, text } of files) {
      assert.doesNotMatch(text, /perf_hooks|hrtime/, name)
    }
  })

  it('has neither any, nor suppressions, nor default exports, nor instanceof of its own classes, nor open ends', () => {
    for (const { name, text } of files) {
      const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
      assert.doesNotMatch(code, /:\s*any\b|\bas any\b|<any>|\bany\[\]/, name)
      assert.doesNotMatch(code, /^export default/m, name)
      // Two copies of the package in one program have each its own classes: `is` knows those of both.
      assert.doesNotMatch(code, /instanceof (\w+Error|Misfit)\b/, name)
      assert.doesNotMatch(text, /@ts-|biome-ignore|TODO|FIXME/, name)
      // One that does nothing has to say why.
      assert.doesNotMatch(text, /catch\s*(\([^)]*\)\s*)?\{\s*\}/, name)
    }
  })
})

describe('the rules of lib/', () => {
  const source = (path: string, ...lines: string[]) => readSource(path, lines.join('\n'))

  it('find an import that points upwards, of code or of a type, however it is written', () => {
    const text = (line: string) => faultsOf([source('stream/a.ts', line)])
    const found = ['stream/a imports session/b: the import points upwards']
    assert.deepEqual(text("import { b } from '../session/b.ts'"), found)
    assert.deepEqual(text("import type { B } from '../session/b.ts'"), found)
    assert.deepEqual(text("export { type B } from '../session/b.ts'"), found)
    assert.deepEqual(text("let b: import('../session/b.ts').B"), found)
    assert.deepEqual(text("import { b } from '../wire/b.ts'"), [])
    assert.deepEqual(text("import { b } from './b.ts'"), [])
  })

  it('find a circle, of code or of types, wherever one meets it', () => {
    const a = source('stream/a.ts', "import { b } from './b.ts'")
    const circle = (line: string) =>
      circleOf([source('stream/c.ts', "import './a.ts'"), a, source('stream/b.ts', line)])
    for (const line of [
      "import { a } from './a.ts'",
      "import type { A } from './a.ts'",
      "import { type A } from './a.ts'",
      "export type { A } from './a.ts'",
      "let a: import('./a.ts').A"
    ]) {
      assert.equal(circle(line), 'stream/a > stream/b > stream/a', line)
    }
    assert.equal(circle("import { c } from './d.ts'"), undefined)
  })

  it('find a seam that is too thick', () => {
    const members = Array.from({ length: 10 }, (_, i) =>
      i % 2 === 0 ? `  readonly m${i}: { a: 1 }` : `  m${i}(): void`
    )
    const text = (count: number) => ['export interface Init<T> {', ...members.slice(0, count), '}']
    assert.deepEqual(thickSeams(source('stream/a.ts', ...text(9))), [])
    assert.deepEqual(thickSeams(source('stream/a.ts', ...text(10), ...text(9))), ['stream/a Init 10'])
  })

  it('find an extra in the core, and anything but public names in an extra', () => {
    const text = (path: string, line: string) => faultsOf([source(path, line)])
    const core = text('manager/a.ts', "import type { B } from '../extras/testing/b.ts'")
    assert.deepEqual(core, ['manager/a imports extras/testing/b: the core imports an extra'])
    const extra = text('extras/testing/a.ts', "import { b } from '../../manager/b.ts'")
    assert.match(extra.join(), /an extra imports something else than public names$/)
    assert.match(text('extras/testing/a.ts', "import { b } from '../otel/b.ts'").join(), /than public names$/)
    assert.deepEqual(text('extras/testing/a.ts', "import { b } from '../otel/index.ts'"), [])
    assert.deepEqual(text('extras/testing/a.ts', "import { b } from '../../index.ts'"), [])
  })
})
