/** What docs/doctor.md says is true: its blocks are one program, which compiles, runs, and prints what it says. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { paced } from '../support/clock/pace.ts'
import { freePorts } from '../support/network/free-port.ts'
import { MarkdownFile, root } from '../support/pages/markdown.ts'
import { childEnvironment } from '../support/process/child.ts'

const run = promisify(execFile)
const page = new MarkdownFile('docs/doctor.md')

describe('the program of docs/doctor.md', () => {
  const folder = mkdtempSync(join(tmpdir(), 'it-grid-doctor-'))
  const file = join(folder, 'program.mts')
  before(async () => {
    const [port = 0] = await freePorts(1)
    const code = page.code('ts').join('').replaceAll('9001', String(port))
    const doctor = join(root, 'lib/extras/doctor/index.ts')
    const ours = code.replaceAll("from 'it-grid/doctor'", `from '${doctor}'`)
    writeFileSync(file, ours.replaceAll("from 'it-grid'", `from '${join(root, 'lib/index.ts')}'`))
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
    const { stdout } = await run(process.execPath, ['--import', 'tsx', file], {
      ...{ cwd: root, timeout: paced(240_000), env: childEnvironment() }
    })
    // What it rightly finds of event loops on a busy machine.
    const printed = stdout.replace(/\[\n {2}'blockedLoop: [^\n]*\n\]/, '[]')
    assert.equal(printed, page.code('text').join(''))
  })
})
