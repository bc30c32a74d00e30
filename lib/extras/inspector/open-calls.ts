/** What every server says of its open calls, of those that wait longest: they are asked where the counts say that one waits. */

import type { StreamsOptions } from '../../index.ts'
import type { Told } from './lanes.ts'
import { freshOf, type Seen } from './matrix.ts'
import { streamsIn } from './shapes.ts'
import type { Watcher } from './watcher.ts'

/** Calls that wait so long are looked at, each second. */
const askedWaitMs = 500
/** Streams that are only quiet are looked for at every such tick. */
const quietTicks = 5
/** Open calls that are asked for at one server: those that wait longest. */
const streamsAsked = 200
const streamsTimeoutMs = 3000

export class OpenCalls {
  told: readonly Told[] = []
  #isAsking = false
  #ticks = 0

  async ask(seen: Seen): Promise<void> {
    if (this.#isAsking) return
    this.#isAsking = true
    const isTurnOfAll = this.#ticks++ % quietTicks === 0
    const asked = freshOf(seen).filter((watcher) => isTurnOfAll || waits(watcher))
    const answers = await Promise.all(asked.map((watcher) => streamsOf(watcher, { max: streamsAsked })))
    const others = this.told.filter(({ server }) => !asked.some(({ host }) => host === server))
    this.told = [...(isTurnOfAll ? [] : others), ...answers.flat()]
    this.#isAsking = false
  }
}

/** Whether a call at this server has waited for a while, by the counts that it tells: then one looks which. */
function waits({ connections }: Watcher): boolean {
  for (const { waits: counts } of connections.values()) {
    for (const { oldestMs = 0 } of Object.values(counts)) if (oldestMs >= askedWaitMs) return true
  }
  return false
}

/** The open calls of a server; none where it does not answer. */
export async function streamsOf(
  watcher: Watcher,
  options: StreamsOptions & { readonly host?: string }
): Promise<readonly Told[]> {
  try {
    const infos = streamsIn(await watcher.calls.streams(options, { timeout: streamsTimeoutMs })).slice(0, options.max)
    const at = Date.now()
    return infos.map((info) => ({ server: watcher.host, info, at }))
  } catch {
    // What it does not tell is not known; that it does not answer is told by its figures.
    return []
  }
}
