/**
 * The process whose memory is measured: one manager, handlers that read nothing and never end, and nothing else.
 *
 * Its own process, with `--expose-gc`, so that whatever is measured is the library's.
 */

import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { bytes, type Limits, type Manager, streaming } from '../../../lib/index.ts'
import { nameThat, testManager } from '../grid/manager.ts'
import { capacity, downloadBytes, type FromVictim, type Held, type ToVictim } from './messages.ts'

let manager: Manager | undefined

const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))

async function start(attackerCount: number, honestCount: number, limits: Partial<Limits>): Promise<FromVictim> {
  const server = http.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const dialers = (kind: string, length: number) =>
    Array.from({ length }, (_, i) => nameThat('dials', url, (n) => `http://${kind}-${i}-${n}.test:9000`))
  const [attackers, honest] = [dialers('attacker', attackerCount), dialers('honest', honestCount)]
  manager = testManager({ local: url, hosts: [url, ...attackers, ...honest], limits })
  const raw = { payload: bytes(), response: bytes(), outCapacity: capacity }
  // In the order of `victimHandlers`.
  manager.handle('echo', (payload) => payload)
  manager.handle('hold', async (payload, { signal, metadata }) => {
    await untilAborted(signal)
    return Buffer.concat([payload, Buffer.from(String(metadata))])
  })
  const upload = streaming<Uint8Array, Uint8Array, Uint8Array>('upload', {
    ...raw,
    request: bytes(),
    inCapacity: capacity
  })
  manager.handle(upload, async function* (payload, _requests, { signal }) {
    await untilAborted(signal)
    yield payload
  })
  const download = streaming<Uint8Array, never, Uint8Array>('download', { ...raw, inCapacity: 0 })
  manager.handle(download, async function* () {
    for (;;) yield Buffer.alloc(downloadBytes)
  })
  manager.attach(server)
  return { is: 'started', url, attackers, honest }
}

function call(count: number): FromVictim {
  for (const connection of manager?.connections ?? []) {
    if (connection.state !== 'connected') continue
    for (let i = 0; i < count; i++) {
      connection.newStream('peer.stream', new Uint8Array(1))
      connection.request('peer.single', new Uint8Array(1), { timeout: Number.POSITIVE_INFINITY }).catch(() => {})
    }
  }
  return { is: 'called' }
}

async function measure(): Promise<{ is: 'measured' } & Held> {
  let [heapBytes, externalBytes] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  // What is held is there each time. Between them a flood leaves garbage, and buffers are freed some time after it.
  for (let i = 0; i < 4; i++) {
    globalThis.gc?.()
    heapBytes = Math.min(heapBytes, process.memoryUsage().heapUsed)
    await delay(20)
    externalBytes = Math.min(externalBytes, process.memoryUsage().external)
  }
  const sums = { sessions: 0, inboundStreams: 0, outboundStreams: 0, runningHandlers: 0 }
  const stats = manager?.stats()
  for (const { session } of stats?.connections ?? []) {
    if (session === undefined) continue
    sums.sessions++
    sums.inboundStreams += session.inboundStreams
    sums.outboundStreams += session.outboundStreams
    sums.runningHandlers += session.runningHandlers
  }
  const { bytesIn = 0, messagesIn = 0, refusals = 0 } = stats?.totals ?? {}
  const totals = { bytesIn, messagesIn, refusals }
  return { is: 'measured', heapBytes, externalBytes, ...sums, ...totals }
}

process.on('message', async (message: ToVictim) => {
  if (message.is === 'start') process.send?.(await start(message.attackers, message.honest, message.limits))
  else if (message.is === 'call') process.send?.(call(message.count))
  else process.send?.(await measure())
})
process.on('disconnect', () => process.exit())
