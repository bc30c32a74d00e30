/** One server of the proof: a lock server, and clients in the same process that lock and write down that they are inside. */

import { setTimeout as delay } from 'node:timers/promises'
import { LockClient } from '../../../lib/extras/locks/client.ts'
import { list } from '../../../lib/extras/locks/definitions.ts'
import { LockError } from '../../../lib/extras/locks/errors.ts'
import type { Lock } from '../../../lib/extras/locks/lock.ts'
import { serveLocks } from '../../../lib/extras/locks/server.ts'
import { addOutcomes } from '../calls/load.ts'
import { machineMs } from '../clock/machine.ts'
import { errorStack } from '../errors.ts'
import { given, obey, tell } from '../process/obey.ts'
import { type ServerInit, startServer } from '../process/server.ts'
import { oneOf, randomFrom, wholeBelow } from '../random.ts'
import { until } from '../until.ts'
import { writeLine } from './holders.ts'
import { Stalls } from './stalls.ts'

/** What the driver starts it with. */
export interface NodeInit extends ServerInit {
  /** The lock servers that its clients ask. */
  readonly servers: readonly string[]
  readonly seed: number
  readonly clients: number
  readonly ttlMs: number
  readonly log: string
  /** Which start of this server it is. */
  readonly start: number
}

/** Rounds that have ended since the last report, by how: `ok`, or a code; or what is not as it must be. */
export type NodeReport = Readonly<Record<string, number>> | string

export type NodeWords = typeof words

const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l']
/** Of those who hold on for about as long as a grant lasts, so that it must be refreshed, or is lost. */
const longNames = ['x', 'y']
const writeShare = 0.4
const reportMs = 50

const init = given<NodeInit>()
const self = `${init.local}#${init.start}`
let outcomes: Record<string, number> = {}
let going = false
let rounds = 0

const options = { keepAlive: { intervalMs: Math.ceil(init.ttlMs / 2) }, limits: { handshakeTimeoutMs: init.ttlMs } }
const { manager: grid, words: serverWords } = startServer(init, options)
serveLocks(grid, { ttlMs: init.ttlMs })
const client = new LockClient(grid, { servers: init.servers, requestTimeoutMs: init.ttlMs / 5 })

const stalls = new Stalls()
const hold = (id: number) => ({ process: self, id, atMs: machineMs(), stall: stalls.last() })

async function round(random: () => number, isLong: boolean): Promise<void> {
  const id = ++rounds
  const from = isLong ? longNames : names
  const wanted = [...new Set([oneOf(random, from), ...(random() < 0.3 ? [oneOf(random, from)] : [])])]
  const kind = random() < writeShare ? 'write' : 'read'
  const holdMs = isLong ? init.ttlMs * (0.5 + random()) : random() * 4
  const options = { timeout: 4 * init.ttlMs, source: `round ${id}` }
  const inside = async (signal: AbortSignal, { token }: Lock) => {
    writeLine(init.log, { what: 'enter', ...hold(id), kind, names: wanted, token })
    let isInside = true
    const exit = () => {
      if (isInside) writeLine(init.log, { what: 'exit', ...hold(id) })
      isInside = false
    }
    // At once, not when the work notices.
    signal.addEventListener('abort', exit)
    await delay(holdMs, undefined, { signal }).catch(() => undefined)
    exit()
  }
  await (kind === 'write' ? client.withLock(wanted, inside, options) : client.withRLock(wanted, inside, options))
}

async function work(random: () => number, isLong: boolean): Promise<void> {
  while (going) {
    let outcome = 'ok'
    try {
      await round(random, isLong)
    } catch (error) {
      outcome = error instanceof LockError ? error.code : 'wrong'
      const isExpected = outcome === 'ERR_LOCK_TIMEOUT' || outcome === 'ERR_LOCK_LOST'
      if (!isExpected) tell(errorStack(error))
    }
    addOutcomes(outcomes, { [outcome]: 1 })
    await delay(wholeBelow(random, 3))
  }
}

function report(): void {
  if (Object.keys(outcomes).length > 0) tell(outcomes)
  outcomes = {}
}
const reporting = setInterval(report, reportMs)

let workers: Promise<unknown> = Promise.resolve()
const words = {
  ...serverWords,
  go() {
    going = true
    workers = Promise.all(
      Array.from({ length: init.clients }, (_, n) => work(randomFrom(init.seed + 7919 * n), n === 0))
    )
  },
  /** Everybody is out, and no server holds a lock: those of the dead have ended too. */
  async quiet() {
    going = false
    await workers
    report()
    await until(async () => (await locksHeld()) === 0, 'no lock is held anywhere', 6 * init.ttlMs)
  },
  async close() {
    clearInterval(reporting)
    await serverWords.close()
  }
}

async function locksHeld(): Promise<number> {
  let held = 0
  for (const host of [grid.local, ...grid.hosts]) {
    for await (const _lock of grid.connection(host).newStream(list, undefined, { waitForReady: true })) held++
  }
  return held
}

obey(words)
