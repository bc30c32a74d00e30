/** Who carries the locks, and what they all do: one workload of operations. */

import { extname } from 'node:path'
import { type Entry, roster } from '../compare/roster.ts'
import type { OperationWorkload } from '../compare/workloads.ts'

const lacking = 'here it carries locks only'
/** What those who carry locks have no means for. */
export const onlyLocks: Entry['lacks'] = {
  request: lacking,
  'server-stream': lacking,
  'echo-stream': lacking,
  latency: lacking
}

export const lockRoster: readonly Entry[] = [
  entry('it-grid', 'it-grid', 'tuple()'),
  entry('grpc-js', 'grpc-js, protobuf', 'one channel'),
  entry('undici', 'undici, JSON', '`request`, Pool of 64 connections of HTTP/1.1'),
  entry('undici-fast', 'undici, JSON, fast', '`dispatch`, 8 connections of up to 8 calls each', 'undici')
]

/** As in the comparison, but with locks to carry. */
function entry(id: string, label: string, about: string, file = id): Entry {
  const module = new URL(`./contestants/${file}${extname(new URL(import.meta.url).pathname)}`, import.meta.url).href
  return { ...(roster.find((each) => each.id === file) as Entry), id, label, about, module, lacks: onlyLocks }
}

export function lockWorkload(callers: number): OperationWorkload {
  const title = `rlock and runlock on one hot object, ${callers} ${callers === 1 ? 'caller' : 'callers'}`
  return { id: 'locks', title, kind: 'operation', callers, bytes: 0 }
}
