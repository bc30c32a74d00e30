/**
 * A server process that closes its manager in a situation of the spec's choice, and then has nothing left to live for.
 *
 * It has two peers, one that it dials and one that dials it, and treats both alike. What it sees it prints, as lines of
 * JSON. It never ends itself.
 */

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  connectWS,
  type GridError,
  type HandlerContext,
  Manager,
  sharedSecret,
  silentLogger
} from '../../../lib/index.ts'
import { until } from '../until.ts'
import { type ClosingServerEvent, type ClosingServerInit, closeNow, hold, type Situation, tenfold } from './closing.ts'

const situations: Record<Situation, () => Promise<void>> = {
  async idle() {
    await connected()
    await close()
  },

  async requests() {
    await connected()
    const own = connections().map((connection) => outcomeOf(connection.request(hold)))
    await until(() => contexts.length === 2, 'the peers call')
    const closed = close()
    tell({ event: 'ownCalls', outcomes: await Promise.all(own) })
    answer()
    await closed
  },

  async streams() {
    await connected()
    const own = connections().map((connection) => connection.newStream(tenfold))
    for (const stream of own) stream.requests.push(1)
    for (const stream of own) await stream.responses.next()
    await until(() => contexts.length === 2, 'the peers call')
    const closed = close()
    for (const stream of own) stream.requests.push(2).push(3).end()
    tell({ event: 'ownCalls', outcomes: await Promise.all(own.map((stream) => outcomeOf(all(stream)))) })
    await closed
  },

  /** Neither its own calls nor those of its peers ever end. */
  async hanging() {
    await connected()
    const own = connections().flatMap((connection) => [
      outcomeOf(connection.request(hold)),
      outcomeOf(all(connection.newStream(tenfold)))
    ])
    await until(() => contexts.length === 4, 'the peers call')
    await close()
    tell({ event: 'ownCalls', outcomes: await Promise.all(own) })
    tell({ event: 'aborted', codes: contexts.map(({ signal }) => signal.reason?.code) })
  },

  /** From a signal on, the network swallows everything. */
  async silentPeers() {
    await connected()
    const own = connections().map((connection) => outcomeOf(connection.request(hold)))
    await until(() => contexts.length === 2, 'the peers call')
    const signalled = once(process, 'SIGUSR2')
    tell({ event: 'ready' })
    await signalled
    await close()
    tell({ event: 'ownCalls', outcomes: await Promise.all(own) })
    tell({ event: 'aborted', codes: contexts.map(({ signal }) => signal.reason?.code) })
  },

  async twice() {
    await connected()
    await Promise.all([close(), manager.close(), manager.close({ timeout: 1 })])
    await manager.close()
  },

  async insideHandler() {
    await connected()
    await until(() => closing !== undefined, 'a handler closes')
    await closing
  },

  async insideHandlerThatWaits() {
    await situations.insideHandler()
    tell({ event: 'aborted', codes: contexts.map(({ signal }) => signal.reason?.code) })
  },

  async beforeConnecting() {
    await close()
  },

  /** Its dial gets no answer, and who dials it says nothing. */
  async connecting() {
    await until(() => manager.stats().pendingHandshakes > 0, 'a conn shakes hands')
    await until(() => connections().some(({ state }) => state === 'connecting'), 'it dials')
    await close()
  },

  async waiting() {
    await until(() => connections().every(({ state }) => state === 'waiting'), 'no dial succeeds')
    await close()
  }
}

const init: ClosingServerInit = JSON.parse(process.argv[2] ?? '')
const contexts: HandlerContext[] = []
let answer = () => {}
const answered = new Promise<void>((resolve) => {
  answer = resolve
})
let closing: Promise<void> | undefined

const server = createServer()
const manager = new Manager({
  local: init.local,
  hosts: [init.local, ...init.peers],
  auth: sharedSecret('a secret of the specs'),
  logger: silentLogger,
  // So long that whoever waits for it is seen.
  reconnect: { firstDelayMs: 600_000, baseDelayMs: 600_000, maxDelayMs: 600_000 },
  dialer: (address, options) => connectWS()(init.urls[address] ?? address, options)
})
manager.handle(hold, async (_, context) => {
  contexts.push(context)
  await answered
  return 'kept'
})
manager.handle(tenfold, async function* (_, requests, context) {
  contexts.push(context)
  for await (const request of requests) yield request * 10
})
manager.handle(closeNow, async (_, context) => {
  contexts.push(context)
  await until(() => contexts.length === 2, 'both peers call')
  closing ??= close()
  if (init.situation === 'insideHandlerThatWaits') await closing
  return 'kept'
})
manager.attach(server)

function connections() {
  return manager.connections
}

async function connected(): Promise<void> {
  await Promise.all(connections().map((connection) => connection.waitForConnect()))
}

/** The calls beside it are refused, whether they wait for a connection or come too late. */
async function close(): Promise<void> {
  const calls = connections()
    .filter(({ state }) => state !== 'connected')
    .map((connection) => outcomeOf(connection.request(hold, undefined, { waitForReady: true })))
  tell({ event: 'closing' })
  const startedMs = performance.now()
  const closed = manager.close(init.graceMs === undefined ? {} : { timeout: init.graceMs })
  for (const connection of connections()) {
    calls.push(outcomeOf(connection.request(hold, undefined, { waitForReady: true })))
    calls.push(outcomeOf(all(connection.newStream(tenfold))))
  }
  tell({ event: 'newCalls', outcomes: await Promise.all(calls) })
  await closed
  tell({ event: 'closed', tookMs: performance.now() - startedMs })
  server.close()
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

function tell(event: ClosingServerEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`)
}

server.listen(0, '127.0.0.1', () => tell({ event: 'listening', port: (server.address() as AddressInfo).port }))
await situations[init.situation]()
