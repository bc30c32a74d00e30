/** Servers on a free port of loopback, and what contestants over streams of Node share. */

import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import type { Readable } from 'node:stream'

/** In ms. Between its turns a contestant idles for seconds; none of the others has to connect anew then. */
export const keepAliveTimeout = 600_000

/** Listens; returns the origin. */
export async function listen(server: Server): Promise<string> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** The server side of contestants over HTTP/1.1. */
export async function listenHttp(respond: RequestListener): Promise<string> {
  return await listen(createServer({ keepAliveTimeout }, respond))
}

/** Resolves at the end of a stream whose pieces `take` was given; by events, for `for await` costs several times as much. */
export function ended(stream: Readable, take: (piece: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.on('data', take).once('end', resolve).once('error', reject)
  })
}

/** The whole body of an HTTP message. */
export function whole(stream: Readable): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = []
    stream.on('data', (piece: Buffer) => pieces.push(piece)).once('error', reject)
    stream.once('end', () => resolve(pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)))
  })
}
