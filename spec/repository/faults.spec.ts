/** docs/faults.md: every row names specs that exist, by their file and their title. */

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'

const root = new URL('../../', import.meta.url)
const page = readFileSync(new URL('docs/faults.md', root), 'utf8')

/** The text of a spec file, with what differs from run to run of a title as the page writes it. */
function textOf(path: string): string {
  return readFileSync(new URL(path, root), 'utf8').replace(/\$\{[^}]*\}/g, '…')
}

describe('docs/faults.md', () => {
  for (const section of page.split(/^## /m).slice(1)) {
    const [title, ...lines] = section.split('\n')
    it(`names, in each row of "${title}", specs that exist`, () => {
      const rows = lines.filter((line) => line.startsWith('| ')).slice(2)
      assert.ok(rows.length > 0)
      for (const row of rows) {
        const cells = row.split(' | ')
        assert.equal(cells.length, 3, row)
        const specs = (cells[2] as string).replace(/ \|$/, '').split('<br>')
        for (const spec of specs) {
          const { name, title } = spec.match(/^`(?<name>[^`]+)`: (?<title>.+)$/)?.groups ?? {}
          assert.ok(name !== undefined && title !== undefined, `no spec in ${row}`)
          const path = [`spec/${name}.spec.ts`, `spec/${name}.ts`].find((file) => existsSync(new URL(file, root)))
          assert.ok(path !== undefined, `spec/${name} does not exist`)
          const text = textOf(path)
          const isThere = ["'", '"', '`'].some((quote) => text.includes(quote + title + quote))
          assert.ok(isThere, `${path} has no spec "${title}"`)
        }
      }
    })
  }
})
