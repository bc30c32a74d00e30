/**
 * One hostile peer, one way of attack after the other, and what the victim holds at the worst, beside what the page allows.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { mib } from '../../../benchmarks/harness/memory.ts'
import { table } from '../../../benchmarks/harness/table.ts'
import { defaultLimits, type Limits } from '../../../lib/index.ts'
import { Outcome } from '../gate.ts'
import { until } from '../until.ts'
import { pageBound } from './formula.ts'
import { type Attackers, capacity, downloadBytes, type ShapeName, type Victim } from './processes.ts'

/** Small, so that the worst fits a spec. */
export const smallLimits: Limits = {
  ...defaultLimits,
  maxMessageBytes: 128 * 1024,
  streamWindowBytes: 64 * 1024,
  maxInboundStreams: 30,
  maxHandlers: 256,
  maxMetadataBytes: 4096
}

/** Smaller still, for many peers at once. */
export const tinyLimits: Limits = {
  ...smallLimits,
  maxMessageBytes: 64 * 1024,
  streamWindowBytes: 32 * 1024,
  maxInboundStreams: 10
}

/** What the process holds beside all peers comes and goes by that much: compiled code, caches. */
export const slackBytes: number = 2 * 1024 * 1024
/** An attack without an end is looked at so many times. */
const looks = 5

export type Worst = Awaited<ReturnType<typeof worstOf>>

/** What the page allows a victim to hold for so many peers, in this shape of attack. */
export function boundOf(shape: ShapeName | 'mixed', limits: Limits, peers: number): number {
  const calls = limits.maxInboundStreams
  const outbound = shape === 'answers' ? calls : 0
  const inbound = shape === 'answers' || shape === 'table' || shape === 'slowly' ? 0 : calls
  const numbers = {
    ...limits,
    capacity,
    'inbound calls': inbound,
    'inbound streams': ['windows', 'beyond', 'fragments', 'crumbs', 'mixed'].includes(shape) ? inbound : 0,
    'outbound streams': outbound,
    'outbound requests': outbound,
    'open calls': ['unread', 'flapping', 'floods', 'mixed'].includes(shape) ? inbound : 0,
    'largest message': downloadBytes
  }
  return peers * pageBound('peer', numbers) + slackBytes
}

export async function worstOf(shape: ShapeName, victim: Victim, attackers: Attackers, limits: Limits) {
  const { url, attackers: hosts, child } = victim
  await attackers.attack({ url, hosts, limits, shape: 'none' })
  const before = await victim.rested(0)
  const started = new Outcome(attackers.attack({ url, hosts, limits, shape }))
  if (shape === 'answers') {
    await until(async () => (await child.ask('measure')).sessions > 0, 'the attacker is connected', 30_000)
    await child.ask('call', limits.maxInboundStreams)
  }
  await started.done
  if (started.failed) throw started.error
  let worst = await child.ask('measure')
  for (let i = 0; i < looks; i++) {
    await delay(50)
    const now = await child.ask('measure')
    if (now.bytes > worst.bytes) worst = now
  }
  attackers.assertNoFault()
  return {
    shape,
    heldBytes: worst.bytes - before.bytes,
    /** What the page allows for one peer and so many calls. */
    boundBytes: boundOf(shape, limits, 1),
    inboundCalls: worst.runningHandlers,
    outboundCalls: worst.outboundStreams
  }
}

export function worstTable(rows: readonly Worst[]): string {
  const header = ['attack', 'held', 'bound', 'calls in', 'calls out']
  const cells = rows.map((row) => [
    row.shape,
    mib(row.heldBytes),
    mib(row.boundBytes),
    row.inboundCalls,
    row.outboundCalls
  ])
  return table(header, cells)
}
