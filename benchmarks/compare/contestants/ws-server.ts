/** The listening side that the contestants over `ws` share: one HTTP server on loopback. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import type { ServerSide } from '../contestant.ts'

/** Bytes that may wait in a socket before a sender does: the default high-water mark of it-grid. */
export const highWaterMarkBytes = 128 * 1024

export async function listenWebSocket(onConnection: (ws: WebSocket) => void): Promise<ServerSide> {
  const http = createServer().listen(0, '127.0.0.1')
  await once(http, 'listening')
  const server = new WebSocketServer({ server: http, perMessageDeflate: false })
  server.on('connection', onConnection)
  return {
    address: `ws://127.0.0.1:${(http.address() as AddressInfo).port}`,
    close: () => {
      for (const ws of server.clients) ws.terminate()
      http.close()
    }
  }
}
