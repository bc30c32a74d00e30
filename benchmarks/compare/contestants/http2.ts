/**
 * `node:http2` without TLS (h2c), one session. A request is a POST; a stream is the body of one.
 *
 * Such streams carry bytes and forget where a message ends: what is counted is bytes divided by the size of a message,
 * so the framing that all others do is spared here. Streams respect `write()` and `drain`. Once with the windows that
 * HTTP/2 begins with, 64 KiB, and once with wide ones: many and large messages get faster, small requests beside them wait.
 */

import { once } from 'node:events'
import { type ClientHttp2Stream, connect as connectHttp2, createServer, type ServerHttp2Stream } from 'node:http2'
import type { Contestant } from '../../harness/contest/contestant.ts'
import { ended, listen as listenOn, whole } from '../../harness/http.ts'
import { type ClientSide, type Contestants, each, type StreamPlan } from '../contestant.ts'
import { writeAll } from '../push.ts'

/** Bytes that may be under way on a stream, and on the session. */
interface Windows {
  readonly stream: number
  readonly session: number
}

async function listen(windows?: Windows): Promise<string> {
  const server = createServer(settingsOf(windows))
  if (windows !== undefined) server.on('session', (session) => session.setLocalWindowSize(windows.session))
  server.on('stream', (stream, headers) => {
    if (headers[':path'] === '/echo') answer(stream)
    else if (headers[':path'] === '/push') push(stream)
    else echo(stream)
  })
  return await listenOn(server)
}

async function answer(stream: ServerHttp2Stream): Promise<void> {
  const body = await whole(stream)
  stream.respond()
  stream.end(body)
}

async function push(stream: ServerHttp2Stream): Promise<void> {
  const plan = JSON.parse((await whole(stream)).toString()) as StreamPlan
  stream.respond()
  writeAll(stream, plan)
}

function echo(stream: ServerHttp2Stream): void {
  stream.respond()
  stream.pipe(stream)
}

async function connect(address: string, windows?: Windows): Promise<ClientSide> {
  const session = connectHttp2(address, settingsOf(windows))
  await once(session, 'connect')
  if (windows !== undefined) session.setLocalWindowSize(windows.session)
  const post = (path: string): ClientHttp2Stream => session.request({ ':method': 'POST', ':path': path })
  return {
    streamsBytes: true,
    request(payload) {
      const stream = post('/echo')
      stream.end(payload)
      return whole(stream)
    },
    serverStreams: each((plan, take) => {
      const stream = post('/push')
      stream.end(JSON.stringify(plan))
      return ended(stream, take)
    }),
    echoStreams: each((plan, take) => {
      const stream = post('/echo-stream')
      writeAll(stream, plan)
      return ended(stream, take)
    })
  }
}

function settingsOf(windows: Windows | undefined) {
  return windows === undefined ? {} : { settings: { initialWindowSize: windows.stream } }
}

function make(windows?: Windows): Contestant<ClientSide> {
  const version = process.versions.node
  return { version, listen: () => listen(windows), connect: (address) => connect(address, windows) }
}

export const contestants: Contestants = {
  http2: make(),
  'http2-wide': make({ stream: 1024 * 1024, session: 4 * 1024 * 1024 })
}
