/** `spec/support/` is what folders of specs share: whoever looks for a helper of one folder finds it in that folder. */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path/posix'
import { describe, it } from 'node:test'

const root = new URL('../../', import.meta.url)
/** Of the scripts of npm and of specs of benchmarks, which are started by their paths. */
const startedByPath = /^spec\/support\/(benchmarks\/.*|suite\.mjs|typescript\.mjs)$/

const sources = new Map(
  ['spec', 'benchmarks'].flatMap((folder) =>
    readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.m?ts$|\.mjs$/.test(path))
      .map((path): [string, readonly string[]] => [join(folder, path), usedBy(join(folder, path))])
  )
)

/** The files that one names, be it to import them or to start them as a process. */
function usedBy(path: string): string[] {
  const text = readFileSync(new URL(path, root), 'utf8')
  return [...text.matchAll(/'(?<file>\.{1,2}\/[^'\s]+\.m?[tj]s)'/g)].map(({ groups }) =>
    join(path, '..', groups?.file ?? '')
  )
}

function isShared(path: string): boolean {
  return path.startsWith('spec/support/')
}

/** `spec/stream` of `spec/stream/sink.spec.ts`. */
function folderOf(path: string): string {
  return path.startsWith('spec/') ? path.split('/', 2).join('/') : (path.split('/')[0] ?? '')
}

/** Which folders reach each helper, through others or directly. */
function usersOf(): Map<string, Set<string>> {
  const users = new Map([...sources.keys()].filter(isShared).map((path) => [path, new Set<string>()]))
  const visit = (path: string, user: string): void => {
    for (const used of sources.get(path) ?? []) {
      const its = users.get(used)
      if (its === undefined || its.has(user)) continue
      its.add(user)
      visit(used, user)
    }
  }
  for (const path of sources.keys()) if (!isShared(path)) visit(path, folderOf(path))
  return users
}

describe('spec/support/', () => {
  it('has what two folders of specs use; what one uses lies there', () => {
    const users = usersOf()
    assert.ok(users.size > 50, `only ${users.size} helpers were found`)
    const own = [...users].filter(([path, its]) => its.size < 2 && !startedByPath.test(path))
    assert.deepEqual(
      own.map(([path, its]) => `${path}: ${[...its]}`),
      []
    )
  })
})
