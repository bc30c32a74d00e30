/** Specs for a page whose blocks of code are one program: it compiles, runs, and prints what the page says. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { paced } from '../clock/pace.ts'
import { freePorts } from '../network/free-port.ts'
import { childEnvironment, sourceArgs } from '../process/child.ts'
import { MarkdownFile, root } from './markdown.ts'

const run = promisify(execFile)

/** A program of a page, which imports the package as a user does, on the sources of this one. */
export function onSources(code: string): string {
  return code.replace(/from 'it-grid(?:\/([\w.-]+))?'/g, (_, extra?: string) => {
    return `from '${join(root, extra === undefined ? 'lib/index.ts' : `lib/extras/${extra}/index.ts`)}'`
  })
}

/** Compiles the programs in a folder under the strict types of this repository; fails with what the compiler says. */
export async function compilesIn(folder: string, include: readonly string[] = ['*.mts']): Promise<void> {
  const compilerOptions = { typeRoots: [join(root, 'node_modules/@types')], rewriteRelativeImportExtensions: false }
  const config = { extends: join(root, 'tsconfig.json'), compilerOptions, include, exclude: [] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  await run(process.execPath, [tsc, '-p', folder]).catch((error) => assert.fail(error.stdout))
}

export interface ProgramOptions {
  /** The page says 9001, 9002 and so on, for so many ports that are free here, in what it prints as well. */
  readonly servers: number
  /** What differs from the page on another machine than that of who reads it. */
  readonly steady?: (printed: string) => string
  /** It may log. Default false. */
  readonly logs?: boolean
}

export function describeProgram(
  path: string,
  { servers, steady = (text) => text, logs = false }: ProgramOptions
): void {
  const page = new MarkdownFile(path)
  describe(`the program of ${path}`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'it-grid-page-'))
    const file = join(folder, 'program.mts')
    const ports: string[] = []
    before(async () => {
      ports.push(...(await freePorts(servers)).map(String))
      // It may import other packages, too.
      symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
      const code = onSources(page.code('ts').join(''))
      writeFileSync(
        file,
        code.replace(/\b900(\d)\b/g, (port, digit) => ports[digit - 1] ?? port)
      )
    })
    after(() => rmSync(folder, { recursive: true }))

    it('compiles under strict types', () => compilesIn(folder))

    it('prints what the page says', async () => {
      const { stdout, stderr } = await run(process.execPath, [...sourceArgs, file], {
        ...{ cwd: root, timeout: paced(240_000), env: childEnvironment() }
      })
      const printed = ports.reduce((text, port, at) => text.replaceAll(port, `900${at + 1}`), stdout)
      assert.equal(steady(printed), page.code('text').join(''))
      if (!logs) assert.equal(stderr, '')
    })
  })
}
