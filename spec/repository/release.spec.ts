/** What a release says of itself: its version, its licences, and an address that is told in one place. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { page } from '../../.ci/licences.mjs'
import { linked, stamped } from '../../.ci/release.mjs'
import { MarkdownFile, root } from '../support/pages/markdown.ts'

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

it('the changelog begins with the version of the package, and says how to upgrade to it', () => {
  const changelog = new MarkdownFile('CHANGELOG.md')
  const [version = ''] = changelog.headings().filter((heading) => /^\d/.test(heading))
  assert.equal(version.split(' ')[0], manifest.version)
  assert.match(changelog.section(version), /^### Upgrading from /m)
})

it('docs/licences.md lists every package that comes with it, as the lock file has them, and all are permissive', () => {
  const licences = new MarkdownFile('docs/licences.md')
  assert.equal(licences.text, page())
  for (const section of ['What comes with it', 'What extras need, if you use them']) {
    for (const [name = '', , licence = ''] of licences.rows(section).slice(2)) {
      assert.match(
        licence,
        /^\(?(MIT|ISC|0BSD|BSD-[23]-Clause|Apache-2\.0)( (OR|AND) (MIT|BSD-[23]-Clause|Apache-2\.0))*\)?$/,
        name
      )
    }
  }
})

it('names no public address before it is published', () => {
  for (const field of ['repository', 'homepage', 'bugs']) assert.equal(field in manifest, false, field)
})

it('gets its address at publishing, in its package.json and in the links of its README', () => {
  const address = 'https://forge.example/owner/it-grid'
  const { repository, homepage, bugs, scripts, exports } = stamped(manifest, address)
  assert.deepEqual(
    [repository, homepage, bugs, scripts],
    [{ type: 'git', url: `git+${address}.git` }, `${address}#readme`, `${address}/issues`, undefined]
  )
  assert.deepEqual(exports, manifest.exports)
  const text = '[a](docs/a.md#b) ![c](docs/c.svg) [d](#d) [e](https://e.example)'
  const expected = [
    `[a](${address}/blob/v1.2.3/docs/a.md#b)`,
    `![c](${address}/raw/v1.2.3/docs/c.svg)`,
    '[d](#d)',
    '[e](https://e.example)'
  ]
  assert.equal(linked(text, address, '1.2.3'), expected.join(' '))
  const code = '```ts\nhandlers[id](value)\n```'
  assert.equal(linked(code, address, '1.2.3'), code)
})
