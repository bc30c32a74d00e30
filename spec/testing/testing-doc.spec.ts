/** docs/testing.md is true: each of its programs compiles under strict types, and its tests pass. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { paced } from '../support/clock/pace.ts'
import { MarkdownFile, root } from '../support/pages/markdown.ts'
import { compilesIn, onSources } from '../support/pages/program.ts'
import { childEnvironment, sourceArgs } from '../support/process/child.ts'

const run = promisify(execFile)
const programs = new MarkdownFile('docs/testing.md').code('ts')

describe('the programs of docs/testing.md', () => {
  const folder = mkdtempSync(join(tmpdir(), 'it-grid-testing-'))
  after(() => rmSync(folder, { recursive: true }))
  const files = programs.map((_, at) => join(folder, `program-${at + 1}.mts`))
  for (const [at, code] of programs.entries()) {
    writeFileSync(files[at] as string, onSources(code))
  }

  it('are six', () => {
    assert.equal(programs.length, 6)
  })

  it('compile under strict types', async () => {
    await compilesIn(folder)
  })

  it('pass as tests', async () => {
    const args = [...sourceArgs, '--test', '--test-reporter=tap', ...files]
    // Else the runner would take itself for one of its own files.
    const env = { ...childEnvironment(), NODE_TEST_CONTEXT: undefined }
    const options = { cwd: root, timeout: paced(240_000), env }
    const { stdout } = await run(process.execPath, args, options).catch((error) => assert.fail(error.stdout))
    assert.match(stdout, /^# pass 7$/m)
    assert.match(stdout, /^# fail 0$/m)
  })
})
