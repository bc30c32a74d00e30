/** Specs for a page whose blocks of code are one program: it compiles, runs, and prints what the page says. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { paced } from '../clock/pace.ts'
import { freePorts } from '../network/free-port.ts'
import { childEnvironment } from '../process/child.ts'
import { MarkdownFile, root } from './markdown.ts'

const run = promisify(execFile)

/** The page says 9001, 9002 and so on, for `servers` ports that are free here, in what it prints as well. */
export function describeProgram(path: string, servers: number): void {
  const page = new MarkdownFile(path)
  describe(`the program of ${path}`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'it-grid-page-'))
    const file = join(folder, 'program.mts')
    const ports: string[] = []
    before(async () => {
      ports.push(...(await freePorts(servers)).map(String))
      const code = page
        .code('ts')
        .join('')
        .replaceAll("from 'it-grid'", `from '${join(root, 'lib/index.ts')}'`)
        .replace(/\b900(\d)\b/g, (port, digit) => ports[digit - 1] ?? port)
      writeFileSync(file, code)
    })
    after(() => rmSync(folder, { recursive: true }))

    it('compiles under strict types', async () => {
      const compilerOptions = { typeRoots: [join(root, 'node_modules/@types')], rewriteRelativeImportExtensions: false }
      const config = { extends: join(root, 'tsconfig.json'), compilerOptions, include: ['*.mts'], exclude: [] }
      writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
      const tsc = join(root, 'node_modules/typescript/bin/tsc')
      await run(process.execPath, [tsc, '-p', folder]).catch((error) => assert.fail(error.stdout))
    })

    it('prints what the page says', async () => {
      const { stdout, stderr } = await run(process.execPath, ['--import', 'tsx', file], {
        ...{ cwd: root, timeout: paced(240_000), env: childEnvironment() }
      })
      const printed = ports.reduce((text, port, at) => text.replaceAll(port, `900${at + 1}`), stdout)
      assert.deepEqual([printed, stderr], [page.code('text').join(''), ''])
    })
  })
}
