/**
 * A conversation of two managers in memory, as it went over the wire: what a fuzzer starts from.
 *
 * Every kind of frame is in it, with every flag that good peers use, and the five messages of the handshake.
 */

import { setImmediate as turn } from 'node:timers/promises'
import { bytes, type Connection, type Manager, type MemoryConn, memoryPair, streaming } from '../../../lib/index.ts'
import { encodeHello, helloKinds } from '../../../lib/peer/hello.ts'
import { namesInOrder, testManager } from '../grid/manager.ts'
import { rejection } from '../grid/servers.ts'
import { until } from '../until.ts'

const small = Buffer.from('a small payload')
const large = Buffer.alloc(200_000, 'a large payload ')

/** HELLO, CHALLENGE, PROOF, ACCEPT, REJECT; and the batches of both ends, without checksum. */
export async function recordConversation() {
  const conns: MemoryConn[] = []
  const hosts = namesInOrder()
  const listener = testManager({ hosts, local: hosts[1] })
  const dialer = testManager({
    ...{ hosts, local: hosts[0] },
    async dialer() {
      const [mine, theirs] = memoryPair({ log: true })
      conns.push(mine, theirs)
      listener.incomingConn(theirs)
      return mine
    }
  })
  for (const manager of [dialer, listener]) addHandlers(manager)
  const there = dialer.connection(hosts[1])
  const back = listener.connection(hosts[0])
  try {
    await Promise.all([there.waitForConnect(), back.waitForConnect()])
    dialer.handle('late', (payload) => payload)
    for (const connection of [there, back]) await talk(connection)
  } finally {
    await dialer.close()
    await listener.close()
  }
  const [[hello, proof, ...fromDialer], [challenge, accept, ...fromListener]] = conns.map(({ link }) => link.sent) as [
    Uint8Array[],
    Uint8Array[]
  ]
  const reject = encodeHello(helloKinds.reject, { reason: 'busy', message: 'too much', proof: new Uint8Array(32) })
  const handshake = [hello, challenge, proof, accept, reject].filter((message) => message !== undefined)
  return { handshake, batches: [...fromDialer, ...fromListener] }
}

function addHandlers(manager: Manager): void {
  manager.handle('echo', (payload) => payload)
  manager.handle('fail', () => {
    throw Object.assign(new RangeError('it failed'), { code: 'E_FAILED', details: { at: 7, where: ['here'] } })
  })
  manager.handle('stuck', async (payload, { signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    return payload
  })
  const raw = { payload: bytes(), request: bytes(), response: bytes() }
  const chat = streaming<Uint8Array, Uint8Array, Uint8Array>('chat', { ...raw, inCapacity: 2, outCapacity: 2 })
  manager.handle(chat, async function* (payload, requests) {
    yield payload
    yield* requests
  })
}

async function talk(peer: Connection): Promise<void> {
  await peer.request('echo', small, { metadata: { trace: '7f', sampled: true } })
  await peer.request('echo', large)
  await rejection(peer.request('fail'))
  await rejection(peer.request('stuck', small, { timeout: 5 }))
  const cancel = new AbortController()
  const cancelled = rejection(peer.request('stuck', small, { signal: cancel.signal }))
  await turn()
  cancel.abort()
  await cancelled
  const stream = peer.newStream('chat', small)
  for (let i = 0; i < 9; i++) stream.requests.push(i === 4 ? large : small)
  stream.requests.end()
  for await (const _ of stream);
  const broken = peer.newStream('chat', small)
  for await (const _ of broken) break
  await broken.closed
  await until(() => peer.stats().session?.outboundStreams === 0, 'nothing is open')
}
