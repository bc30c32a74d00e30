/**
 * The check behind every spec of calls: when the work is done, both ends count nothing.
 *
 * It reads `stats()` only, and waits a little, for the last frames of a call may still be on their way.
 */

import assert from 'node:assert/strict'
import type { Manager } from '../../../lib/index.ts'
import { until } from '../until.ts'

/** What a live session still holds, in words; empty when that is nothing. */
export function leftovers(manager: Manager): string[] {
  return manager.stats().connections.flatMap(({ host, session }) => {
    if (session === undefined) return []
    const { inboundStreams, outboundStreams, runningHandlers, sendQueueBytes, sendQueueStreams } = session
    const counts = { inboundStreams, outboundStreams, runningHandlers, sendQueueBytes, sendQueueStreams }
    return Object.entries(counts)
      .filter(([, count]) => count !== 0)
      .map(([name, count]) => `${manager.local} has ${count} ${name} with ${host}`)
  })
}

/** No stream is open, no handler runs and nothing waits to be sent, on any of `managers`. */
export async function assertIdle(managers: readonly Manager[], timeoutMs = 15_000): Promise<void> {
  let left: string[] = []
  const idle = () => {
    left = managers.flatMap(leftovers)
    return left.length === 0
  }
  try {
    await until(idle, 'nothing is left', timeoutMs)
  } catch (cause) {
    throw new Error(`something is left: ${left.join(', ')}`, { cause })
  }
}

/** Closes `managers`, all at once; then none has a session any more. */
export async function closeManagers(managers: readonly Manager[], timeout = 2000): Promise<void> {
  await Promise.all(managers.map((manager) => manager.close({ timeout })))
  for (const { local, pendingHandshakes, connections } of managers.map((manager) => manager.stats())) {
    assert.equal(pendingHandshakes, 0, `${local} is in a handshake after its close`)
    for (const { host, state, session } of connections) {
      assert.equal(state, 'closed', `the connection of ${local} to ${host}`)
      assert.equal(session, undefined, `${local} has a session with ${host} after its close`)
    }
  }
}
