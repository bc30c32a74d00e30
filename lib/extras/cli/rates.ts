/** What the peers of a server do now: rates between two of its samples, and what is open and waits. */

import type { ConnectionStats, StatsChange } from '../../index.ts'

/** Counters of one peer, or what they do in a second. */
interface Sample {
  /** Calls of the server to the peer. */
  readonly callsOut: number
  /** Calls of the peer to the server. */
  readonly callsIn: number
  readonly bytesOut: number
  readonly bytesIn: number
}

/** One peer, as the server sees it. Rates are absent until there are two samples. */
export interface PeerRow extends Partial<Sample> {
  readonly host: string
  readonly state: ConnectionStats['state']
  readonly open: number
  readonly queueBytes: number
  readonly rttMs?: number
  readonly lastError?: string
}

export class Rates {
  rows: readonly PeerRow[] = []
  /** Share of the time in which the event loop of the server worked. */
  busy: number | undefined
  host = ''
  instance = ''
  startedAt = 0
  at = 0
  /** Whether there are rates. */
  hasRates = false
  readonly #connections = new Map<string, ConnectionStats>()
  #samples = new Map<string, Sample>()
  #loop: StatsChange['loop']

  take(change: StatsChange): void {
    if (change.instance !== this.instance) this.#begin(change)
    for (const host of change.removed ?? []) this.#connections.delete(host)
    for (const each of change.connections ?? []) this.#connections.set(each.host, each)
    const { loop } = change
    if (loop !== undefined && this.#loop !== undefined) {
      const [active, idle] = [loop.activeMs - this.#loop.activeMs, loop.idleMs - this.#loop.idleMs]
      this.busy = active + idle > 0 ? active / (active + idle) : undefined
    }
    this.#loop = loop ?? this.#loop
    const seconds = (change.at - this.at) / 1000
    this.hasRates = this.at > 0 && seconds > 0
    const before = this.#samples
    const connections = [...this.#connections.values()]
    this.#samples = new Map(connections.map((each) => [each.host, sampleOf(each)]))
    this.rows = connections.map((each) => toRow(each, this.hasRates ? before.get(each.host) : undefined, seconds))
    this.at = change.at
  }

  /** Another process: its counters begin anew. */
  #begin({ instance, startedAt = 0, local = this.host }: StatsChange): void {
    ;[this.instance, this.startedAt, this.host, this.at] = [instance, startedAt, local, 0]
    this.#connections.clear()
    this.#loop = undefined
    this.busy = undefined
  }
}

function sampleOf({ called, served, totals }: ConnectionStats): Sample {
  return { callsOut: called.calls, callsIn: served.calls, bytesOut: totals.bytesOut, bytesIn: totals.bytesIn }
}

function toRow(connection: ConnectionStats, before: Sample | undefined, seconds: number): PeerRow {
  const { host, state, session, lastError } = connection
  const now = sampleOf(connection)
  const rateOf = (name: keyof Sample) =>
    Math.round((Math.max(0, now[name] - (before?.[name] ?? 0)) * 100) / seconds) / 100
  return {
    ...{ host, state },
    ...(before === undefined
      ? {}
      : {
          ...{ callsOut: rateOf('callsOut'), callsIn: rateOf('callsIn') },
          ...{ bytesOut: rateOf('bytesOut'), bytesIn: rateOf('bytesIn') }
        }),
    open: (session?.inboundStreams ?? 0) + (session?.outboundStreams ?? 0),
    queueBytes: session?.sendQueueBytes ?? 0,
    ...(session?.rttMs === undefined ? {} : { rttMs: session.rttMs }),
    ...(lastError === undefined || state === 'connected' ? {} : { lastError })
  }
}
