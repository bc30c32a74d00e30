/**
 * The process whose memory is measured: one manager, handlers that read nothing and never end, and nothing else.
 *
 * Its own process, with `--expose-gc`, so that whatever is measured is the library's.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { bytes, type Limits, streaming } from '../../../lib/index.ts'
import { given, obey } from '../process/obey.ts'
import { type ServerInit, startServer } from '../process/server.ts'
import { capacity, downloadBytes } from './processes.ts'

export interface VictimInit extends ServerInit {
  readonly limits: Partial<Limits>
}

export type VictimWords = typeof words
/** What the victim holds once garbage is collected. */
export type Held = Awaited<ReturnType<VictimWords['measure']>>

const { limits, ...init } = given<VictimInit>()
const { manager, words: serverWords } = startServer(init, { limits })

const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
const raw = { payload: bytes(), response: bytes(), outCapacity: capacity }
const rawBoth = { ...raw, request: bytes(), inCapacity: capacity }
// In the order of `victimHandlers`.
manager.handle('echo', (payload) => payload)
manager.handle('hold', async (payload, { signal, metadata }) => {
  await untilAborted(signal)
  return Buffer.concat([payload, Buffer.from(String(metadata))])
})
const upload = streaming<Uint8Array, Uint8Array, Uint8Array>('upload', rawBoth)
manager.handle(upload, async function* (payload, _requests, { signal }) {
  await untilAborted(signal)
  yield payload
})
const download = streaming<Uint8Array, never, Uint8Array>('download', { ...raw, inCapacity: 0 })
manager.handle(download, async function* () {
  for (;;) yield Buffer.alloc(downloadBytes)
})

const words = {
  ...serverWords,

  /** Opens that many streams and requests at each attacker, and reads nothing of what comes. */
  call(count: number): void {
    for (const connection of manager.connections) {
      if (connection.state !== 'connected') continue
      for (let i = 0; i < count; i++) {
        connection.newStream('peer.stream', new Uint8Array(1))
        connection.request('peer.single', new Uint8Array(1), { timeout: Number.POSITIVE_INFINITY }).catch(() => {})
      }
    }
  },

  async measure() {
    let [heapBytes, externalBytes] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
    // What is held is there each time. Between them a flood leaves garbage, and buffers are freed some time after it.
    for (let i = 0; i < 4; i++) {
      globalThis.gc?.()
      heapBytes = Math.min(heapBytes, process.memoryUsage().heapUsed)
      await delay(20)
      externalBytes = Math.min(externalBytes, process.memoryUsage().external)
    }
    const sums = { sessions: 0, outboundStreams: 0, runningHandlers: 0 }
    for (const { session } of manager.stats().connections) {
      if (session === undefined) continue
      sums.sessions++
      sums.outboundStreams += session.outboundStreams
      sums.runningHandlers += session.runningHandlers
    }
    return { bytes: heapBytes + externalBytes, ...sums }
  }
}
obey(words)
