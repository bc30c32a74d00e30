/** Hosts of a file, of which a manager makes connections. */

import assert from 'node:assert/strict'
import { appendFileSync, renameSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileHosts, type PollOptions } from '../../lib/extras/discovery/index.ts'
import { Servers } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'
import { Followed, Lines } from './follow.ts'

let folder = ''
let path = ''
let lines = new Lines()

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'it-grid-hosts-'))
  path = join(folder, 'hosts')
  lines = new Lines()
})

afterEach(() => rm(folder, { recursive: true }))

/** As a whole and at once: between emptying and writing a file a busy machine shows it empty for long. */
function replace(text: string): void {
  writeFileSync(`${path}.new`, text)
  renameSync(`${path}.new`, path)
}

const follow = (more: Partial<PollOptions> = {}, at = path) =>
  new Followed(fileHosts(at, { local: 'http://a:1', everyMs: 20, keepMs: 100, logger: lines, ...more }))

describe('fileHosts()', () => {
  it('takes one host a line: comments, empty lines, spaces, Windows line ends and a byte order mark are no names', async () => {
    await writeFile(
      path,
      '\uFEFF# ours\r\nhttp://a:1\r\n\r\n  http://b:1  # the second\r\n\thttp://c:1\n#http://d:1\nhttp://e:1'
    )
    await using followed = follow()
    await followed.has('a:1 b:1 c:1 e:1')
    assert.deepEqual(lines.loud, [])
  })

  it('sees a host that joins, and drops one that has left', async () => {
    await writeFile(path, 'http://a:1\nhttp://b:1\n')
    await using followed = follow()
    await followed.has('a:1 b:1')
    await writeFile(path, 'http://a:1\nhttp://c:1\n')
    await followed.has('a:1 b:1 c:1')
    await followed.has('a:1 c:1')
  })

  it('sees a file that is replaced, also by a link as of a ConfigMap', async () => {
    await mkdir(join(folder, 'v1'))
    await mkdir(join(folder, 'v2'))
    await writeFile(join(folder, 'v1/hosts'), 'http://b:1')
    await writeFile(join(folder, 'v2/hosts'), 'http://b:1\nhttp://c:1')
    await symlink('v1', join(folder, 'now'))
    await using followed = follow({}, join(folder, 'now/hosts'))
    await followed.has('a:1 b:1')
    await symlink('v2', join(folder, 'next'))
    await rename(join(folder, 'next'), join(folder, 'now'))
    await followed.has('a:1 b:1 c:1')
  })

  it('keeps the list when the file is gone, empty, no file, too large or only garbage, and says which', async () => {
    await writeFile(path, 'http://a:1\nhttp://b:1')
    const bad = [
      ['gone', () => rm(path), /ENOENT/],
      ['empty', () => writeFile(path, '# nothing\n'), /names no host any more/],
      ['no file', () => rm(path).then(() => mkdir(path)), /it is not a file/],
      ['too large', () => writeFile(path, 'http://b:1\n'.repeat(400_000)), /more than 4194304 bytes/],
      ['garbage', () => writeFile(path, Buffer.from([0, 255, 1, 10, 254, 10, 7])), /all of its names are refused/]
    ] as const
    for (const [what, make, text] of bad) {
      const told = new Lines()
      await using followed = follow({ logger: told })
      await followed.has('a:1 b:1')
      await make()
      await until(() => told.loud.some((line) => text.test(line)), `it says that it is ${what}: ${told.loud}`)
      assert.equal(followed.now, 'a:1 b:1')
      await rm(path, { recursive: true, force: true })
      await writeFile(path, 'http://a:1\nhttp://b:1\nhttp://c:1')
      await followed.has('a:1 b:1 c:1')
      await writeFile(path, 'http://a:1\nhttp://b:1')
    }
  })

  it('gives a manager its hosts: one that joins is connected, one that leaves is closed after keepMs', async (test) => {
    const [a, b, c] = ['http://a:1', 'http://b:1', 'http://c:1'] as const
    const servers = new Servers(test)
    const start = async (local: string) => {
      const hosts = fileHosts(path, { local, everyMs: 20, keepMs: 100, logger: lines })
      return (await servers.node(local, hosts)).manager
    }
    await writeFile(path, `${a}\n${b}\n`)
    const grids = [await start(a), await start(b)]
    await Promise.all(grids.map((grid) => grid.ready))
    await Promise.all(grids.map((grid) => grid.waitForPeers()))
    await writeFile(path, `${a}\n${b}\n${c}\n`)
    grids.push(await start(c))
    await until(() => grids.every(({ hosts }) => hosts.length === 2), 'each knows the two others')
    await Promise.all(grids.map((grid) => grid.waitForPeers()))
    const before = grids[0]?.connection(c)
    await writeFile(path, `${a}\n${b}\n`)
    await until(() => before?.state === 'closed', 'the connection to the host that left is closed')
    assert.deepEqual(grids[0]?.hosts, [b])
    assert.equal(grids[0]?.connection(b).state, 'connected')
  })

  it('waits for a file that is not there yet', async () => {
    await using followed = follow()
    await until(() => lines.loud.length > 0, 'it says so')
    assert.match(lines.loud[0] ?? '', /^warn fileHosts\(.*\): ENOENT.*; there is no list yet$/)
    await writeFile(path, 'http://b:1')
    await followed.has('a:1 b:1')
  })

  it('says so when a file never stays the same, keeps the list, and takes it once it does', async () => {
    await writeFile(path, 'http://b:1\n')
    await using followed = follow({ everyMs: 50 })
    await followed.has('a:1 b:1')
    let changes = 0
    const writing = setInterval(() => replace(`http://c:1\n# ${++changes}\n`), 20)
    try {
      await until(() => lines.loud.some((line) => /it changes again and again/.test(line)), 'it says so')
    } finally {
      clearInterval(writing)
    }
    await until(() => followed.now.includes('c:1'), 'it is taken')
  })

  it('does not take a file that is just being written', async () => {
    await writeFile(path, 'http://a:1\nhttp://b:1\n')
    await using followed = follow({ everyMs: 1 })
    await followed.has('a:1 b:1')
    /** Whether no step was as long as a file has to stay the same, as it may be on a machine that is busy. */
    const write = async (name: string) => {
      let isSteady = true
      replace('http://a:1\nhtt')
      for (const more of [`p://${name}`, '-12:1', '\nhttp://c:1\n']) {
        const sinceMs = performance.now()
        await delay(30)
        appendFileSync(path, more)
        isSteady &&= performance.now() - sinceMs < 80
      }
      await until(() => ['c:1', `${name}-12:1`].every((each) => followed.now.includes(each)), 'the whole file is taken')
      return isSteady
    }
    let name = 'wrong0'
    for (let tries = 1; !(await write(name)); tries++) name = `wrong${tries}`
    assert.ok(!followed.lists.flat().includes(`http://${name}`), `${followed.lists}`)
  })
})
