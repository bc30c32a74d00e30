/** The benchmark of Socket.IO: that it runs. Nothing of it is measured here, and its rivals need not be installed. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { childEnvironment, sourceArgs } from '../support/process/child.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

describe('the benchmark of Socket.IO', () => {
  it('has a row for it-grid, whose clients have heard every event', async () => {
    const args = [
      '--rounds',
      '1',
      '--ms',
      '20',
      '--events',
      '200',
      '--clients',
      '1',
      '--only',
      'it-grid',
      '--kill',
      'no'
    ]
    const child = spawn(process.execPath, [...sourceArgs, 'benchmarks/socket.io/main.ts', ...args], {
      ...{ cwd: root, env: childEnvironment() }
    })
    let text = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (piece: string) => {
        text += piece
      })
    }
    const [code] = await once(child, 'close')
    assert.equal(code, 0, text)
    assert.match(text, /^\| it-grid +\| [\d,]+ +\| [\d,]+ - [\d,]+ +\| ([\d.]+|-) +(\| [\d,.]+ +){7}\|$/m, text)
    assert.doesNotMatch(text, /NaN|undefined|Infinity/)
  })
})
