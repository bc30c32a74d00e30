/** What docs/observability.md says of interceptors and channels is true: its programs compile, run, and print what it says. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { paced } from '../support/clock/pace.ts'
import { MarkdownFile, root } from '../support/pages/markdown.ts'
import { compilesIn } from '../support/pages/program.ts'
import { childEnvironment, sourceArgs } from '../support/process/child.ts'

const run = promisify(execFile)
const page = new MarkdownFile('docs/observability.md')
const sections = page.text.split(/^## /m)

interface Program {
  readonly code: string
  /** Undefined for one that only declares something. */
  readonly prints: string | undefined
}

/** The programs of a section, each with the text that follows it. */
function programsOf(heading: string): Program[] {
  const section = sections.find((text) => text.startsWith(`${heading}\n`)) ?? assert.fail(`no section ${heading}`)
  return [...section.matchAll(/^```ts\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```\n)?/gm)].map(
    ([, code = '', prints]) => ({ code, prints })
  )
}

describe('the programs of docs/observability.md', () => {
  const folder = mkdtempSync(join(tmpdir(), 'it-grid-observability-'))
  after(() => rmSync(folder, { recursive: true }))
  const programs = ['Interceptors', 'Channels'].flatMap((heading) =>
    programsOf(heading).map((program, at) => ({ ...program, name: `${heading} ${at + 1}` }))
  )
  const pino = programsOf('Figures').find(({ code }) => code.includes('toPino')) ?? assert.fail('no logger')
  programs.push({
    name: 'Logger 1',
    code: [
      'const write = (fields: object, text: string) => console.log(JSON.stringify(fields, Object.keys(fields)), text)',
      'const log = { debug: write, info: write, warn: write, error: write }',
      pino.code,
      "logger.error('it failed', { handler: 'b', error: 'a TypeError' })",
      "logger.info('it runs')"
    ].join('\n'),
    prints: '{"handler":"b","err":"a TypeError"} it failed\n{} it runs\n'
  })
  const fileOf = (name: string) => join(folder, `${name.replace(' ', '-')}.mts`)
  for (const { name, code: given } of programs) {
    const code = given.includes("from 'it-grid'") ? given : `import { channels } from 'it-grid'\n${given}`
    writeFileSync(fileOf(name), code.replaceAll("from 'it-grid'", `from '${join(root, 'lib/index.ts')}'`))
  }

  it('compile under strict types', async () => {
    await compilesIn(folder)
  })

  for (const { name, prints } of programs) {
    if (prints === undefined) continue
    it(`print what is said: ${name}`, async () => {
      const { stdout, stderr } = await run(process.execPath, [...sourceArgs, fileOf(name)], {
        cwd: root,
        timeout: paced(120_000),
        env: childEnvironment()
      })
      assert.deepEqual([stdout, stderr], [prints, ''])
    })
  }

  it('are there, three of them with what they print', () => {
    assert.equal(programs.filter(({ prints }) => prints !== undefined).length, 3)
  })
})
