/** docs/proxies.md is true: its programs compile, the first one runs behind both proxies, and what it lists of them is so. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { freePorts } from '../support/network/free-port.ts'
import { root } from '../support/pages/markdown.ts'
import { compilesIn, onSources } from '../support/pages/program.ts'
import { childEnvironment, sourceArgs } from '../support/process/child.ts'
import { until } from '../support/until.ts'
import { ways } from './grid.ts'
import { certificate, configuration, kinds, page, RealProxy, whyNot } from './proxy.ts'

const folder = mkdtempSync(join(tmpdir(), 'it-grid-proxies-'))
after(() => rmSync(folder, { recursive: true }))

const programs = page.code('ts').map(onSources)

describe('docs/proxies.md', () => {
  it('has a configuration of each proxy for each way, and programs that compile under strict types', async () => {
    for (const kind of kinds) {
      assert.equal(page.code(kind).length, ways.length + 1)
      for (const way of ways) configuration(kind, way)
    }
    for (const [at, code] of programs.entries()) writeFileSync(join(folder, `program-${at}.mts`), code)
    await compilesIn(folder)
  })

  for (const kind of kinds) {
    it(`has a program whose servers reach each other through ${kind}`, { skip: whyNot[kind] }, async (test) => {
      const [one = 0, two = 0] = await freePorts(2)
      const proxy = await RealProxy.start({ kind, titles: ['A path for each host'], ports: [one, two] })
      test.after(() => proxy.end())
      const ca = join(folder, 'ca.pem')
      writeFileSync(ca, certificate.cert)
      const file = join(folder, `${kind}.mts`)
      writeFileSync(file, (programs[0] ?? '').replaceAll('edge.example', `localhost:${proxy.port}`))
      const outputs = ['', '']
      for (const [at, port] of [one, two].entries()) {
        const secret = 'a secret of sixteen bytes'
        const own = {
          GRID_LOCAL: `https://node-${at + 1}`,
          GRID_SECRET: secret,
          PORT: String(port),
          NODE_EXTRA_CA_CERTS: ca
        }
        const env = { ...childEnvironment(), ...own }
        const child = spawn(process.execPath, [...sourceArgs, file], { cwd: root, env })
        const gone = new Promise((resolve) => child.once('close', resolve))
        test.after(async () => {
          child.kill('SIGKILL')
          await gone
        })
        child.stdout.setEncoding('utf8').on('data', (text: string) => {
          outputs[at] += text
        })
        // The other one may not listen yet.
        child.stderr.resume()
      }
      const expected = 'https://node-1 answers: https://node-1\nhttps://node-2 answers: https://node-2\n'
      await until(() => outputs.every((text) => text.split('\n').length > 2), 'both have their answers', 60_000)
      assert.deepEqual(outputs, [expected, expected])
    })
  }
})
