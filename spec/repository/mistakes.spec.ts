/**
 * What the compiler says of the usual mistakes: it must point to where the mistake is, and name what is meant there.
 *
 * The mistakes and the texts are in `consumer/mistakes.ts`.
 */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { compareTexts, readDiagnostics, readMistakes } from './consumer/texts.ts'

const run = promisify(execFile)
const project = fileURLToPath(new URL('consumer/tsconfig.json', import.meta.url))
const compiler = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url))
const mistakes = readMistakes(readFileSync(new URL('consumer/mistakes.ts', import.meta.url), 'utf8'))

describe('the compiler', () => {
  const compiled = run(process.execPath, [compiler, '-p', project, '--pretty', 'false']).then(
    ({ stdout }) => stdout,
    ({ stdout }: { stdout: string }) => stdout
  )

  for (const mistake of mistakes) {
    it(`points to the mistake in \`${mistake.code}\``, async () => {
      const said = readDiagnostics(await compiled).filter(({ line }) => line === mistake.line)
      assert.deepEqual(compareTexts([mistake], said), [])
    })
  }

  it('finds no other mistake', async () => {
    assert.ok(mistakes.length >= 30, `only ${mistakes.length} mistakes were read`)
    assert.deepEqual(compareTexts(mistakes, readDiagnostics(await compiled)), [])
  })
})
