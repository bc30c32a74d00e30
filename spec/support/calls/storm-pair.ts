/** Two processes that storm each other with calls, over one conn that the other one dials. */

import type { Connection, Limits } from '../../../lib/index.ts'
import { LogBook, namesInOrder } from '../grid/manager.ts'
import { assertIdle } from '../grid/nothing-left.ts'
import { Child } from '../process/child.ts'
import { startServer } from '../process/server.ts'
import { until } from '../until.ts'
import type { StormPeerInit, StormPeerWords } from './storm-peer.ts'
import { callsAtOnce, type Outcomes, restMs, serveStorms, storm, unexpected } from './storms.ts'

const script = new URL('./storm-peer.ts', import.meta.url)
/** A storm at the default limits, on a machine that does much else. */
const stormMs = 600_000
const [peerName, ownName] = namesInOrder()

export class StormPair implements AsyncDisposable {
  readonly #maxInboundStreams: number
  readonly #log = new LogBook()
  readonly #own: ReturnType<typeof startServer>
  readonly #connection: Connection
  #peer: Child<StormPeerWords> | undefined

  private constructor(limits: Pick<Limits, 'maxInboundStreams'>) {
    this.#maxInboundStreams = limits.maxInboundStreams
    this.#own = startServer({ local: ownName, hosts: [ownName, peerName] }, { limits, logger: this.#log })
    serveStorms(this.#own.manager)
    this.#connection = this.#own.manager.connection(peerName)
  }

  /** Resolves when both are connected. */
  static async open(limits: Pick<Limits, 'maxInboundStreams' | 'maxIdleFramesPerSecond'>): Promise<StormPair> {
    const pair = new StormPair(limits)
    const { port } = await pair.#own.words.listening()
    const init: StormPeerInit = {
      ...{ local: peerName, hosts: [ownName, peerName], driver: ownName, limits },
      urls: { [ownName]: `http://127.0.0.1:${port}` }
    }
    pair.#peer = new Child<StormPeerWords>(script, init, { answerMs: stormMs })
    await until(() => pair.#connection.state === 'connected', 'the peer has connected', restMs)
    return pair
  }

  /** Each process storms the other one at the same time, with as many calls as it may. Returns how these ended. */
  async round(name: string): Promise<Outcomes> {
    const count = callsAtOnce(name, this.#maxInboundStreams)
    const both = [storm(name, this.#connection, count), this.#peer?.ask('storm', name, count)]
    const sum: Outcomes = {}
    for (const outcomes of await Promise.all(both)) addOutcomes(sum, outcomes ?? {})
    return sum
  }

  /** What went wrong in a round that ended so: calls that ended in another way than they may, or a conn that was closed. */
  problems(name: string, outcomes: Outcomes): string[] {
    const found = unexpected(name, outcomes)
    if (this.#connection.stats().reconnects > 0) found.push(`the conn was closed: ${this.#log.lines.join('; ')}`)
    return found
  }

  /** Resolves when nothing of the storms is left in either process. */
  async rest(): Promise<void> {
    await Promise.all([assertIdle([this.#own.manager], restMs), this.#peer?.ask('rest')])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#peer?.kill()
    await this.#own.words.close(1)
  }
}

export function addOutcomes(sum: Outcomes, outcomes: Readonly<Outcomes>): void {
  for (const [outcome, count] of Object.entries(outcomes)) sum[outcome] = (sum[outcome] ?? 0) + count
}
