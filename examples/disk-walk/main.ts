/** One server walks through the disks of two others. */

import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { RemoteError } from 'it-grid'
import { startServers } from './servers.ts'
import { serveWalk, walk } from './walk.ts'

/** A disk with 10 folders of 30 files, of 0 to 29 bytes. */
async function makeDisk(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'disk-walk-'))
  for (let folder = 0; folder < 10; folder++) {
    await mkdir(join(root, `folder-${folder}`))
    for (let file = 0; file < 30; file++) {
      await writeFile(join(root, `folder-${folder}`, `${file}.txt`), 'x'.repeat(file))
    }
  }
  return root
}

const disks = [await makeDisk(), await makeDisk(), await makeDisk()]
const read: number[] = []
const { grids, close } = await startServers(3, (grid, index) => {
  serveWalk(grid, disks[index] as string, (entries) => read.push(entries))
})
const [here, there] = grids as [(typeof grids)[0], (typeof grids)[0]]
const peer = here.connection(there.local)

let [files, bytes] = [0, 0]
for await (const entry of peer.newStream(walk, { path: '.' })) {
  files++
  bytes += entry.bytes
}
console.log(`the other server has ${files} files with ${bytes} bytes`)

for await (const { path } of peer.newStream(walk, { path: '.' })) {
  assert.match(path, /^folder-\d/)
  break
}
while (read.length < 2) await delay(1)
assert.ok(read[1] !== undefined && read[1] < 150)
console.log('a caller that leaves its loop after one file ends the walk at the other server, too')

const perHost = new Map<string, number>()
for await (const { host, value, error } of here.all(walk, { path: '.' })) {
  if (error !== undefined) throw error
  perHost.set(host, (perHost.get(host) ?? 0) + value.bytes)
}
console.log(`both others at once, as their entries come: ${[...perHost.values()].join(' and ')} bytes`)

await symlink(tmpdir(), join(disks[1] as string, 'link'))
for (const path of ['../..', 'link']) {
  const outside = await peer
    .newStream(walk, { path })
    .responses.next()
    .catch((thrown: unknown) => thrown)
  assert.ok(RemoteError.is(outside), `${path} is walked`)
  console.log(`a path that leads elsewhere: ${outside.code}, ${outside.message}`)
}

await close()
await Promise.all(disks.map((disk) => rm(disk, { recursive: true })))
