/** docs/architecture.md is a map of `lib/` as it is: every folder, and no file that is not there. */

import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { MarkdownFile, root } from '../support/pages/markdown.ts'

const page = new MarkdownFile('docs/architecture.md')
const lib = join(root, 'lib')
const maxLines = 40

describe('docs/architecture.md', () => {
  it('has a line for each folder of lib/, and for no other', () => {
    const named = [...page.text.matchAll(/^- `([^`]+)\/`: /gm)].map(([, folder]) => folder)
    const folders = readdirSync(lib, { withFileTypes: true }).filter((entry) => entry.isDirectory())
    assert.deepEqual(
      [...named].sort(),
      folders
        .map(({ name }) => name)
        .filter((name) => name !== 'extras')
        .sort()
    )
  })

  it('lists the files of four routes, each of which exists', () => {
    const routes = page.rows('Map of the code').slice(2)
    assert.equal(routes.length, 4)
    for (const [route, files = ''] of routes) {
      const named = files.match(/[\w-]+\/[\w-]+\.ts/g) ?? []
      assert.ok(named.length >= 10, `${route} names ${named.length} files`)
      for (const file of named) assert.ok(existsSync(join(lib, file)), `${route}: lib/${file} does not exist`)
    }
  })

  it(`has at most ${maxLines} lines`, () => {
    const lines = page.text.split('\n').filter((line) => line !== '')
    assert.ok(lines.length <= maxLines, `${lines.length} lines`)
  })
})
