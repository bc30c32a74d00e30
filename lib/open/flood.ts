/**
 * When a peer sends a flood, and when it just has much to say. docs/protocol.md, section "Floods".
 *
 * What ordinary calls give rise to is paid for by their streams, however much of it crosses on the wire and arrives late.
 * Only frames that no call accounts for are counted by the second.
 */

import { ProtocolError } from '../errors/errors.ts'
import { markBytes } from '../errors/options.ts'
import { Rate } from '../time/rate.ts'

/** A PING after so many bytes since the last such PING is one behind bulk. */
const bulkBytes = markBytes / 2

export class FloodGuard {
  readonly #maxPerSecond: number
  readonly #idleFrames: Rate
  /** RESETs that streams have paid for. */
  #paidResets = 0
  #pingedAtBytes = 0

  constructor(maxIdleFramesPerSecond: number) {
    this.#maxPerSecond = maxIdleFramesPerSecond
    this.#idleFrames = new Rate(maxIdleFramesPerSecond)
  }

  /**
   * A frame arrived that costs work and moves no call forward.
   *
   * @throws {ProtocolError} when there are more of them than `maxIdleFramesPerSecond`
   */
  countIdleFrame(): void {
    if (this.#idleFrames.count()) return
    const text = `a flood: too many frames that move no call on; ${this.#maxPerSecond} a second are allowed`
    throw new ProtocolError(text, { reason: 'flood' })
  }

  /**
   * A PING arrived, after `bytes` in all. Returns whether it is one behind bulk, which is paid for by that.
   *
   * @throws {ProtocolError} as `countIdleFrame`, for others
   */
  countPing(bytes: number): boolean {
    const isBehindBulk = bytes - this.#pingedAtBytes >= bulkBytes
    if (isBehindBulk) this.#pingedAtBytes = bytes
    else this.countIdleFrame()
    return isBehindBulk
  }

  /**
   * A RESET arrived, of a stream that is open or over.
   *
   * @param accountedFor how many the streams so far may give rise to
   * @throws {ProtocolError} as `countIdleFrame`, for those that no stream has paid for
   */
  countReset(accountedFor: number): void {
    if (this.#paidResets < accountedFor) this.#paidResets++
    else this.countIdleFrame()
  }
}
