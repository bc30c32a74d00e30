/** What the page has drawn it lets go of. */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'

const folder = new URL('../../lib/extras/inspector/page/', import.meta.url)

describe('the sources of the page', () => {
  it('give nothing again that was drawn: what useMemo keeps has its parent, and by that all that was drawn before it', () => {
    const files = readdirSync(folder).filter((name) => name.endsWith('.tsx'))
    assert.ok(files.length > 5)
    for (const name of files) {
      const source = readFileSync(new URL(name, folder), 'utf8').replaceAll(/\/\*.*?\*\//gs, '')
      assert.doesNotMatch(source, /\b(useMemo|memo)\(/, name)
    }
  })
})
