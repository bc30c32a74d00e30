/** The floor: a bare `ws` echo, one WebSocket message per payload, nothing else: no ids, no deadlines, no batching. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocket, WebSocketServer } from 'ws'
import type { ClientSide, Contestant, ServerSide } from '../contestant.ts'

/** First byte of a message that asks for a stream; anything else is echoed. */
const stream = 1

async function listen(): Promise<ServerSide> {
  const http = createServer().listen(0, '127.0.0.1')
  await once(http, 'listening')
  const server = new WebSocketServer({ server: http, perMessageDeflate: false })
  server.on('connection', (ws) => {
    ws.on('message', (data: Buffer) => {
      if (data[0] === stream) pushAll(ws, data.readUInt32LE(1), data.readUInt32LE(5))
      else ws.send(data)
    })
  })
  return {
    address: `ws://127.0.0.1:${(http.address() as AddressInfo).port}`,
    close: async () => {
      for (const ws of server.clients) ws.terminate()
      http.close()
    }
  }
}

/** Sends while the socket takes it, as a careful user of `ws` does. */
function pushAll(ws: WebSocket, count: number, bytes: number): void {
  const message = Buffer.alloc(bytes, 7)
  let sent = 0
  const push = () => {
    while (sent < count) {
      sent++
      if (ws.bufferedAmount > 128 * 1024) return ws.send(message, push)
      ws.send(message)
    }
  }
  push()
}

async function connect(address: string): Promise<ClientSide> {
  const ws = new WebSocket(address, { perMessageDeflate: false })
  await once(ws, 'open')
  const waiting: ((data: Buffer) => void)[] = []
  let head = 0
  let onMessage: ((data: Buffer) => void) | undefined
  ws.on('message', (data: Buffer) => {
    if (onMessage !== undefined) return onMessage(data)
    const resolve = waiting[head++] as (data: Buffer) => void
    if (head === waiting.length) {
      waiting.length = 0
      head = 0
    }
    resolve(data)
  })
  return {
    request: (payload) =>
      new Promise((resolve) => {
        waiting.push(resolve)
        ws.send(payload)
      }),
    stream: (count, bytes, take) =>
      new Promise((resolve) => {
        let got = 0
        onMessage = (data) => {
          take(data)
          if (++got < count) return
          onMessage = undefined
          resolve()
        }
        const ask = Buffer.alloc(9)
        ask[0] = stream
        ask.writeUInt32LE(count, 1)
        ask.writeUInt32LE(bytes, 5)
        ws.send(ask)
      }),
    close: async () => ws.terminate()
  }
}

export const contestant: Contestant = { name: 'ws', listen, connect }
