/** Two processes that storm each other with calls, over one conn that the other one dials. */

import type { Limits } from '../../../lib/index.ts'
import { LogBook, namesInOrder } from '../grid/manager.ts'
import { assertIdle } from '../grid/nothing-left.ts'
import { Child } from '../process/child.ts'
import { startServer } from '../process/server.ts'
import { until } from '../until.ts'
import { addOutcomes, type Outcomes } from './load.ts'
import type { StormPeerInit, StormPeerWords } from './storm-peer.ts'
import { callsAtOnce, restMs, serveStorms, storm, unexpected } from './storms.ts'

const script = new URL('./storm-peer.ts', import.meta.url)
/** A storm at the default limits, on a machine that does much else. */
const stormMs = 600_000
const [peerName, ownName] = namesInOrder()

export type StormPair = Awaited<ReturnType<typeof openStormPair>>

/** Resolves when both are connected. */
export async function openStormPair(limits: Pick<Limits, 'maxInboundStreams' | 'maxIdleFramesPerSecond'>) {
  const log = new LogBook()
  const hosts = [ownName, peerName]
  const { manager, words } = startServer({ local: ownName, hosts }, { limits, logger: log })
  serveStorms(manager)
  const { port } = await words.listening()
  const urls = { [ownName]: `http://127.0.0.1:${port}` }
  const init: StormPeerInit = { local: peerName, hosts, driver: ownName, limits, urls }
  const peer = new Child<StormPeerWords>(script, init, { answerMs: stormMs })
  const connection = manager.connection(peerName)
  await until(() => connection.state === 'connected', 'the peer has connected', restMs)
  return {
    /** Each process storms the other one at the same time, with as many calls as it may. Returns how these ended. */
    async round(name: string): Promise<Outcomes> {
      const count = callsAtOnce(name, limits.maxInboundStreams)
      const sum: Record<string, number> = {}
      const both = [storm(name, connection, count), peer.ask('storm', name, count)]
      for (const outcomes of await Promise.all(both)) addOutcomes(sum, outcomes)
      return sum
    },

    /** What went wrong in a round that ended so: calls that ended in another way than they may, or a conn that was closed. */
    problems(name: string, outcomes: Outcomes): string[] {
      const found = unexpected(name, outcomes)
      if (connection.stats().reconnects > 0) found.push(`the conn was closed: ${log.lines.join('; ')}`)
      return found
    },

    /** Resolves when nothing of the storms is left in either process. */
    async rest(): Promise<void> {
      await Promise.all([assertIdle([manager], restMs), peer.ask('rest')])
    },

    async [Symbol.asyncDispose](): Promise<void> {
      await peer.kill()
      await words.close(1)
    }
  }
}
