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

function entry(id: string, label: string, file = id): Entry {
  return { id, label, module: besides(import.meta.url, `./contestants/${file}`).href, isRival: file !== 'it-grid' }
}

export function lockWorkload(callers: number): LockWorkload {
  const title = `rlock and runlock on one hot object, ${callers} ${callers === 1 ? 'caller' : 'callers'}`
  return { id: 'locks', title, kind: 'locks', callers }
}
