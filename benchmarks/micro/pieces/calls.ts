/** Whole calls between two managers over an in-memory conn: both ends, everything but the socket. */

import type {
  CallOptions,
  Connection,
  GridStream,
  HandlerContext,
  Manager,
  ManagerOptions,
  StreamingDefinition
} from '../../../lib/index.ts'
import { atOnce, times } from '../../harness/callers.ts'
import type { Library } from '../../harness/library.ts'
import { type Piece, piece, type Run } from '../../harness/pieces/piece.ts'
import { struct } from './codecs.ts'
import { producersOf } from './halves.ts'

const payload = new Uint8Array(512).fill(7)
const { plain, awaited } = producersOf(payload)

/** The connection of one manager to another, whose handlers are registered by `serve` before they connect. */
async function pair(
  library: Library,
  serve: (responder: Manager) => void,
  options: Pick<ManagerOptions, 'checksum' | 'interceptors'> = {}
): Promise<Connection> {
  const { dialerOf, insecure, Manager, memoryPair, silentLogger } = await library('index')
  const names = ['http://a:1', 'http://b:1']
  const [dialing, accepting] = dialerOf(names[0] as string, names[1] as string) === names[0] ? names : names.reverse()
  const common: Omit<ManagerOptions, 'local'> = {
    hosts: names,
    auth: insecure(),
    logger: silentLogger,
    checksum: false,
    // A slow machine would count more pings of all pairs that there are in the process.
    keepAlive: { intervalMs: 600_000 },
    ...options
  }
  const responder = new Manager({ ...common, local: accepting as string })
  serve(responder)
  const caller = new Manager({
    ...common,
    local: dialing as string,
    dialer: async () => {
      const [ours, theirs] = memoryPair()
      responder.incomingConn(theirs)
      return ours
    }
  })
  const peer = caller.connection(responder.local)
  await peer.waitForConnect()
  return peer
}

function checkBytes(answer: Uint8Array): void {
  if (answer.length !== payload.length || answer[511] !== 7) throw new Error('an answer differs from its request')
}

/** `count` requests of `callers` that each wait for their answer before they ask again. */
async function inParallel(count: number, callers: number, call: () => Promise<void>): Promise<void> {
  const goesOn = times(count)
  await atOnce(callers, async () => {
    while (goesOn()) await call()
  })
}

/** Takes the messages of a stream to its end, and counts them. */
async function takeAll(stream: AsyncIterable<Uint8Array>, count: number): Promise<void> {
  let received = 0
  for await (const message of stream) {
    checkBytes(message)
    received++
  }
  if (received !== count) throw new Error(`${received} messages arrived in place of ${count}`)
}

export async function bytesRequests(
  library: Library,
  callers: number,
  options?: Pick<ManagerOptions, 'checksum' | 'interceptors'>,
  callOptions?: CallOptions
): Promise<(count: number) => Promise<void>> {
  const peer = await pair(library, (responder) => responder.handle('echo', async (bytes) => bytes), options)
  const call = async () => checkBytes(await peer.request('echo', payload, callOptions))
  return (count) => inParallel(count, callers, call)
}

type Answer = (bytes: Uint8Array, context: HandlerContext) => Promise<Uint8Array>
type Ask = (options: CallOptions) => Promise<Uint8Array>

/** As `bytesRequests`, with a handler and a way to make a call of one's own. */
export async function requestsOf(
  library: Library,
  callers: number,
  answer: Answer,
  around: (ask: Ask) => Promise<Uint8Array>
): Promise<(count: number) => Promise<void>> {
  const peer = await pair(library, (responder) => responder.handle('echo', answer))
  const ask: Ask = (options) => peer.request('echo', payload, options)
  return (count) => inParallel(count, callers, async () => checkBytes(await around(ask)))
}

async function structRequests(library: Library, callers: number): Promise<Run> {
  const { single } = await library('index')
  const lock = single<typeof struct, { granted: boolean; ttlMs: number }>('lock')
  const peer = await pair(library, (responder) =>
    responder.handle(lock, async ({ shared, ttlMs }) => ({ granted: shared, ttlMs }))
  )
  const call = async () => {
    if ((await peer.request(lock, struct)).ttlMs !== struct.ttlMs) throw new Error('an answer differs')
  }
  return (count) => inParallel(count, callers, call)
}

type Download = StreamingDefinition<number, never, Uint8Array>

async function downloads(
  library: Library,
  respond: (count: number) => Iterable<Uint8Array> | AsyncIterable<Uint8Array>
) {
  const { bytes, streaming } = await library('index')
  const download: Download = streaming('download', { inCapacity: 0, response: bytes() })
  const peer = await pair(library, (responder) => responder.handle(download, respond))
  return (count: number) => takeAll(peer.newStream(download, count), count)
}

/** Gives pages of messages, and takes all that are there at once. */
async function pages(library: Library, length: number): Promise<Run> {
  const { bytes, many, streaming } = await library('index')
  const download: Download = streaming('download', { inCapacity: 0, response: bytes() })
  const page = new Array<Uint8Array>(length).fill(payload)
  const peer = await pair(library, (responder) =>
    responder.handle(download, async function* (count) {
      for (let left = count; left > 0; left -= length) yield many(left < length ? page.slice(0, left) : page)
    })
  )
  return async (count) => {
    let received = 0
    for await (const messages of peer.newStream(download, count).batches()) {
      for (const message of messages) checkBytes(message)
      received += messages.length
    }
    if (received !== count) throw new Error(`${received} messages arrived in place of ${count}`)
  }
}

/** The handler throws the same error each time, so that it is made once. */
async function failures(library: Library): Promise<Run> {
  const failure = new Error('always')
  const peer = await pair(library, (responder) =>
    responder.handle('fail', () => {
      throw failure
    })
  )
  const call = async () => {
    const error = await peer.request('fail', payload).catch((error: unknown) => error)
    if ((error as Error).message !== failure.message) throw new Error('an answer in place of the error')
  }
  return (count) => inParallel(count, 64, call)
}

/** Whole streams of one response, and of one request if the handler echoes it, of 64 callers. */
async function streams(library: Library, echoes: boolean): Promise<Run> {
  const { bytes, streaming } = await library('index')
  const definition = streaming<void, Uint8Array, Uint8Array>('short', { request: bytes(), response: bytes() })
  const answer = [payload]
  const peer = await pair(library, (responder) =>
    responder.handle(definition, (_none, requests) => (echoes ? requests : answer))
  )
  const call = async () => {
    const stream = peer.newStream(definition)
    if (echoes) stream.sink(answer)
    await takeAll(stream, 1)
  }
  return (count) => inParallel(count, 64, call)
}

/** Sends ahead as far as the window lets it, and takes what comes back. */
async function echoes(library: Library): Promise<Run> {
  const { bytes, streaming } = await library('index')
  const echo = streaming<void, Uint8Array, Uint8Array>('echo', { request: bytes(), response: bytes() })
  const peer = await pair(library, (responder) => responder.handle(echo, (_none, requests) => requests))
  return async (count) => {
    const stream: GridStream<Uint8Array, Uint8Array> = peer.newStream(echo)
    const sent = stream.sink(plain(count))
    await takeAll(stream, count)
    await sent
  }
}

/** How requests go into a stream by hand. */
type Uploading = (stream: GridStream<Uint8Array, never>, count: number) => Promise<void> | void

async function uploads(library: Library, upload: Uploading): Promise<Run> {
  const { bytes, streaming } = await library('index')
  const definition = streaming<number, Uint8Array, never>('upload', { request: bytes(), outCapacity: 0 })
  const peer = await pair(library, (responder) =>
    responder.handle(definition, (count, requests) => takeAll(requests, count))
  )
  return async (count) => {
    const stream = peer.newStream(definition, count)
    await upload(stream, count)
    stream.requests.end()
    // Waits for the handler, and throws what it threw.
    for await (const _ of stream);
  }
}

async function send(stream: GridStream<Uint8Array, never>, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await stream.send(payload)
}

const generator = 'a response of 512 B from an async generator to a `for await`'
const sending = 'a request of 512 B by `await stream.send` to a `for await` of the handler'

export const calls: readonly Piece[] = [
  piece('request-1', 'a request of 512 B echoed, one after the other', (library) => bytesRequests(library, 1)),
  piece('request-64', 'a request of 512 B echoed, 64 callers', (library) => bytesRequests(library, 64)),
  piece('request-64-checksum', 'the same with the checksum of a plaintext conn', (library) =>
    bytesRequests(library, 64, { checksum: true })
  ),
  piece('request-64-struct', 'a typed request, small structs both ways, 64 callers', (library) =>
    structRequests(library, 64)
  ),
  piece('request-64-failed', 'a request of 512 B whose handler throws, 64 callers', failures),
  piece('stream-message', generator, (library) => downloads(library, awaited)),
  piece('stream-message-plain', 'the same from a plain generator', (library) => downloads(library, plain)),
  piece('stream-batches', 'the same by `yield many` of 64 of them to a `for await` of batches', (library) =>
    pages(library, 64)
  ),
  piece('stream-send', sending, (library) => uploads(library, send)),
  piece('stream-sink', 'the same by `stream.sink` of a plain generator', (library) =>
    uploads(library, (stream, count) => stream.sink(plain(count)))
  ),
  piece('stream-echo', 'a message of 512 B there and back on a two-way stream', echoes),
  piece('streams-64', 'a whole stream of one response, whose handler leaves the requests, 64 callers', (library) =>
    streams(library, false)
  ),
  piece('streams-64-echo', 'a whole stream of one request and its echo', (library) => streams(library, true))
]
