/**
 * The README is short and true: its example compiles, runs and prints what it says; its commands and links exist. So do the
 * options and defaults of the reference.
 */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import type { CallOptions, HandlerContext, ManagerOptions } from '../../lib/index.ts'
import * as grid from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { freePorts } from '../support/network/free-port.ts'
import { MarkdownFile, root } from '../support/pages/markdown.ts'
import { compilesIn } from '../support/pages/program.ts'
import { childEnvironment, sourceArgs } from '../support/process/child.ts'

const run = promisify(execFile)
const readme = new MarkdownFile('README.md')
const reference = new MarkdownFile('docs/reference.md')
const scripts: Record<string, string> = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).scripts
const docs = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'))
const pages = [
  'README.md',
  'CHANGELOG.md',
  'SECURITY.md',
  'CONTRIBUTING.md',
  'benchmarks/README.md',
  ...readdirSync(join(root, 'examples'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `examples/${name}`),
  ...docs.map((name) => `docs/${name}`)
]
const example = readme.code('ts').find((code) => code.includes("from 'it-grid'")) ?? ''

describe('the example of the README', () => {
  const folder = mkdtempSync(join(tmpdir(), 'it-grid-readme-'))
  const file = join(folder, 'example.mts')
  let ports: string[] = []

  before(async () => {
    ports = (await freePorts(2)).map(String)
    const withPorts = example.replaceAll('9001', ports[0] ?? '').replaceAll('9002', ports[1] ?? '')
    writeFileSync(file, withPorts.replace("from 'it-grid'", `from '${join(root, 'lib/index.ts')}'`))
  })
  after(() => rmSync(folder, { recursive: true }))

  it('is complete in 15 lines', () => {
    const lines = example.split('\n').filter((line) => line.trim() !== '')
    assert.equal(lines.length, 15)
  })

  it('compiles under strict types', async () => {
    await compilesIn(folder, [file])
  })

  it('prints what the README says', async () => {
    const { stdout, stderr } = await run(process.execPath, [...sourceArgs, file], {
      cwd: root,
      timeout: paced(20_000),
      env: childEnvironment()
    })
    const printed = stdout.replaceAll(ports[0] ?? '', '9001').replaceAll(ports[1] ?? '', '9002')
    assert.equal(printed, readme.code('text')[0])
    assert.equal(stderr, '')
  })
})

it('the example at the head of lib/index.ts waits until its server listens, and has a secret that is accepted', () => {
  const text = readFileSync(join(root, 'lib/index.ts'), 'utf8')
  const head = text.slice(0, text.indexOf('*/'))
  assert.match(head, /\.listen\(9000\)\n \* await once\(server, 'listening'\)\n[\s\S]*new Manager/)
  const secret = /sharedSecret\('(.*)'\)/.exec(head)?.[1] ?? ''
  assert.equal(typeof grid.sharedSecret(secret).prove, 'function')
})

it('the README is read in two minutes: 1,200 words at most', () => {
  const words = readme.text.split(/\s+/).filter((word) => word !== '')
  assert.ok(words.length <= 1200, `${words.length} words`)
})

describe('the pages', () => {
  for (const path of pages) {
    it(`${path} has no link that leads nowhere`, () => {
      assert.deepEqual(new MarkdownFile(path).brokenLinks(), [])
    })
  }

  it('name only npm scripts that exist, and the two commands', () => {
    for (const path of pages) {
      for (const [, name = ''] of new MarkdownFile(path).text.matchAll(/npm run ([a-z](?:[\w:-]|\.(?=\w))*)/g)) {
        assert.ok(name in scripts, `${path} names "npm run ${name}"`)
      }
    }
    assert.match(readme.text, /^npm ci && npm run demo$/m)
    assert.match(readme.text, /^npm ci && npm test$/m)
    assert.ok(scripts.test !== undefined)
  })
})

/** The first cells of the table in a section whose header begins with `header`, one name each. */
function namesIn(section: string, header: string): string[] {
  const rows = reference.rows(section)
  const start = rows.findIndex(([name]) => name === header)
  const rest = rows.slice(start + 2)
  const end = rest.findIndex((_, at) => rest[at + 1]?.[0]?.startsWith('---'))
  return (end === -1 ? rest : rest.slice(0, end)).flatMap(([names = '']) => names.split(/, (?![^(]*\))/))
}

describe('the reference', () => {
  it('lists every option of a manager, of a call, and every property of a context, and no other', () => {
    const manager: Record<keyof ManagerOptions, true> = {
      ...{ local: true, hosts: true, auth: true, path: true, dialer: true, logger: true, limits: true },
      ...{ keepAlive: true, reconnect: true, checksum: true, allowOrigin: true, serveWhen: true },
      ...{ interceptors: true, introspection: true, guests: true }
    }
    const call: Record<keyof CallOptions, true> = { timeout: true, signal: true, metadata: true, waitForReady: true }
    const context: Record<keyof HandlerContext, true> = {
      ...{ signal: true, draining: true, deadline: true, remote: true, handler: true, subroute: true, metadata: true },
      ...{ kind: true, side: true, host: true, instance: true }
    }
    assert.deepEqual(namesIn('Manager', 'option'), Object.keys(manager))
    assert.deepEqual(namesIn('Connection', 'call option'), Object.keys(call))
    assert.deepEqual(namesIn('Handlers', 'context'), Object.keys(context))
  })

  it('lists every public member of a manager', () => {
    const properties = ['local', 'instance']
    const methods = Object.getOwnPropertyNames(grid.Manager.prototype).filter((name) => name !== 'constructor')
    const documented = namesIn('Manager', 'member').map((name) => name.replace(/\(.*/, ''))
    assert.deepEqual(documented.sort(), [...properties, ...methods].sort())
  })

  it('gives the defaults that the code has', () => {
    const rows = new Map(reference.rows('Manager').map(([name, value]) => [name, value]))
    const text = (defaults: object) =>
      `{ ${Object.entries(defaults)
        .map(([name, value]) => `${name}: ${value}`)
        .join(', ')} }`
    assert.equal(rows.get('keepAlive'), text(grid.defaultKeepAlive))
    assert.equal(rows.get('reconnect'), text(grid.defaultReconnect))
  })

  it('names every function and value that the package exports, but errors', () => {
    const names = Object.keys(grid).filter((name) => !name.endsWith('Error'))
    const missing = names.filter((name) => !new RegExp(`\\b${name}\\b`).test(reference.text))
    assert.deepEqual(missing, [])
  })
})
