/**
 * This release and the one before it are peers: calls both ways, whoever dials, and programs of then compile against the types of now.
 *
 * The package of the release before is built from the commit that it was made of. Where the history is not there, as in a shallow
 * clone, that is said and nothing runs.
 */

import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import * as current from '../../lib/index.ts'
import { MarkdownFile, root } from '../support/pages/markdown.ts'
import { until } from '../support/until.ts'

/** The last commit of each release, the newest first. */
const releases = [{ version: '0.1.0', commit: '363a0bd' }]
const [previous = { version: '', commit: '' }] = releases
/** What a program of the release before must change: from, to. The upgrade note names each. */
const upgrades = [['dials', 'isDialer']] as const
const run = promisify(execFile)

type Library = typeof current
type Grid = InstanceType<Library['Manager']>

const hasHistory = spawnSync('git', ['cat-file', '-e', `${previous.commit}^{commit}`], { cwd: root }).status === 0
/** In CI the history has to be there. */
const skip =
  hasHistory || process.env.CI !== undefined
    ? false
    : `commit ${previous.commit} of release ${previous.version} is not in this clone`

describe(`release ${previous.version} and this one`, { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'it-grid-previous-'))
  let old: Library
  before(async () => {
    const { stdout } = await run('git', ['archive', '--format=tar', previous.commit], {
      ...{ cwd: root, encoding: 'buffer', maxBuffer: 1 << 28 }
    })
    const tar = spawnSync('tar', ['-x', '-f', '-', '-C', folder], { input: stdout })
    assert.equal(tar.status, 0, String(tar.stderr))
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    await run(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--noCheck'], { cwd: folder })
    old = await import(pathToFileURL(join(folder, 'dist/index.js')).href)
  })
  after(() => rmSync(folder, { recursive: true }))

  /** Two servers, the first of the release before. Either of the two names may be the one that dials. */
  async function pair(isOldFirst: boolean): Promise<{ grids: [Grid, Grid]; close: () => Promise<void> }> {
    const servers = [createServer(), createServer()]
    for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening')
    const names = servers.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const dialing = current.dialerOf(names[0] ?? '', names[1] ?? '')
    const ordered = (dialing === names[0]) === isOldFirst ? [0, 1] : [1, 0]
    const grids = [old, current].map((library, at) => {
      const index = ordered[at] ?? 0
      const auth = library.sharedSecret('the same secret for both releases')
      const grid = new library.Manager({
        ...{ local: names[index] ?? '', hosts: names, auth, logger: library.silentLogger }
      }) as Grid
      offer(library, grid)
      grid.attach(servers[index] as (typeof servers)[0])
      return grid
    }) as [Grid, Grid]
    const close = async () => {
      await Promise.all(grids.map((grid) => grid.close()))
      for (const server of servers) server.close()
    }
    await Promise.all(grids.map((grid, at) => peerOf(grid, grids[1 - at] as Grid).waitForConnect()))
    return { grids, close }
  }

  for (const dialer of [previous.version, 'this one']) {
    it(`make requests and streams of each other, where ${dialer} dials`, async () => {
      const { grids, close } = await pair(dialer !== 'this one')
      try {
        for (const [at, library] of [old, current].entries()) {
          const [from, to] = [grids[at] as Grid, grids[1 - at] as Grid]
          await everyKindOfCall(library, from, to)
        }
      } finally {
        await close()
      }
    })
  }

  for (const leaver of [previous.version, 'this one'])
    it(`tell each other of a shutdown of ${leaver}, and a call in it is certainly not sent`, async () => {
      const { grids, close } = await pair(true)
      const [first, second] = leaver === 'this one' ? grids : [grids[1], grids[0]]
      await second.close()
      const peer = peerOf(first, second)
      await until(() => peer.state !== 'connected', 'it has heard of it')
      await assert.rejects(peer.request('echo', new Uint8Array(1)), { delivery: 'notSent' })
      await close()
    })

  it('has the names that the release before had', () => {
    const missing = Object.keys(old).filter((name) => !(name in current))
    assert.deepEqual(missing, [])
  })

  it('has types against which the examples of the release before compile, with the changes that its upgrade note names', async () => {
    const note = new MarkdownFile('CHANGELOG.md').section('Upgrading from 0.1')
    for (const [from, to] of upgrades) assert.ok(note.includes(`\`${from}\``) && note.includes(`\`${to}\``), from)
    const compilerOptions = {
      paths: { 'it-grid': [join(root, 'lib/index.ts')] },
      typeRoots: [join(root, 'node_modules/@types')]
    }
    const examples = ['requests', 'streams', 'pipeline', 'raw-bytes', 'discovery', 'unix-socket']
    const include = examples.map((name) => join(folder, `examples/${name}.ts`))
    for (const file of [...include, join(folder, 'examples/start-pair.ts')]) {
      const text = readFileSync(file, 'utf8').replaceAll("'../lib/index.ts'", "'it-grid'")
      writeFileSync(
        file,
        upgrades.reduce((text, [from, to]) => text.replaceAll(`.${from}`, `.${to}`), text)
      )
    }
    const config = { extends: join(root, 'tsconfig.json'), compilerOptions, include, exclude: [] }
    writeFileSync(join(folder, 'tsconfig.examples.json'), JSON.stringify(config))
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    await run(process.execPath, [tsc, '-p', join(folder, 'tsconfig.examples.json')]).catch((error) =>
      assert.fail(error.stdout)
    )
  })
})

const peerOf = (grid: Grid, other: Grid) => grid.connection(other.local)

function definitions({ single, streaming }: Library) {
  return {
    greet: single<{ name: string; at: Date }, string>('greet'),
    fail: single<void, void>('fail'),
    wait: single<void, string>('wait'),
    count: streaming<{ to: number }, never, number>('count', { inCapacity: 0, outCapacity: 4 }),
    add: streaming<void, number, number>('add', { inCapacity: 2, outCapacity: 2 })
  }
}

function offer(library: Library, grid: Grid): void {
  const { greet, fail, wait, count, add } = definitions(library)
  grid.handle(greet, ({ name, at }) => `hello ${name} of ${at.getFullYear()}`)
  grid.handle(fail, () => {
    throw Object.assign(new Error('it is meant'), { code: 'MEANT' })
  })
  grid.handle(wait, async (_none, { signal }) => {
    if (!signal.aborted) await once(signal, 'abort')
    return 'aborted'
  })
  grid.handle(count, function* ({ to }) {
    for (let number = 1; number <= to; number++) yield number
  })
  grid.handle(add, async function* (_none, numbers) {
    let sum = 0
    for await (const number of numbers) {
      sum += number
      yield sum
    }
  })
  grid.handle('echo', (bytes) => bytes)
}

async function everyKindOfCall(library: Library, from: Grid, to: Grid): Promise<void> {
  const { greet, fail, wait, count, add } = definitions(library)
  const peer = peerOf(from, to)
  assert.equal(await peer.request(greet, { name: 'Ada', at: new Date('2026-05-05') }), 'hello Ada of 2026')
  const large = new Uint8Array(1 << 20).fill(7)
  assert.deepEqual(await peer.request('echo', large), large)
  await assert.rejects(peer.request(fail), { code: 'MEANT', delivery: 'ran' })
  await assert.rejects(peer.request(wait, undefined, { timeout: 50 }), { code: 'ERR_DEADLINE' })
  const stop = new AbortController()
  const waiting = peer.request(wait, undefined, { signal: stop.signal })
  stop.abort(new Error('no more'))
  await assert.rejects(waiting, /no more/)
  let sum = 0
  for await (const number of peer.newStream(count, { to: 1000 })) sum += number
  assert.equal(sum, 500_500)
  const stream = peer.newStream(add)
  const sums: number[] = []
  const sent = stream.sink([1, 2, 3, 4, 5])
  for await (const each of stream) sums.push(each)
  await sent
  assert.deepEqual(sums, [1, 3, 6, 10, 15])
  for await (const number of peer.newStream(count, { to: 1_000_000 })) if (number === 10) break
  await assert.rejects(peer.request('nobody', new Uint8Array()), { code: 'ERR_UNKNOWN_HANDLER', delivery: 'notSent' })
}
