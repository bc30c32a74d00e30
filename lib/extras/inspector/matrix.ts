/** Who is connected to whom: what each server says of each other one, and what that says of a server. */

import type { ConnectionStats } from '../../index.ts'
import type { Inspected } from './inspected.ts'
import type { Cell, ServerFigures, ServerState, Severity } from './model.ts'
import { field } from './tracker.ts'
import type { Watcher } from './watcher.ts'
import { inWords, joined, type NextDial, nameOf, nextDial, shorten, shownRate } from './words.ts'

/** An event loop that works for this share of the time is busy. */
export const busyShare = 0.9

export interface Seen {
  readonly grid: Inspected
  readonly hosts: readonly string[]
  readonly watchers: ReadonlyMap<string, Watcher>
  readonly now: number
  /** Figures that are older are old. */
  readonly freshMs: number
  /** Since when there were two numbers of calls to compare, in seconds. */
  readonly windowSeconds: number | undefined
}

export function isFresh({ now, freshMs }: Pick<Seen, 'now' | 'freshMs'>, watcher: Watcher | undefined): boolean {
  if (watcher?.heardAt === undefined || !watcher.isConnected || watcher.refuses !== undefined) return false
  return now - watcher.heardAt <= freshMs
}

export function freshOf(seen: Seen): Watcher[] {
  return [...seen.watchers.values()].filter((watcher) => isFresh(seen, watcher))
}

/** Which of those that answer are connected to a host. */
export function reachedBy(seen: Seen, host: string): string[] {
  return freshOf(seen)
    .filter((watcher) => watcher.connections.get(host)?.state === 'connected')
    .map((watcher) => watcher.host)
}

export function cellsOf(seen: Seen): Cell[] {
  const reached = new Map(seen.hosts.map((host) => [host, reachedBy(seen, host).length > 0]))
  return seen.hosts.flatMap((from) => {
    const watcher = seen.watchers.get(from)
    return seen.hosts
      .filter((to) => to !== from)
      .map((to) => {
        const connection = watcher?.connections.get(to)
        if (watcher === undefined || connection === undefined) return { from, to, state: 'unknown' as const }
        const isLost = connection.state !== 'connected' && connection.lastError !== undefined
        const why = isLost ? shorten(connection.lastError) : undefined
        const dial = nextDialOf(connection, watcher)
        const cell = {
          ...toCell(from, connection, sinceOf(watcher, connection), reached.get(to) === true, why),
          ...dial
        }
        return doEndsDiffer(seen, watcher, to) ? { ...cell, differs: true } : cell
      })
  })
}

/** Since when it is connected, or since when it is not, by the clock here. A dial begins no new state of these two. */
export function sinceOf({ links, offsetMs }: Watcher, { host, since }: ConnectionStats): number {
  return (links.get(host)?.lostAt ?? since) + offsetMs
}

/** Whether one end says that there is a connection, and the other one that there is none. */
function doEndsDiffer(seen: Seen, watcher: Watcher, to: string): boolean {
  const other = seen.watchers.get(to)
  const [here, there] = [watcher.connections.get(to), other?.connections.get(watcher.host)]
  if (here === undefined || there === undefined || isUp(here) === isUp(there)) return false
  return isFresh(seen, watcher) && isFresh(seen, other)
}

function toCell(
  from: string,
  connection: ConnectionStats,
  since: number,
  isReached: boolean,
  why: string | undefined
): Cell {
  const { host: to, state, session } = connection
  const isConnected = state === 'connected'
  return {
    ...{ from, to, since, state: isConnected ? 'up' : isReached ? 'try' : 'down' },
    ...(isConnected && session !== undefined
      ? {
          ...(session.rttMs === undefined ? {} : { rttMs: roundedRtt(session.rttMs) }),
          streams: session.inboundStreams + session.outboundStreams,
          queueBytes: session.sendQueueBytes
        }
      : {}),
    ...(why === undefined ? {} : { why })
  }
}

/** Which end dials next, and when, by the clock here: in the past where it dials now, which may take as long as a handshake may. */
export function nextDialOf({ state, since, isDialer, dialing }: ConnectionStats, { offsetMs }: Watcher): NextDial {
  if (state === 'connected' || state === 'closed') return {}
  if (isDialer === false) return { isOthersTurn: true }
  const at = dialing?.nextAt ?? (state === 'connecting' && isDialer === true ? since : undefined)
  return at === undefined ? {} : { nextAt: Math.floor((at + offsetMs) / 1000) * 1000 }
}

/** As it is shown. */
function roundedRtt(rttMs: number): number {
  return rttMs < 10 ? Math.round(rttMs * 10) / 10 : Math.round(rttMs)
}

/** A large matrix has colours where a small one has numbers, and they are steps: smaller changes are not seen. */
const smallMatrix = 8 * 7
const far = 1.5

/** Cells as they are seen: a figure is another one once it is far from the one that was told. */
export class Cells {
  #seen = new Map<string, Cell>()

  take(cells: readonly Cell[]): readonly Cell[] {
    if (cells.length <= smallMatrix) return cells
    const seen = cells.map((cell) => {
      const key = `${cell.from} ${cell.to}`
      return [key, steady(cell, this.#seen.get(key))] as const
    })
    this.#seen = new Map(seen)
    return seen.map(([, cell]) => cell)
  }
}

function steady(cell: Cell, before: Cell | undefined): Cell {
  if (before === undefined) return cell
  const { rttMs, streams, queueBytes } = cell
  return {
    ...cell,
    ...(rttMs === undefined ? {} : { rttMs: near(rttMs, before.rttMs) }),
    ...(streams === undefined ? {} : { streams: near(streams, before.streams) }),
    ...(queueBytes === undefined ? {} : { queueBytes: near(queueBytes, before.queueBytes) })
  }
}

/** What was seen, where this is about the same. */
function near(now: number, before: number | undefined): number {
  if (before === undefined || (now === 0) !== (before === 0)) return now
  return Math.max(now, before) < far * Math.min(now, before) ? before : now
}

/** What the server that serves the page knows of a host that it does not reach. */
export function lastError(grid: Inspected, host: string): string | undefined {
  if (host !== grid.local && !grid.hosts.includes(host)) return undefined
  const { lastError: error } = grid.connection(host)
  return error === undefined ? undefined : shorten(error.message)
}

export function serversOf(seen: Seen): ServerFigures[] {
  return seen.hosts.map((host) => toServer(seen, host))
}

function stateOf(seen: Seen, host: string): ServerState {
  const watcher = seen.watchers.get(host)
  // The server of the page is there, though its connection to itself may have just begun.
  const isHere = host === seen.grid.local && seen.grid.isGuest !== true
  if (!isHere && watcher?.isConnected !== true) return 'away'
  if (watcher?.refuses !== undefined) return 'refuses'
  return watcher !== undefined && isFresh(seen, watcher) ? 'answers' : 'silent'
}

function toServer(seen: Seen, host: string): ServerFigures {
  const watcher = seen.watchers.get(host)
  const state = stateOf(seen, host)
  const by = reachedBy(seen, host)
  const { busy, stats, heardAt, offsetMs = 0 } = watcher ?? {}
  const up = state === 'answers' ? [...(watcher?.connections.values() ?? [])].filter(isUp).length : by.length
  const [severity, note] = judge(seen, host, state, by, up)
  const calls = state === 'answers' && watcher !== undefined ? callsOf(watcher, seen.windowSeconds) : undefined
  const { guestCount: guests = 0 } = stats ?? {}
  return {
    ...{ host, state, up, severity, note },
    ...(heardAt === undefined || state === 'answers' ? {} : { at: heardAt }),
    ...(stats?.startedAt === undefined ? {} : { startedAt: stats.startedAt + offsetMs }),
    ...(state === 'answers' && busy !== undefined ? { busy: Math.round(busy * 100) / 100 } : {}),
    ...(calls === undefined ? {} : { calls }),
    ...(guests === 0 ? {} : { guests })
  }
}

function judge(seen: Seen, host: string, state: ServerState, by: string[], up: number): [Severity, string] {
  const busy = seen.watchers.get(host)?.busy ?? 0
  if (state === 'refuses') return ['warn', `connected, but tells nothing: ${seen.watchers.get(host)?.refuses}`]
  if (state === 'away' && by.length > 0) {
    const from = seen.grid.isGuest === true ? 'here' : inWords(seen, [seen.grid.local])
    return ['warn', `not reached from ${from}, but by ${inWords(seen, by)}`]
  }
  if (state === 'away') return ['bad', joined(lastError(seen.grid, host) ?? 'not reached', dialTo(seen, host))]
  if (state === 'silent') return ['warn', 'tells nothing now']
  if (busy >= busyShare) return ['warn', 'its event loop is busy']
  return up < seen.hosts.length - 1 ? ['info', ''] : ['ok', '']
}

/** When the server of the page dials it next. */
function dialTo(seen: Seen, host: string): string {
  const watcher = seen.watchers.get(seen.grid.local)
  const connection = watcher?.connections.get(host)
  if (watcher === undefined || connection === undefined || !isFresh(seen, watcher)) return ''
  return nextDial(nextDialOf(connection, watcher), seen.now, nameOf(seen.hosts, host))
}

function isUp({ state }: ConnectionStats): boolean {
  return state === 'connected'
}

function callsOf(watcher: Watcher, seconds: number | undefined): number | undefined {
  if (seconds === undefined) return undefined
  let calls = 0
  for (const { tracker } of watcher.tracked.handler.entries.values()) calls += tracker.now[field.calls] as number
  return shownRate(calls / seconds)
}
