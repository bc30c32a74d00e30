/**
 * Many hostile peers, each in another way, against one manager, while two honest ones call it at a steady pace.
 *
 * Says what the honest ones got before and meanwhile, and what the victim held.
 */

import { mib } from '../../../benchmarks/harness/memory.ts'
import { table } from '../../../benchmarks/harness/table.ts'
import type { Limits } from '../../../lib/index.ts'
import { boundOf } from './bound.ts'
import type { HonestResult } from './honest.ts'
import { Attackers, startHonest, startVictim } from './processes.ts'

export type Crowd = Awaited<ReturnType<typeof crowd>>

export interface CrowdOptions {
  readonly peers: number
  /** Processes that the hostile peers are in. */
  readonly processes: number
  readonly limits: Limits
  /** Each honest peer makes a call so often, for so long. */
  readonly everyMs: number
  readonly forMs: number
}

const honestPeers = 2

export async function crowd({ peers, processes, limits, everyMs, forMs }: CrowdOptions) {
  const victim = await startVictim(limits, peers, honestPeers)
  const honest = startHonest()
  const attacks = Array.from({ length: processes }, () => new Attackers())
  try {
    const { url } = victim
    const call = () => honest.ask('call', url, victim.honest, everyMs, forMs)
    const alone = await call()
    const before = await victim.rested(honestPeers)
    const parts = attacks.map((_, n) => victim.attackers.filter((_, i) => i % processes === n))
    const started = Promise.all(
      attacks.map((attack, n) => attack.attack({ url, hosts: parts[n] ?? [], shape: 'mixed', limits }))
    )
    // While they come, and when they are there.
    const arriving = await call()
    await started
    const attacked = await call()
    const held = await victim.child.ask('measure')
    for (const attack of attacks) attack.assertNoFault()
    return {
      alone,
      attacked: arriving.answered / arriving.calls < attacked.answered / attacked.calls ? arriving : attacked,
      heldBytes: held.bytes - before.bytes,
      boundBytes: boundOf('mixed', limits, peers),
      /** Sessions that the victim had with hostile peers when they had sent all that they could. */
      sessions: held.sessions - honestPeers
    }
  } finally {
    await Promise.all([...attacks, { child: honest }, victim].map(({ child }) => child.kill()))
  }
}

export function crowdTable({ alone, attacked, heldBytes, boundBytes, sessions }: Crowd, peers: number): string {
  const row = (name: string, { calls, answered, perSecond, p50Ms, p99Ms, maxMs }: HonestResult) => {
    const times = [p50Ms, p99Ms, maxMs].map((ms) => ms.toFixed(1))
    return [name, calls, answered, perSecond.toFixed(0), ...times]
  }
  const header = ['honest calls', 'made', 'answered', 'a second', 'p50 ms', 'p99 ms', 'max ms']
  const bytes = `${mib(heldBytes)}, allowed ${mib(boundBytes)}`
  return `${table(header, [row('alone', alone), row(`beside ${peers}`, attacked)])}
held for ${sessions} sessions of ${peers} hostile peers: ${bytes}`
}
