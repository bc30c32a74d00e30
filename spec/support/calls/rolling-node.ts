/**
 * A server of rolling restarts: it answers calls and makes them on all others, as a service does that nobody may miss. It makes
 * a call again only where that was certainly not sent, ends its feeds when it closes, and goes on with those of others.
 */

import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { bytes, type Connection, GridError, single, streaming } from '../../../lib/index.ts'
import { errorStack } from '../errors.ts'
import { given, obey, tell } from '../process/obey.ts'
import { type ServerInit, startServer } from '../process/server.ts'
import { randomFrom, wholeBelow } from '../random.ts'
import { until } from '../until.ts'

export interface RollingNodeInit extends ServerInit {
  readonly seed: number
  /** Calls of each kind that go on at the same time at each other server. */
  readonly workers: number
  /** What a shutdown may take. */
  readonly graceMs: number
}

/** What it tells by itself: what is not as it must be. */
export type RollingReport = string
export type RollingWords = typeof words

/** The longest that a call takes, but for feeds, which have no end. */
export const maxWorkMs = 40
const pauseMs = 3

const work = single<{ id: number; ms: number }, number>('work')
const large = single<Uint8Array, Uint8Array>('large', { request: bytes(), response: bytes() })
const feed = streaming<{ from: number }, never, number>('feed', { inCapacity: 0, outCapacity: 4 })
const echo = streaming<void, number, number>('echo', { inCapacity: 4, outCapacity: 4 })

const { seed, workers, graceMs, ...init } = given<RollingNodeInit>()
const { manager, server, words: serverWords } = startServer(init)
const random = randomFrom(seed)
/**
 * Requests that were answered, and calls that had to be made again; items of feeds that were read, feeds that were opened
 * for that, and requests that came back on two-way streams.
 */
const counts = { requests: 0, again: 0, items: 0, feeds: 0, echoes: 0 }
/** What each worker has done, so that none is forgotten. */
const progress: number[] = []
const working: Promise<void>[] = []
let isClosing = false

manager.handle(work, async ({ id, ms }) => {
  await delay(ms)
  return id
})
manager.handle(large, (payload) => payload)
manager.handle(feed, async function* ({ from }, _requests, { draining, signal }) {
  const over = AbortSignal.any([draining, signal])
  for (let at = from; !over.aborted; at++) {
    yield at
    await delay(1, undefined, { signal: over }).catch(() => undefined)
  }
})
manager.handle(echo, (_payload, requests) => requests)

async function request(peer: Connection): Promise<void> {
  const id = wholeBelow(random, 1e9)
  const answer = await peer.request(work, { id, ms: random() * maxWorkMs }, { waitForReady: true })
  if (answer !== id) throw new Error(`it answered ${answer}, not ${id}`)
  counts.requests++
}

/** In several fragments each way. */
async function requestLarge(peer: Connection): Promise<void> {
  const payload = Buffer.alloc(wholeBelow(random, 300_000), 7)
  const answer = await peer.request(large, payload, { waitForReady: true })
  if (!payload.equals(answer)) throw new Error(`${payload.length} bytes came back as ${answer.length} or others`)
  counts.requests++
}

/** A feed that is read item by item, without a gap, for as long as this server lives. */
function follower(): (peer: Connection, onItem: () => void) => Promise<void> {
  let from = 0
  return async function follow(peer, onItem) {
    counts.feeds++
    for await (const at of peer.newStream(feed, { from }, { waitForReady: true })) {
      if (at !== from) throw new Error(`item ${at} came, not ${from}`)
      from++
      counts.items++
      onItem()
    }
  }
}

/** Sends requests until the conn closes, or enough of them: all come back. */
async function talk(peer: Connection): Promise<void> {
  const stream = peer.newStream(echo, undefined, { waitForReady: true })
  let sent = 0
  const sending = async () => {
    while (sent < 100 && !stream.draining.aborted) {
      await stream.send(sent)
      sent++
      await delay(1)
    }
    stream.requests.end()
  }
  // What ends it is thrown by the responses.
  const done = sending().catch(() => undefined)
  let got = 0
  for await (const n of stream) if (n !== got++) throw new Error(`${n} came back, not ${got - 1}`)
  await done
  if (got !== sent) throw new Error(`${got} of ${sent} requests came back`)
  counts.echoes += got
}

/** Does `act` on `peer` over and over. A call that was not sent is made again. */
async function repeat(peer: Connection, act: (peer: Connection, onItem: () => void) => Promise<void>): Promise<void> {
  const worker = progress.push(0) - 1
  const onDone = () => {
    progress[worker] = (progress[worker] ?? 0) + 1
  }
  while (!isClosing) {
    try {
      await act(peer, onDone)
      onDone()
    } catch (error) {
      if (!(error instanceof GridError && error.delivery === 'notSent')) {
        return tell(`${act.name} of ${init.local} at ${peer.host}: ${errorStack(error)}`)
      }
      counts.again++
    }
    await delay(random() * pauseMs)
  }
}

const words = {
  ...serverWords,
  go() {
    for (const peer of manager.connections) {
      for (let n = 0; n < workers; n++) {
        working.push(repeat(peer, request), repeat(peer, requestLarge), repeat(peer, talk), repeat(peer, follower()))
      }
    }
  },
  /** Resolves when each of its calls has made progress. */
  async more() {
    const before = [...progress]
    await until(() => before.every((done, worker) => (progress[worker] ?? 0) > done), 'each call goes on', 30_000)
  },
  async close() {
    const startedMs = performance.now()
    isClosing = true
    await manager.close({ timeout: graceMs })
    const tookMs = performance.now() - startedMs
    await Promise.all(working)
    server.close()
    await once(server, 'close')
    return { tookMs, counts }
  }
}
obey(words)
