/** A mesh of processes: `member.ts` on ports of loopback that were free a moment ago, for a server that comes back needs its old one. */

import { freePort } from '../../examples/free-port.ts'
import { Child } from '../harness/commands.ts'
import type { MemberCommands } from './member.ts'

const script = new URL('./member.ts', import.meta.url)

/** A mesh of so many, none of which runs yet, of the build in the folder `library`; '' for this one. */
export async function meshOf(size: number, library: string) {
  const names = new Set<string>()
  while (names.size < size) names.add(`http://127.0.0.1:${await freePort()}`)
  const hosts: readonly string[] = [...names]
  const members = new Map<string, Child<MemberCommands>>()
  return {
    hosts,
    members,
    /** Starts these, and tells how long it took from the moment in which the last of them listened. */
    async untilWhole(locals = hosts): Promise<number> {
      for (const local of locals) members.set(local, new Child(script, [library, local, ...hosts]))
      const all = await Promise.all(locals.map((local) => (members.get(local) as Child<MemberCommands>).ask('whole')))
      return Math.max(...all.map(({ wholeMs }) => wholeMs)) - Math.max(...all.map(({ listeningMs }) => listeningMs))
    },
    async stop(locals = hosts): Promise<void> {
      await Promise.all(locals.map((local) => members.get(local)?.stop()))
    }
  }
}
