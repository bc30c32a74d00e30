/** The tutorial is one program of ten steps, which compiles, runs, and prints what it says. */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { MarkdownFile } from '../support/pages/markdown.ts'
import { describeProgram } from '../support/pages/program.ts'

describeProgram('docs/tutorial.md', { servers: 3 })

it('the tutorial has ten steps, all named at its head, in this order', () => {
  const page = new MarkdownFile('docs/tutorial.md')
  const steps = [...page.text.matchAll(/^\d+\. \[(.+)\]/gm)].map(([, title]) => title)
  assert.equal(steps.length, 10)
  assert.deepEqual(page.headings().slice(1, 11), steps)
})
