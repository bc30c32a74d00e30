/** What two servers make of each other: who dials whom, whether they are connected, and if not, why. */

import { dialerOf, type HostReport } from '../../index.ts'
import { type Finding, Findings } from './finding.ts'
import { toText } from './network.ts'
import type { Seen } from './server.ts'
import { printable } from './text.ts'

/** Of all servers that were seen: their lists, and each pair once. */
export function* checkPairs(all: readonly Seen[], given: readonly string[]): Generator<Finding> {
  for (const [at, a] of all.entries()) {
    for (const b of all.slice(at + 1)) yield* checkPair(a, b)
    for (const report of a.reports) if (!isSeen(report.host, all)) yield* checkReport(a, report)
  }
  for (const a of all) {
    for (const host of given) {
      if (isSeen(host, all) || host === a.name || a.reports.some((report) => report.host === host)) continue
      yield tellNotInList(a, host)
    }
  }
}

function isSeen(host: string, all: readonly Seen[]): boolean {
  return all.some((each) => each.name === host || each.aliases.includes(host))
}

/** By the name that the other one has, or else by one that leads to it. */
function reportOf(of: Seen, about: Seen): HostReport | undefined {
  const by = (names: readonly string[]) => of.reports.find(({ host }) => names.includes(host))
  return by([about.name]) ?? by(about.aliases)
}

function* checkPair(a: Seen, b: Seen): Generator<Finding> {
  const [ofA, ofB] = [reportOf(a, b), reportOf(b, a)]
  const isUp = ofA?.state === 'connected' && ofB?.state === 'connected'
  if (isUp) yield tellConnected(a, b, ofA)
  else if (ofA === undefined && ofB === undefined) yield tellStrangers(a, b)
  else if ((ofA?.host ?? b.name) !== b.name || (ofB?.host ?? a.name) !== a.name) yield tellNames(a, b, ofA, ofB)
  else if (ofA === undefined) yield tellNotInList(a, b.name)
  else if (ofB === undefined) yield tellNotInList(b, a.name)
  else yield tellApart(a, b, ofA, ofB)
  yield* compareLists(a, b)
}

function tellConnected(a: Seen, b: Seen, { rttMs }: HostReport): Finding {
  const dialer = dialerOf(a.name, b.name)
  const rtt = rttMs === undefined ? '' : `, with a round trip of ${toText(rttMs)}`
  return new Findings(a.name).good('pair', `${dialer} dials the other one, and they are connected${rtt}`, b.name)
}

function tellNotInList(of: Seen, host: string): Finding {
  const text = `${host} is not in the list of hosts of ${of.name}, which therefore refuses it`
  const advice = `add it to hosts of ${of.name}, spelled as it calls itself`
  return new Findings(of.name).fault('list', 'notInList', text, advice, host)
}

/** One of them has the other by a name that it has not, so that they compute different dialers. */
function tellNames(a: Seen, b: Seen, ofA: HostReport | undefined, ofB: HostReport | undefined): Finding {
  const tell = (of: Seen, about: Seen, report: HostReport | undefined) => {
    if (report === undefined) return `${of.name} does not have ${about.name} in its list`
    const dials = dialerOf(of.name, report.host) === of.name
    const as = report.host === about.name ? '' : `, which calls itself ${about.name}`
    return dials ? `${of.name} dials ${report.host}${as}` : `${of.name} waits for ${report.host}${as} to dial`
  }
  const texts = [tell(a, b, ofA), tell(b, a, ofB)]
  const bothWait = texts.every((text) => text.includes(' waits for '))
  const text = `${bothWait ? 'both wait for the other one to dial' : 'they know each other by wrong names'}: ${texts.join('; ')}`
  const advice = 'who dials follows from the two names: spell each server in all lists as its own option local has it'
  return new Findings(a.name).fault('pair', bothWait ? 'bothWait' : 'wrongName', text, advice, b.name)
}

/** Neither has the other in its list. */
function tellStrangers(a: Seen, b: Seen): Finding {
  const text = `neither ${a.name} nor ${b.name} has the other one in its list of hosts`
  return new Findings(a.name).fault('list', 'notInList', text, 'give all servers the same list', b.name)
}

function* compareLists(a: Seen, b: Seen): Generator<Finding> {
  const [ofA, ofB] = [a, b].map(({ name, reports }) => new Set([name, ...reports.map(({ host }) => host)])) as [
    Set<string>,
    Set<string>
  ]
  // The two themselves are told of as a pair.
  const missing = (from: ReadonlySet<string>, there: ReadonlySet<string>) =>
    [...there].filter(
      (host) => !from.has(host) && ![a, b].some((each) => each.name === host || each.aliases.includes(host))
    )
  const [missesA, missesB] = [missing(ofA, ofB), missing(ofB, ofA)]
  if (missesA.length + missesB.length === 0) return
  const tell = (name: string, hosts: readonly string[]) =>
    hosts.length === 0 ? [] : [`${name} misses ${hosts.join(', ')}`]
  const text = `the lists of ${a.name} and ${b.name} differ: ${[...tell(a.name, missesA), ...tell(b.name, missesB)].join('; ')}`
  const advice =
    'give all servers the same list, or the same source of it; one that has just changed may be late for some seconds'
  yield new Findings(a.name).fault('list', 'listsDiffer', text, advice, b.name)
}

function tellApart(a: Seen, b: Seen, ofA: HostReport, ofB: HostReport): Finding {
  const isOfA = dialerOf(a.name, b.name) === a.name
  const [dialer, other, report] = isOfA ? [a, b, ofA] : [b, a, ofB]
  return (
    describe(dialer, other.name, report) ??
    tellDown(a.name, b.name, `${dialer.name} dials, and is ${report.state}`, report)
  )
}

/** Of one that could not be looked at. */
function* checkReport(a: Seen, report: HostReport): Generator<Finding> {
  const { host, state } = report
  const dialer = dialerOf(a.name, host)
  if (state === 'connected') yield new Findings(a.name).good('pair', `${dialer} dials, and they are connected`, host)
  else yield describe(a, host, report) ?? tellDown(a.name, host, `${dialer} dials, and ${a.name} is ${state}`, report)
}

/** By the last refusal that a server has seen or given. */
function describe(a: Seen, host: string, { state }: HostReport): Finding | undefined {
  const refusal = a.refusals.get(host)
  const findings = new Findings(a.name)
  if (refusal === undefined) return undefined
  if (refusal.reason === 'authFailed') {
    const text = `${a.name} and ${host} have different secrets, or certificates that do not fit: the proof of one is refused by the other`
    return findings.fault(
      'pair',
      'peersSecret',
      text,
      'give both the same secret; the log of the one that refuses says more',
      host
    )
  }
  if (refusal.reason === 'unknownHost') {
    const [who, whom] = refusal.direction === 'inbound' ? [a.name, host] : [host, a.name]
    const text = `${whom} is not in the list of hosts of ${who}, which therefore refuses it`
    return findings.fault('list', 'notInList', text, `add it to hosts of ${who}, spelled as it calls itself`, host)
  }
  const text = `${a.name} is ${state} with ${host}: the handshake is refused as ${refusal.reason}`
  return findings.fault('pair', 'notConnected', text, 'see the reject reasons in docs/errors.md', host)
}

function tellDown(host: string, peer: string, what: string, { lastError }: HostReport): Finding {
  const why = lastError === undefined ? '' : `: ${printable(lastError)}`
  const text = `${host} and ${peer} are not connected; ${what}${why}`
  return new Findings(host).fault('pair', 'notConnected', text, `look at ${peer} from where ${host} runs`, peer)
}
