/** What docs/discovery.md says is true: its program compiles, runs, and prints what it says; its examples have the right options. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as discovery from '../../lib/extras/discovery/index.ts'
import { MarkdownFile } from '../support/pages/markdown.ts'
import { describeProgram } from '../support/pages/program.ts'

const page = new MarkdownFile('docs/discovery.md')

describeProgram('docs/discovery.md', { servers: 2 })

describe('docs/discovery.md', () => {
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
