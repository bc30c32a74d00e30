/** Who carries the locks, and what they all do. */

import type { Entry } from '../harness/contest/contestant.ts'
import { besides } from '../harness/library.ts'
import type { LockWorkload } from './drive.ts'

export const lockRoster: readonly Entry[] = [
  entry('it-grid', 'it-grid'),
  entry('grpc-js', 'grpc-js, protobuf'),
  entry('undici', 'undici, JSON'),
  entry('undici-fast', 'undici, JSON, fast', 'undici')
]

/** Clients of lock services, each with its servers. */
export const takeRoster: readonly Entry[] = [
  { ...entry('locks-1', 'it-grid/locks, 1 server', 'lock-client'), isRival: false },
  { ...entry('locks-3', 'it-grid/locks, 3 servers', 'lock-client'), isRival: false },
  entry('redlock', 'Redis, Redlock')
]

function entry(id: string, label: string, file = id): Entry {
  return { id, label, module: besides(import.meta.url, `./contestants/${file}`).href, isRival: file !== 'it-grid' }
}

export function lockWorkload(callers: number): LockWorkload {
  const title = `rlock and runlock on one hot object, ${callers} ${callers === 1 ? 'caller' : 'callers'}`
  return { id: 'locks', title, kind: 'locks', callers }
}

export function takeWorkload(callers: number): LockWorkload {
  const each = callers === 1 ? 'caller' : 'callers, each on something of its own'
  return { id: 'take', title: `lock and unlock, ${callers} ${each}`, kind: 'take', callers }
}
