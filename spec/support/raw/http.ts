/**
 * An HTTP client that sends exact bytes, for what no proper client would send.
 */

import { once } from 'node:events'
import type { Server } from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { subprotocol } from '../../../lib/errors/options.ts'

export async function listening(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return (server.address() as AddressInfo).port
}

/** A whole upgrade request; `headers` are added to the right ones, or replace them; `undefined` takes one away. */
export function upgradeHead(path: string, headers: Record<string, string | undefined> = {}, method = 'GET'): string {
  const all: Record<string, string | undefined> = {
    Host: 'node-1',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Protocol': subprotocol,
    ...headers
  }
  const lines = Object.entries(all).filter(([, value]) => value !== undefined)
  return [`${method} ${path} HTTP/1.1`, ...lines.map(([name, value]) => `${name}: ${value}`), '', ''].join('\r\n')
}

export interface RawResponse {
  status: number
  head: string
  body: string
}

/** A socket on which nothing is sent yet. An error is an end: a refused socket may be reset. */
export async function rawSocket(port: number): Promise<net.Socket> {
  const socket = net.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.on('error', () => socket.destroy())
  return socket
}

/** Sends `text` and takes what comes until the remote end closes. */
export async function rawExchange(port: number, text: string): Promise<RawResponse> {
  const socket = await rawSocket(port)
  socket.write(text)
  let all = ''
  for await (const chunk of socket) all += chunk
  return parsed(all)
}

export function parsed(text: string): RawResponse {
  const split = text.indexOf('\r\n\r\n')
  const head = text.slice(0, split)
  return { status: Number(head.split(' ')[1]), head, body: text.slice(split + 4) }
}
