/**
 * One of two servers that call each other over a network that is cut, on an address of its own. It numbers the entries
 * that it sends to the other one, and keeps what became of each; it tells each state of its connection.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { type ConnectionState, DisconnectedError, type GridError, single, streaming } from '../../lib/index.ts'
import { given, obey, tell } from '../support/process/obey.ts'
import { startServer } from '../support/process/server.ts'

export interface NamespaceServerInit {
  readonly local: string
  readonly remote: string
  readonly intervalMs: number
}

export type NamespaceServerWords = typeof words

const hold = single<void, void>('hold')
const entry = single<number, number>('entry')
const count = streaming<void, never, number>('count', { inCapacity: 0, outCapacity: 8 })
const endless = { timeout: Number.POSITIVE_INFINITY }

const { local, remote, intervalMs } = given<NamespaceServerInit>()
const { hostname: address, port } = new URL(local)
const { manager, words: serverWords } = startServer(
  { local, hosts: [local, remote], address, port: Number(port) },
  {
    keepAlive: { intervalMs },
    limits: { handshakeTimeoutMs: intervalMs },
    reconnect: { firstDelayMs: 10, baseDelayMs: 50, maxDelayMs: 200 }
  }
)
const connection = manager.connection(remote)
/** The entries that have come from the other one, in the order in which they came. */
const received: number[] = []
/** What became of each entry that was sent. */
const sent: Record<number, string> = {}
/** Since it began to record; times are of `Date.now()`. */
const states: { readonly state: ConnectionState; readonly atMs: number }[] = []
/** Calls that had no deadline and should never have ended: what they ended with, and when. */
const ended: { readonly what: string; readonly outcome: string; readonly atMs: number }[] = []
/** How many calls have not ended. */
let pending = 0
let serial = 0
let recording = false

connection.on('state', ({ state }) => {
  states.push({ state, atMs: Date.now() })
  tell(state)
})
manager.handle(hold, (_, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())))
manager.handle(count, async function* () {
  for (let n = 0; ; n++) {
    yield n
    await delay(5)
  }
})
manager.handle(entry, (number) => {
  received.push(number)
  return number
})

async function watch(what: string, call: Promise<unknown>): Promise<void> {
  pending++
  const outcome = await call.then(
    () => 'a quiet end',
    (error: GridError) => `${error.delivery} ${error instanceof DisconnectedError ? error.reason : error.code}`
  )
  pending--
  ended.push({ what, outcome, atMs: Date.now() })
}

async function readAll(): Promise<void> {
  let next = 0
  for await (const value of connection.newStream(count)) {
    if (value !== next++) throw new Error(`${value} in place of ${next - 1}`)
  }
}

/** One entry after the other, without a deadline: only the end of its conn can end one that is lost. */
async function recordEntries(): Promise<void> {
  while (recording) {
    const number = ++serial
    pending++
    try {
      const answer = await connection.request(entry, number, endless)
      sent[number] = answer === number ? 'ran' : `wrong answer ${answer}`
    } catch (error) {
      sent[number] = (error as GridError).delivery ?? String(error)
    }
    pending--
    await delay(2)
  }
}

const words = {
  ...serverWords,
  /** Begins calls that never end, and to send entries. */
  record() {
    states.length = ended.length = 0
    for (let n = 0; n < 3; n++) void watch('request', connection.request(hold, undefined, endless))
    void watch('stream', readAll())
    recording = true
    void recordEntries()
  },
  stopRecording() {
    recording = false
  },
  report: () => ({ states, ended, pending, sent, received })
}
obey(words)
