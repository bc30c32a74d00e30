/** What docs/discovery.md says is true: its program compiles, runs, and prints what it says; its examples have the right options. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import * as discovery from '../../lib/extras/discovery/index.ts'
import { paced } from '../support/clock/pace.ts'
import { freePorts } from '../support/network/free-port.ts'
import { MarkdownFile, root } from '../support/pages/markdown.ts'
import { childEnvironment } from '../support/process/child.ts'

const run = promisify(execFile)
const page = new MarkdownFile('docs/discovery.md')

describe('docs/discovery.md', () => {
  const folder = mkdtempSync(join(tmpdir(), 'it-grid-discovery-'))
  const file = join(folder, 'program.mts')
  before(async () => {
    let code = page
      .code('ts')
      .join('')
      .replaceAll("from 'it-grid'", `from '${join(root, 'lib/index.ts')}'`)
      .replaceAll("from 'it-grid/discovery'", `from '${join(root, 'lib/extras/discovery/index.ts')}'`)
    for (const [at, port] of (await freePorts(2)).entries()) code = code.replaceAll(String(9001 + at), String(port))
    writeFileSync(file, code)
  })
  after(() => rmSync(folder, { recursive: true }))

  it('has a program that compiles under strict types', async () => {
    const compilerOptions = { typeRoots: [join(root, 'node_modules/@types')], rewriteRelativeImportExtensions: false }
    const config = { extends: join(root, 'tsconfig.json'), compilerOptions, include: ['*.mts'], exclude: [] }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    await run(process.execPath, [tsc, '-p', folder]).catch((error) => assert.fail(error.stdout))
  })

  it('has a program that prints what the page says', async () => {
    const { stdout, stderr } = await run(process.execPath, ['--import', 'tsx', file], {
      ...{ cwd: root, timeout: paced(120_000), env: childEnvironment() }
    })
    assert.deepEqual([stdout, stderr], [page.code('text').join(''), ''])
  })

  it('has examples of each source, whose options are accepted', () => {
    const examples =
      page
        .code('js')
        .join('\n')
        .match(/^\w+Hosts\([\s\S]*?\)(?= \/\/|$)/gm) ?? []
    const made = new Set<string>()
    for (const example of examples) {
      const call = new Function('discovery', 'local', `with (discovery) return ${example}`)
      assert.equal(typeof call(discovery, 'https://node-1:9000')[Symbol.asyncIterator], 'function', example)
      made.add(example.replace(/\([\s\S]*/, ''))
    }
    const names = Object.keys(discovery).filter((name) => name.endsWith('Hosts'))
    assert.deepEqual([...made].sort(), names.sort())
  })
})
