/** A walk through the disk of another server: entries come as they are read, and only as fast as they are taken. */

import { opendir, realpath, stat } from 'node:fs/promises'
import { join, relative, resolve, sep } from 'node:path'
import { type Manager, streaming } from 'it-grid'

export interface Entry {
  readonly path: string
  readonly bytes: number
}

/** Of `path` below the root of the server. At most 64 entries are read ahead of the caller. */
export const walk = streaming<{ path: string }, never, Entry>('disk.walk', { inCapacity: 0, outCapacity: 64 })

/** `onEnd` hears how many entries a walk has read, when it is over or nobody reads it any more. */
export function serveWalk(grid: Manager, root: string, onEnd: (entries: number) => void): void {
  grid.handle(walk, async function* ({ path }) {
    let entries = 0
    try {
      const real = await realpath(root)
      for await (const entry of filesBelow(real, await within(real, path))) {
        entries++
        yield entry
      }
    } finally {
      onEnd(entries)
    }
  })
}

/** Callers choose the path, so it may lead anywhere, also by a link. */
async function within(root: string, path: string): Promise<string> {
  const folder = await realpath(resolve(root, path))
  if (folder === root || folder.startsWith(root + sep)) return folder
  throw Object.assign(new Error(`${path} is not below the root`), { code: 'OUTSIDE' })
}

async function* filesBelow(root: string, folder: string): AsyncGenerator<Entry> {
  for await (const entry of await opendir(folder)) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* filesBelow(root, path)
    else if (entry.isFile()) yield { path: relative(root, path), bytes: (await stat(path)).size }
  }
}
