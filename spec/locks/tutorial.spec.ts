/**
 * docs/locks.md is true: its files compile under strict types as they stand at each command, and each command prints
 * what the page says.
 *
 * Only that: what the full version does is in the other specs of this folder.
 */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { paced } from '../support/clock/pace.ts'
import { freePort } from '../support/network/free-port.ts'
import { MarkdownFile, root } from '../support/pages/markdown.ts'
import { childEnvironment } from '../support/process/child.ts'

const run = promisify(execFile)
const page = new MarkdownFile('docs/locks.md')
/** They take a few seconds at most: this ends what hangs. */
const options = { timeout: paced(240_000), killSignal: 'SIGKILL', env: childEnvironment() } as const
const maxLines = 44
/** The ports of the page. */
const ports = ['9001', '9002', '9003']

/** A command of the page: which file it runs, all files as they are by then, and what it prints. */
interface Command {
  readonly file: string
  readonly files: ReadonlyMap<string, string>
  printed: string | undefined
}

interface Block {
  readonly language: string
  readonly text: string
}

const blocks: Block[] = [...page.text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = '', text = '']) => ({
  language,
  text
}))

/** Plays the page: puts files in their place, and takes them as they are at each command. */
function commandsOf(blocks: readonly Block[]): Command[] {
  const files = new Map<string, string>()
  const commands: Command[] = []
  for (const { language, text } of blocks) {
    if (language === 'ts') {
      const [, name, continued] = /^\/\/ ([\w-]+\.ts)(, continued)?\n/.exec(text) ?? []
      assert.ok(name !== undefined, `a block of code that names no file: ${text.slice(0, 80)}`)
      assert.equal(continued !== undefined && !files.has(name), false, `${name} is continued before it began`)
      files.set(name, continued === undefined ? text : `${files.get(name)}\n${text}`)
    } else if (language === 'sh') {
      const file = /^node --import tsx ([\w-]+\.ts)\n$/.exec(text)?.[1] ?? ''
      assert.ok(files.has(file), `a command that runs no file of the page: ${text}`)
      commands.push({ file, files: new Map(files), printed: undefined })
    } else {
      const last = commands.at(-1)
      assert.ok(language === 'text' && last !== undefined, `a block of "${language}" without a command`)
      assert.equal(last.printed, undefined, `${last.file} prints one thing, not two`)
      last.printed = text
    }
  }
  return commands
}

describe('docs/locks.md', { concurrency: true }, () => {
  const commands = commandsOf(blocks)
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'it-grid-tutorial-')))
  const folderOf = (command: Command) => join(folder, String(commands.indexOf(command)))
  const portsOf = new Map<Command, readonly string[]>()
  let compiled: Promise<{ stdout: string }>

  before(async () => {
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
    const free = new Set<string>()
    while (free.size < commands.length * ports.length) free.add(String(await freePort()))
    for (const [at, command] of commands.entries()) {
      const mine = [...free].slice(at * ports.length, (at + 1) * ports.length)
      portsOf.set(command, mine)
      mkdirSync(folderOf(command))
      const library = relative(folderOf(command), join(root, 'lib/index.ts'))
      for (const [name, text] of command.files) {
        const locks = library.replace('index.ts', 'extras/locks/index.ts')
        const code = text
          .replaceAll("from 'it-grid'", `from '${library}'`)
          .replaceAll("from 'it-grid/locks'", `from '${locks}'`)
        writeFileSync(join(folderOf(command), name), withTime(withPorts(code, ports, mine)))
      }
    }
    compiled = compile()
    // Code with wrong types runs all the same.
    await compiled.catch(() => undefined)
  })
  after(() => rmSync(folder, { recursive: true }))

  /** The programs with what they import, the library included. Files that no program imports by then are left out. */
  function compile(): Promise<{ stdout: string }> {
    const compilerOptions = {
      ...{ noEmit: false, allowImportingTsExtensions: false, rootDir: '/', outDir: join(folder, 'out') },
      ...{ typeRoots: [join(root, 'node_modules/@types')], noUnusedLocals: true, noUnusedParameters: true }
    }
    const files = commands.map((command) => join(folderOf(command), command.file))
    const config = { extends: join(root, 'tsconfig.json'), compilerOptions, files, include: [], exclude: [] }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
    return run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder], options)
  }

  it('has a command for each step, blocks that one can take in, and no file that is not used', () => {
    const uses = ['use', 'fencing', 'operate'].map((name) => `${name}.ts`)
    const steps = [...uses, ...[2, 3, 4, 5, 6, 7].map((step) => `step-${step}.ts`)]
    assert.deepEqual([...new Set(commands.map(({ file }) => file))], steps)
    for (const { language, text } of blocks) {
      const lines = text.split('\n').length - 1
      assert.ok(language !== 'ts' || lines <= maxLines, `${lines} lines: ${text.slice(0, 80)}`)
    }
    const { files = new Map<string, string>() } = commands.at(-1) ?? {}
    const all = [...files.values()].join('\n')
    for (const name of files.keys()) assert.ok(steps.includes(name) || all.includes(`from './${name}'`), name)
  })

  it('has code that compiles under strict types, and imports nothing in vain', async () => {
    await compiled.catch((error) => assert.fail(error.stdout || error))
  })

  for (const [at, command] of commands.entries()) {
    it(`has ${command.file} print what the page says, as command ${at + 1}`, async () => {
      const path = join(folder, 'out', folderOf(command), command.file.replace('.ts', '.js'))
      const { stdout, stderr } = await run(process.execPath, [path], options)
      assert.equal(withPorts(stdout, portsOf.get(command) ?? [], ports), command.printed)
      assert.equal(stderr, '')
    })
  }
})

/** The page shows what happens within the time of a grant. */
function withTime(code: string): string {
  return code.replace(/\bttlMs( =|:) 1500\b/, (_, is: string) => `ttlMs${is} ${paced(1500)}`)
}

function withPorts(text: string, from: readonly string[], to: readonly string[]): string {
  return from.reduce((changed, port, n) => changed.replaceAll(`127.0.0.1:${port}`, `127.0.0.1:${to[n]}`), text)
}
