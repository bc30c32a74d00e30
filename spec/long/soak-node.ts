/**
 * One server of the soak: a manager on an HTTP server on loopback that calls all others, as its driver tells it to.
 *
 * Words from the driver: `go`, `quiet` (make no more calls, and answer when all have settled), `close`.
 */

import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { ClosedError, type Connection, connectWS, Manager, sharedSecret, silentLogger } from '../../lib/index.ts'
import { excusedCode, mixedCalls, serveMixedCalls } from '../support/calls/mixed.ts'
import { openStreams, takeVitals, type Vitals } from '../support/grid/vitals.ts'
import { obey } from '../support/process/obey.ts'
import { oneOf, randomFrom } from '../support/random.ts'
import { until } from '../support/until.ts'

/** What the driver starts it with. */
export interface NodeInit {
  readonly local: string
  readonly hosts: readonly string[]
  readonly port: number
  /** Where each name that this server dials is to be reached. */
  readonly urls: Readonly<Record<string, string>>
  readonly seed: number
  readonly workers: number
  readonly pauseMs: number
}

export type NodeReport =
  | { readonly kind: 'listening' }
  | { readonly kind: 'quiet'; readonly vitals: Vitals; readonly outcomes: Outcomes; readonly slowestMs: number }
  | { readonly kind: 'wrong'; readonly text: string }

/** How many calls ended how: `ok`, or the code of the error. */
export type Outcomes = Readonly<Record<string, number>>

const callTimeoutMs = 8000
/** A call that has not settled so long after the last one was made never will. */
const settleMs = callTimeoutMs + 10_000
/** What a deadline may be late by, when this process was not stopped. */
const lateMs = 2000
const tickMs = 100

const init: NodeInit = JSON.parse(process.argv[2] ?? '')
const outcomes: Record<string, number> = {}
const running = new Set<string>()
let going = false
let closing = false
let slowestMs = 0
/** How long this process did not run, in all. */
let stalledMs = 0

const report = (message: NodeReport) => process.send?.(message)
const wrong = (text: string) => report({ kind: 'wrong', text })

const server = createServer()
const manager = new Manager({
  local: init.local,
  hosts: init.hosts,
  auth: sharedSecret('a secret of the specs'),
  logger: silentLogger,
  keepAlive: { intervalMs: 1000 },
  reconnect: { firstDelayMs: 20, baseDelayMs: 50, maxDelayMs: 500 },
  limits: { handshakeTimeoutMs: 2000, slowPeerTimeoutMs: 5000 },
  dialer: (address, options) => connectWS()(init.urls[address] ?? address, options)
})
serveMixedCalls(manager)
manager.attach(server)
server.listen(init.port, '127.0.0.1', () => report({ kind: 'listening' }))

let tickedAtMs = performance.now()
function tick(): void {
  const nowMs = performance.now()
  stalledMs += Math.max(0, nowMs - tickedAtMs - 2 * tickMs)
  tickedAtMs = nowMs
}
const ticks = setInterval(tick, tickMs)

let serial = 0
async function call(name: string, peer: Connection, random: () => number): Promise<void> {
  const isStream = ['responses', 'broken', 'requests', 'echo'].includes(name)
  const timeout = isStream && random() < 0.3 ? Number.POSITIVE_INFINITY : callTimeoutMs
  const label = `${name} number ${++serial} of ${init.local} to ${peer.host}`
  tick()
  const [startedMs, stalledBeforeMs] = [performance.now(), stalledMs]
  let outcome = 'ok'
  running.add(label)
  try {
    await mixedCalls[name]?.(peer, random, { timeout, waitForReady: random() < 0.3 })
  } catch (error) {
    outcome = closing && error instanceof ClosedError ? error.code : (excusedCode(error) ?? 'wrong')
    if (outcome === 'wrong') wrong(`${label}: ${error instanceof Error ? error.stack : String(error)}`)
  }
  running.delete(label)
  // What arrived while this process was stopped is read before its timers run.
  tick()
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
  const tookMs = performance.now() - startedMs - (stalledMs - stalledBeforeMs)
  slowestMs = Math.max(slowestMs, tookMs)
  if (tookMs > timeout + lateMs) wrong(`${label} settled after ${Math.round(tookMs)} ms: ${outcome}`)
}

async function work(peer: Connection, random: () => number): Promise<void> {
  while (going) {
    await call(oneOf(random, Object.keys(mixedCalls)), peer, random)
    await delay(random() * 2 * init.pauseMs)
  }
}

let workers: Promise<unknown> = Promise.resolve()
function go(): void {
  going = true
  workers = Promise.all(
    manager.connections.flatMap((peer) =>
      Array.from({ length: init.workers }, (_, number) =>
        work(peer, randomFrom(init.seed + 1000 * number + 7 * peer.host.length + manager.hosts.indexOf(peer.host)))
      )
    )
  )
}

async function rest(): Promise<void> {
  going = false
  const timer = setTimeout(() => wrong(`these never settled: ${[...running].join(', ')}`), settleMs)
  await workers
  clearTimeout(timer)
  await Promise.all(manager.connections.map((connection) => connection.waitForConnect()))
  await until(() => openStreams(manager) === 0, 'no stream is open').catch(() => undefined)
  report({ kind: 'quiet', vitals: await takeVitals(manager), outcomes, slowestMs })
}

function onClose(): void {
  going = false
  closing = true
  clearInterval(ticks)
}

obey({ manager, server, words: { go, quiet: rest }, onClose, onFailed: wrong })
