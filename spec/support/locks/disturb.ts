/** What befalls the servers of the proof: they are killed, stand still, their conns are cut, and they are cut off. */

import { setTimeout as delay } from 'node:timers/promises'
import { directions } from '../../../lib/extras/testing/index.ts'
import { addOutcomes } from '../calls/load.ts'
import type { Net } from '../network/net.ts'
import { oneOf } from '../random.ts'
import { type Server, startToWork } from './proof.ts'

/** One fault after the other, two at a time at most, so that work goes on; counts them. Each may outlast a grant. */
export async function disturb(
  servers: readonly Server[],
  net: Net,
  random: () => number,
  ttlMs: number,
  faults: Record<string, number>,
  over: AbortSignal
): Promise<void> {
  const pause = (ms: number) => delay(ms, undefined, { signal: over }).catch(() => undefined)
  const done: Record<string, (server: Server) => Promise<void>> = {
    async kill(server) {
      await server.kill()
      await pause(random() * ttlMs)
      await startToWork(server)
    },
    async 'stand still'({ child }) {
      child.signal('SIGSTOP')
      await pause((0.2 + 1.3 * random()) * ttlMs)
      child.signal('SIGCONT')
    },
    async cut({ name }) {
      for (const proxy of net.around(name)) proxy.cut()
    },
    async 'cut off'({ name }) {
      for (const proxy of net.around(name)) proxy.impair({ blackhole: true })
      await pause((0.2 + 1.3 * random()) * ttlMs)
      for (const proxy of net.around(name)) proxy.heal()
    },
    async 'cut off one way'({ name }) {
      const direction = oneOf(random, directions)
      for (const proxy of net.around(name)) proxy.impair({ blackhole: true }, direction)
      await pause((0.2 + 1.3 * random()) * ttlMs)
      for (const proxy of net.around(name)) proxy.heal()
    }
  }
  const busy = new Set<Server>()
  const lane = async () => {
    while (!over.aborted) {
      await pause(2 * random() * ttlMs)
      const server = oneOf(
        random,
        servers.filter((each) => !busy.has(each))
      )
      const fault = oneOf(random, Object.keys(done))
      if (over.aborted) return
      busy.add(server)
      addOutcomes(faults, { [fault]: 1 })
      await done[fault]?.(server)
      busy.delete(server)
    }
  }
  await Promise.all([lane(), lane()])
}
