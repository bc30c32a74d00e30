/** The stats of a manager, put together from those of its parts. */

import { OpenTally } from '../figures/figures.ts'
import type { LocalHandlers } from '../handler/table.ts'
import type { Loopback } from '../network/loopback.ts'
import type { Peers } from '../network/peers.ts'
import type { Establisher } from '../peer/establish.ts'
import { addTotals, type ManagerStats } from '../report/stats.ts'

export interface StatsParts {
  readonly local: string
  readonly instance: string
  /** Ms since the epoch. */
  readonly startedAt: number
  readonly handlers: LocalHandlers
  readonly establisher: Establisher
  readonly peers: Peers
  readonly loopback: Loopback | undefined
}

export function readStats({ handlers, establisher, peers, loopback, ...names }: StatsParts): ManagerStats {
  const tally = new OpenTally()
  const connections = peers.connections.map((connection) => connection.read(tally))
  const totals = peers.removedTotals(tally)
  for (const connection of connections) addTotals(totals, connection.totals)
  loopback?.addOpen(tally)
  const up = connections.filter(({ state }) => state === 'connected').length
  const { called, served } = handlers.figures
  return {
    ...names,
    at: Date.now(),
    loop: readLoop(),
    handlerCount: handlers.size,
    pendingHandshakes: establisher.pending,
    refusedHandshakes: establisher.refusals,
    up,
    down: connections.length - up,
    inboundStreams: connections.reduce((sum, { session }) => sum + (session?.inboundStreams ?? 0), 0),
    outboundStreams: connections.reduce((sum, { session }) => sum + (session?.outboundStreams ?? 0), 0),
    connections,
    called: called.read(tally),
    served: served.read(tally),
    totals
  }
}

/** Node counts it anyway, without a timer. Fake timers, and other runtimes, may not have it. */
function readLoop(): ManagerStats['loop'] {
  const { active = 0, idle = 0 } = performance.eventLoopUtilization?.() ?? {}
  return { activeMs: active, idleMs: idle }
}
