/** The blocks of docs/calls.md and docs/processes.md are code that compiles; those of calls.md do what the page says, together. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { paced } from '../support/clock/pace.ts'
import { MarkdownFile, root } from '../support/pages/markdown.ts'
import { compilesIn, onSources } from '../support/pages/program.ts'
import { childEnvironment } from '../support/process/child.ts'

const [definitions = '', handsOn = '', sends = '', ...further] = new MarkdownFile('docs/calls.md').code('ts')
const [aProcess = '', aPool = '', urgent = '', ...more] = new MarkdownFile('docs/processes.md').code('ts')

/** What stands around the blocks: two servers, and a file that is larger than all windows. */
const calls = `
import { createReadStream, writeFileSync } from 'node:fs'
import { bytes, single, streaming } from 'it-grid'
import { testGrid } from 'it-grid/testing'
${definitions}
const next = single<string, number>('next')
const value = 'a'
writeFileSync('a.bin', new Uint8Array(2_000_000))
const servers = await testGrid(2, {
  setup(grid) {
    grid.handle(next, (_value, context) => { deadlines.push(context.deadline ?? 0); return 1 })
    grid.handle(get, async ({ key }, context) => {
      deadlines.push(context.deadline ?? 0)
      const peer = grid.connection(context.remote.host)
      ${handsOn}
      return key
    })
    grid.handle(upload, async function* (_payload, requests) {
      for await (const chunk of requests) yield chunk.length
    })
  }
})
const deadlines: number[] = []
const [one, two] = servers.grids
if (one === undefined || two === undefined) throw new Error('never')
await Promise.all(servers.grids.map((grid) => grid.waitForPeers()))
const peer = one.connection(two.local)
const answer = await peer.request(get, { key: 'a' }, { timeout: 300_000 })
const [first = 0, second = 0] = deadlines
console.error(answer, Math.abs(second - first) < 10_000)
${sends}
await servers.close()
`

const processes = `
import { createServer } from 'node:http'
import { hostname } from 'node:os'
import { type Auth, bytes, Manager, sharedSecret, single } from 'it-grid'
declare const [index, hosts, secret, auth]: [number, string[], string, Auth]
declare const pool: { run(image: Uint8Array, options: { signal: AbortSignal }): Promise<Uint8Array> }
const resize = single('resize', { request: bytes(), response: bytes() })
const server = createServer()
${aProcess}
${aPool}
${urgent}
`

describe('the blocks of the guides', () => {
  const folder = mkdtempSync(join(tmpdir(), 'it-grid-guides-'))
  after(() => rmSync(folder, { recursive: true }))
  for (const [name, code] of Object.entries({ calls, processes })) {
    writeFileSync(join(folder, `${name}.mts`), onSources(code))
  }

  it('are three of each page, which compile under strict types', async () => {
    assert.deepEqual([further, more], [[], []])
    assert.ok([definitions, handsOn, sends, aProcess, aPool, urgent].every((code) => code !== ''))
    await compilesIn(folder)
  })

  it('hand on the time of a call, and upload a file that is larger than all windows', async () => {
    const program = ['--import', join(root, 'node_modules/tsx/dist/loader.mjs'), join(folder, 'calls.mts')]
    const options = { cwd: folder, timeout: paced(120_000), env: childEnvironment() }
    const { stdout, stderr } = await promisify(execFile)(process.execPath, program, options)
    assert.equal(stderr, 'a true\n')
    const lengths = stdout.trim().split('\n').map(Number)
    assert.equal(
      lengths.reduce((sum, length) => sum + length, 0),
      2_000_000
    )
  })
})
