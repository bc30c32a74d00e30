/** What a server tells of itself: its clock, its event loop, its list of hosts. Needs its option `introspection`. */

import { setTimeout as delay } from 'node:timers/promises'
import { GridError, type GridEvent, type HostReport, introspection } from '../../index.ts'
import { type Finding, Findings } from './finding.ts'
import { type Reached, type Target, toText } from './network.ts'
import { said } from './text.ts'
import type { Visit } from './visit.ts'

/** What was learned of a server. */
export interface Seen {
  /** What it calls itself. */
  readonly name: string
  /** By which it was reached, this one included. */
  readonly aliases: readonly string[]
  /** How it sees the other servers. */
  readonly reports: readonly HostReport[]
  /** Its last refusals, by host. */
  readonly refusals: ReadonlyMap<string, RefusalSeen>
}

export interface RefusalSeen {
  readonly direction: 'inbound' | 'outbound'
  readonly reason: string
}

/** Leases and deadlines that are told as moments suffer from more. */
const maxSkewMs = 1000
const pings = 20
const pauseMs = 25
/** Fewer, where they take long. */
const maxPingMs = 2000
/** What a turn of an event loop may take before calls of others suffer. */
const maxLagMs = 200
/** Turns longer ago than this say nothing of now. */
const recentMs = 60_000

/** What it tells; undefined where it tells nothing. */
export async function* look(target: Target, reached: Reached, visit: Visit): AsyncGenerator<Finding, Seen | undefined> {
  const findings = new Findings(target.host)
  const { timeoutMs: timeout, signal } = target
  const asked = introspection.on(visit.guest, { timeout, signal })
  try {
    yield* askTimes(findings, target, reached, visit)
    const reports = checkReports(await asked.hosts())
    const refusals = new Map<string, RefusalSeen>()
    for (const { host } of reports) keepRefusals(await asked.recent({ host }), refusals)
    yield findings.good('list', `it is ${visit.name}, and its list has ${reports.length} other servers`)
    return { name: visit.name, aliases: [target.host], reports, refusals }
  } catch (error) {
    signal.throwIfAborted()
    yield tellCannotLook(findings, error)
    return undefined
  }
}

/** A host of another version may answer in another shape, and so may whatever stands around its answers. */
const otherShape = 'it answers in another shape than is known here'

function checkReports(reports: readonly HostReport[]): readonly HostReport[] {
  const isReport = (report: HostReport | null) => isHost(report?.host) && typeof report?.state === 'string'
  if (Array.isArray(reports) && reports.every(isReport)) return reports
  throw new Error(otherShape)
}

function isHost(name: unknown): boolean {
  return typeof name === 'string' && URL.canParse(name) && /^https?:$/.test(new URL(name).protocol)
}

function checkTime(answer: { readonly at: number } | null): number {
  if (Number.isFinite(answer?.at)) return Number(answer?.at)
  throw new Error(otherShape)
}

function tellCannotLook(findings: Findings, error: unknown): Finding {
  const isOff = GridError.is(error) && error.code === 'ERR_UNKNOWN_HANDLER'
  const text = isOff
    ? 'it has no introspection: its clock, its event loop and its list of hosts cannot be looked at'
    : `it cannot be looked into: ${said(error)}`
  const advice =
    'let both guests.allow and introspection pass the calls of this guest, of the subroute $grid (introspection: true lets no guest in; give a function)'
  return findings.doubt('look', 'cannotLook', text, advice)
}

async function* askTimes(
  findings: Findings,
  { timeoutMs: timeout, signal }: Target,
  { connectMs }: Reached,
  { guest }: Visit
): AsyncGenerator<Finding> {
  const asked = introspection.on(guest, { timeout, signal })
  let [best, worst] = [{ rttMs: Number.POSITIVE_INFINITY, skewMs: 0 }, 0]
  const beganMs = performance.now()
  let count = 0
  for (; count < pings && performance.now() - beganMs < maxPingMs; count++) {
    const startMs = performance.now()
    const at = checkTime(await asked.ping())
    const rttMs = performance.now() - startMs
    // It was in the middle of it, if both ways take as long.
    if (rttMs < best.rttMs) best = { rttMs, skewMs: at - (Date.now() - rttMs / 2) }
    worst = Math.max(worst, rttMs)
    await delay(pauseMs, undefined, { signal })
  }
  yield tellClock(findings, best)
  const turns = (await asked.recent()).filter((event) => event.type === 'slowTurn')
  const at = checkTime(await asked.ping())
  const slow = turns.filter((turn) => at - turn.at < recentMs)
  const longest = Math.max(0, ...slow.map(({ durationMs }) => durationMs))
  if (worst - best.rttMs < maxLagMs && longest < maxLagMs) {
    yield findings.good('loop', `${count} round trips took ${toText(best.rttMs)} to ${toText(worst)}`)
    return
  }
  const told =
    longest < maxLagMs
      ? ''
      : `; ${slow.length} turn${slow.length === 1 ? '' : 's'} of the last minute took up to ${toText(longest)}`
  const text = `its event loop is held up: of ${count} round trips the longest took ${toText(worst)}, where a conn takes ${toText(connectMs)}${told}`
  const advice =
    'find what blocks it (synchronous work, large JSON, a regular expression): node --cpu-prof, or its mistakes and slow turns in recent'
  yield findings.fault('loop', 'blockedLoop', text, advice)
}

function tellClock(
  findings: Findings,
  { rttMs, skewMs }: { readonly rttMs: number; readonly skewMs: number }
): Finding {
  const offMs = Math.abs(skewMs)
  if (offMs <= maxSkewMs + rttMs)
    return findings.good('clock', `its clock is within ${toText(offMs + rttMs / 2)} of this machine's`)
  const text = `its clock is ${(offMs / 1000).toFixed(1)} s ${skewMs > 0 ? 'ahead of' : 'behind'} that of this machine`
  const advice =
    'let both follow one time server (chrony, systemd-timesyncd): tokens, certificates and leases depend on it'
  return findings.fault('clock', 'clockSkew', text, advice)
}

function keepRefusals(events: readonly GridEvent[], into: Map<string, RefusalSeen>): void {
  for (const event of events) {
    // One that came about afterwards is over.
    if (event.type === 'hello') into.delete(event.host)
    if (event.type !== 'refused' || event.handler !== undefined) continue
    into.set(event.host, { direction: event.direction, reason: event.reason })
  }
}
