/**
 * One of two servers that call each other over a network that is cut: a manager on an HTTP server on an address of its
 * own. It numbers the entries that it sends to the other one, and keeps what became of each; and tells, when asked, what
 * it saw.
 */

import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type ConnectionState,
  DisconnectedError,
  type GridError,
  Manager,
  sharedSecret,
  silentLogger,
  single,
  streaming
} from '../../../lib/index.ts'

export interface NamespaceServerInit {
  readonly local: string
  readonly remote: string
  readonly intervalMs: number
}

/** What the spec says to it. */
export type NamespaceServerWord = 'hold' | 'record' | 'report' | 'close'

/** What it saw since the last report; times are of `Date.now()`. */
export interface NamespaceServerReport {
  readonly states: readonly { readonly state: ConnectionState; readonly atMs: number; readonly reason?: string }[]
  /** Calls that had no deadline and should never have ended: what they ended with, and when. */
  readonly ended: readonly { readonly what: string; readonly outcome: string; readonly atMs: number }[]
  /** How many calls have not ended. */
  readonly pending: number
  /** What became of each entry that was sent. */
  readonly sent: Readonly<Record<number, string>>
  /** The entries that have come from the other one, in the order in which they came. */
  readonly received: readonly number[]
}

const hold = single<void, void>('hold')
const entry = single<number, number>('entry')
const count = streaming<void, never, number>('count', { inCapacity: 0, outCapacity: 8 })

const { local, remote, intervalMs }: NamespaceServerInit = JSON.parse(process.argv[2] ?? '')
const server = createServer()
const manager = new Manager({
  local,
  hosts: [local, remote],
  auth: sharedSecret('a secret of the specs'),
  logger: silentLogger,
  keepAlive: { intervalMs },
  limits: { handshakeTimeoutMs: intervalMs },
  reconnect: { firstDelayMs: 10, baseDelayMs: 50, maxDelayMs: 200 }
})
const connection = manager.connection(remote)
const received: number[] = []
const sent: Record<number, string> = {}
let states: NamespaceServerReport['states'][number][] = []
let ended: NamespaceServerReport['ended'][number][] = []
let pending = 0
let serial = 0
let recording = false

connection.on('state', ({ state, reason }) => {
  states.push({ state, atMs: Date.now(), ...(reason === undefined ? {} : { reason }) })
  process.send?.(state)
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
manager.attach(server)
server.listen(Number(new URL(local).port), new URL(local).hostname, () => process.send?.('listening'))

function watch(what: string, call: Promise<unknown>): void {
  pending++
  call.then(
    () => settle(what, 'a quiet end'),
    (error) => settle(what, outcomeOf(error))
  )
}

function settle(what: string, outcome: string): void {
  pending--
  ended.push({ what, outcome, atMs: Date.now() })
}

function outcomeOf(error: GridError): string {
  return error instanceof DisconnectedError ? `${error.delivery} ${error.reason}` : `${error.delivery} ${error.code}`
}

async function readAll(): Promise<void> {
  let next = 0
  for await (const value of connection.newStream(count)) {
    if (value !== next++) throw new Error(`${value} in place of ${next - 1}`)
  }
}

/** One entry after the other, without a deadline: only the end of its conn can end one that is lost. */
async function record(): Promise<void> {
  recording = true
  while (recording) {
    const number = ++serial
    pending++
    try {
      const answer = await connection.request(entry, number, { timeout: Number.POSITIVE_INFINITY })
      sent[number] = answer === number ? 'ran' : `wrong answer ${answer}`
    } catch (error) {
      sent[number] = (error as GridError).delivery ?? String(error)
    }
    pending--
    await delay(2)
  }
}

// Whoever started it is gone, or it was told to close.
process.on('disconnect', () => {
  if (connection.state !== 'closed') process.exit(1)
})
process.on('message', async (word: NamespaceServerWord) => {
  if (word === 'hold') {
    for (let n = 0; n < 3; n++)
      watch('request', connection.request(hold, undefined, { timeout: Number.POSITIVE_INFINITY }))
    watch('stream', readAll())
  } else if (word === 'record') {
    if (recording) recording = false
    else await record()
  } else if (word === 'report') {
    const report: NamespaceServerReport = { states, ended, pending, sent, received }
    process.send?.(report)
    states = []
    ended = []
  } else {
    await manager.close({ timeout: 100 })
    server.close()
    process.disconnect()
  }
})
