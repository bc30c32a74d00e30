/**
 * A server process that closes its manager in a situation of the spec's choice, and then has nothing left to live for.
 *
 * It treats alike the peers that it dials and those that dial it, and tells what it sees. It never ends itself.
 */

import type { GridError, HandlerContext } from '../../lib/index.ts'
import { Gate } from '../support/gate.ts'
import { given, obey, tell } from '../support/process/obey.ts'
import { startServer } from '../support/process/server.ts'
import { until } from '../support/until.ts'
import { type ClosingServerEvent, type ClosingServerInit, closeNow, hold, tenfold } from './closing.ts'

export type Situation = keyof typeof unconnected | keyof typeof connected

/** What it does before it has connected. */
const unconnected = {
  beforeConnecting: close,

  /** Its dial gets no answer, and who dials it says nothing. */
  async connecting() {
    await until(() => manager.stats().pendingHandshakes > 0, 'a conn shakes hands')
    await until(() => connections.some(({ state }) => state === 'connecting'), 'it dials')
    await close()
  },

  async waiting() {
    await until(() => connections.every(({ state }) => state === 'waiting'), 'no dial succeeds')
    await close()
  }
}

/** What it does once it is connected. */
const connected = {
  idle: close,

  async requests() {
    const own = connections.map((connection) => outcomeOf(connection.request(hold)))
    await called(1)
    const closed = close()
    report({ event: 'ownCalls', outcomes: await Promise.all(own) })
    answered.open()
    await closed
  },

  async streams() {
    const own = connections.map((connection) => connection.newStream(tenfold))
    for (const stream of own) stream.requests.push(1)
    for (const stream of own) await stream.responses.next()
    await called(1)
    const closed = close()
    for (const stream of own) stream.requests.push(2).push(3).end()
    report({ event: 'ownCalls', outcomes: await Promise.all(own.map((stream) => outcomeOf(all(stream)))) })
    await closed
  },

  /** Neither its own calls nor those of its peers ever end. */
  async hanging() {
    const own = connections.flatMap((connection) => [
      outcomeOf(connection.request(hold)),
      outcomeOf(all(connection.newStream(tenfold)))
    ])
    await called(2)
    await closeOver(own)
  },

  /** From a word on, the network swallows everything. */
  async silentPeers() {
    const own = connections.map((connection) => outcomeOf(connection.request(hold)))
    await called(1)
    await silenced.opened
    await closeOver(own)
  },

  async twice() {
    await Promise.all([close(), manager.close(), manager.close({ timeout: 1 })])
    await manager.close()
  },

  async insideHandler() {
    await until(() => closing !== undefined, 'a handler closes')
    await closing
  },

  async insideHandlerThatWaits(): Promise<void> {
    await connected.insideHandler()
    reportAborted()
  }
}

const init = given<ClosingServerInit>()
const contexts: HandlerContext[] = []
const answered = new Gate()
const silenced = new Gate()
let closing: Promise<void> | undefined

// So long that whoever waits for it is seen.
const reconnect = { firstDelayMs: 600_000, baseDelayMs: 600_000, maxDelayMs: 600_000 }
const { manager, server, words } = startServer(init, { reconnect })
const { connections } = manager
manager.handle(hold, async (_, context) => {
  contexts.push(context)
  await answered.opened
  return 'kept'
})
manager.handle(tenfold, async function* (_, requests, context) {
  contexts.push(context)
  for await (const request of requests) yield request * 10
})
manager.handle(closeNow, async (_, context) => {
  contexts.push(context)
  await called(1)
  closing ??= close()
  if (init.situation === 'insideHandlerThatWaits') await closing
  return 'kept'
})

/** Each peer has made so many calls. */
function called(times: number): Promise<void> {
  return until(() => contexts.length === times * connections.length, 'the peers call')
}

/** The calls beside it are refused, whether they wait for a connection or come too late. */
async function close(): Promise<void> {
  const calls = connections
    .filter(({ state }) => state !== 'connected')
    .map((connection) => outcomeOf(connection.request(hold, undefined, { waitForReady: true })))
  report({ event: 'closing' })
  const startedMs = performance.now()
  const closed = manager.close(init.graceMs === undefined ? {} : { timeout: init.graceMs })
  for (const connection of connections) {
    calls.push(outcomeOf(connection.request(hold, undefined, { waitForReady: true })))
    calls.push(outcomeOf(all(connection.newStream(tenfold))))
  }
  report({ event: 'newCalls', outcomes: await Promise.all(calls) })
  await closed
  report({ event: 'closed', tookMs: performance.now() - startedMs })
  server.close()
}

/** Closes over calls that never end. */
async function closeOver(own: readonly Promise<unknown>[]): Promise<void> {
  await close()
  report({ event: 'ownCalls', outcomes: await Promise.all(own) })
  reportAborted()
}

function reportAborted(): void {
  report({ event: 'aborted', codes: contexts.map(({ signal }) => signal.reason?.code) })
}

async function all(stream: AsyncIterable<number>): Promise<number[]> {
  const values: number[] = []
  for await (const value of stream) values.push(value)
  return values
}

async function outcomeOf(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call
  } catch (error) {
    const { code, delivery, reason } = error as GridError & { reason?: string }
    return [code, delivery, ...(reason === undefined ? [] : [reason])]
  }
}

function report(event: ClosingServerEvent): void {
  tell(event)
}

obey({ called: () => called(1), silenced: () => silenced.open() })
// Its driver is nothing to live for.
process.channel?.unref()
report({ event: 'listening', port: (await words.listening()).port })
const situation: Situation = init.situation
if (situation in unconnected) await unconnected[situation as keyof typeof unconnected]()
else {
  await Promise.all(connections.map((connection) => connection.waitForConnect()))
  await connected[situation as keyof typeof connected]()
}
