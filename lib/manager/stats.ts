/** The stats of a manager, put together from those of its parts. */

import { OpenTally } from '../figures/figures.ts'
import type { LocalHandlers } from '../handler/table.ts'
import type { Guests } from '../network/guests.ts'
import type { Loopback } from '../network/loopback.ts'
import type { Peers } from '../network/peers.ts'
import type { Establisher } from '../peer/establish.ts'
import { addTotals, type ManagerStats } from '../report/stats.ts'

export interface StatsParts {
  readonly local: string
  readonly instance: string
  /** Ms since the epoch. */
  readonly startedAt: number
  readonly keepAliveMs: number
  readonly handlers: LocalHandlers
  readonly establisher: Establisher
  readonly peers: Peers
  readonly guests: Guests
  readonly loopback: Loopback | undefined
}

export function readStats({ handlers, establisher, peers, loopback, ...others }: StatsParts): ManagerStats {
  const { local, instance, startedAt, keepAliveMs } = others
  const tally = new OpenTally()
  const connections = peers.connections.map((connection) => connection.read(tally))
  const guests = others.guests.connections.map((guest) => guest.read(tally))
  const all = [...connections, ...guests]
  const totals = addTotals(peers.removedTotals(tally), others.guests.removedTotals)
  for (const each of all) addTotals(totals, each.totals)
  loopback?.addOpen(tally)
  const up = connections.filter(({ state }) => state === 'connected').length
  const { called, served } = handlers.figures
  return {
    ...{ local, instance, startedAt, keepAliveMs },
    at: Date.now(),
    loop: readLoop(),
    handlerCount: handlers.size,
    pendingHandshakes: establisher.pending,
    refusedHandshakes: establisher.refusals,
    up,
    down: connections.length - up,
    inboundStreams: all.reduce((sum, { session }) => sum + (session?.inboundStreams ?? 0), 0),
    outboundStreams: all.reduce((sum, { session }) => sum + (session?.outboundStreams ?? 0), 0),
    connections,
    guests,
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
