/** Finds what this runtime lacks, and prints it as JSON: what of it-grid does not work, with the reason. */

import { once } from 'node:events'
import { createServer as createPlainServer } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocket, WebSocketServer } from 'ws'
import { connectWS, dialerOf, Manager, mutualTLS, silentLogger, single } from '../../../lib/index.ts'
import { makeAuthority } from '../../support/network/certificates.ts'

const lacks: Record<string, string> = {}

/** One server that dials and one that is dialed, each with a certificate of one authority. */
async function probeMutualTLS(): Promise<void> {
  const authority = await makeAuthority('probe')
  const tlsOf = async (name: string) => ({ ...(await authority.issue([name])), ca: authority.cert })
  const server = createServer({ ...(await tlsOf('localhost')), requestCert: true })
  await once(server.listen(0, 'localhost'), 'listening')
  const listening = `https://localhost:${(server.address() as AddressInfo).port}`
  const names = Array.from({ length: 64 }, (_, n) => `https://dialer-${n}.test:9000`)
  const dialing = names.find((name) => dialerOf(name, listening) === name) ?? ''
  const ping = single<void, string>('ping')
  const common = { hosts: [listening, dialing], auth: mutualTLS(), logger: silentLogger }
  const waits = new Manager({ ...common, local: listening })
  waits.handle(ping, () => 'pong')
  waits.attach(server)
  const dialer = connectWS({ tls: await tlsOf(new URL(dialing).hostname) })
  const dials = new Manager({ ...common, local: dialing, dialer })
  const peer = dials.connection(listening)
  try {
    await peer.request(ping, undefined, { waitForReady: true, timeout: 5000 })
  } catch (error) {
    lacks.mutualTLS = String(peer.lastError?.message ?? error)
  }
  await Promise.all([dials.close({ timeout: 0 }), waits.close({ timeout: 0 })])
  server.close()
}

/** Whether the bytes of a WebSocket can be counted as they arrive, at each end of it. */
async function probeCounting(): Promise<void> {
  const server = createPlainServer()
  const sockets = new WebSocketServer({ noServer: true })
  const seen = { listener: 0, dialer: 0 }
  const count = (socket: Duplex | null, end: keyof typeof seen) => {
    socket?.on('data', (chunk: Buffer) => {
      seen[end] += chunk.length
    })
  }
  server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (ws) => {
      count(socket, 'listener')
      ws.on('message', (data) => ws.send(data))
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const ws = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
  ws.on('upgrade', (response) => count(response.socket, 'dialer'))
  await once(ws, 'open')
  ws.send(Buffer.alloc(1000))
  await once(ws, 'message')
  for (const [end, bytes] of Object.entries(seen)) {
    if (bytes < 1000)
      lacks[`bytesAtThe${end === 'dialer' ? 'Dialer' : 'Listener'}`] = `the socket shows ${bytes} bytes of 1000`
  }
  ws.terminate()
  sockets.close()
  server.close()
}

await probeMutualTLS()
await probeCounting()
console.log(JSON.stringify(lacks))
process.exit(0)
