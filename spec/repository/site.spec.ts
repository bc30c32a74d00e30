/** The documentation site has every page. What it looks like is looked at by `npm run site:check`. */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { root } from '../support/pages/markdown.ts'

it('the menu of the site has every page of docs/ once, and no other', () => {
  const config = readFileSync(join(root, 'docs/site/.vitepress/config.ts'), 'utf8')
  const menu = [...config.slice(config.indexOf('sidebar:')).matchAll(/\['[^']+', '([^']*)'\]/g)].map(([, page]) => page)
  const pages = readdirSync(join(root, 'docs')).filter((file) => file.endsWith('.md'))
  const others = ['', 'security', 'changelog', 'api/']
  assert.deepEqual(menu.sort(), [...pages.map((file) => file.replace(/\.md$/, '')), ...others].sort())
})
