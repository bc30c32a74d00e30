/** One hostile peer: shakes hands honestly, then sends what it is told to, and keeps no more than it needs of what comes. */

import type { WebSocket } from 'ws'
import type { Limits } from '../../../lib/index.ts'
import { helloKinds } from '../../../lib/peer/hello.ts'
import { type Frame, FrameType } from '../../../lib/wire/frame.ts'
import { fastBatch, fastDecode } from '../codec/fast.ts'
import { RawDialer } from '../raw/dialer.ts'
import type { RawFrames } from '../raw/frames.ts'
import type { WebSocketWire } from '../raw/wire.ts'
import { until } from '../until.ts'
import { victimName } from './processes.ts'

/** More is not written while the victim does not take it. */
export const maxUnsentBytes: number = 4 * 1024 * 1024

export class HostilePeer {
  /** What arrived, by stream: opened by the victim, and granted. */
  readonly opened: number[] = []
  readonly granted = new Set<number>()
  /** The attack goes too far, and knows it. */
  mayBeClosed = false
  readonly #raw: RawFrames
  readonly #onFault: (error: unknown) => void
  #lastId = -1

  private constructor(dialer: RawDialer, onFault: (error: unknown) => void) {
    this.#onFault = onFault
    this.#raw = dialer.frames({ batch: fastBatch, decode: fastDecode, onFrame: (frame) => this.#onFrame(frame) })
  }

  /**
   * @param announced limits of its own, by which the victim sends
   * @param onFault is told when the victim says that a rule was broken where none was meant to be
   */
  static async connect(
    url: string,
    host: string,
    announced: Partial<Limits>,
    onFault: (error: unknown) => void
  ): Promise<HostilePeer> {
    const dialer = await RawDialer.open(url)
    const answer = await dialer.shakeHands({ host, remote: victimName, limits: announced })
    if (answer?.[0] !== helloKinds.accept) throw new Error(`${host} was refused`)
    return new HostilePeer(dialer, onFault)
  }

  /** Set while it writes to the socket by itself: what else is sent would stand amid that. */
  isAmidMessage = false

  get ws(): WebSocket {
    return (this.#raw.wire as WebSocketWire).ws
  }

  /** Sends a batch, as the victim takes it. */
  async send(...frames: Frame[]): Promise<void> {
    this.#raw.send(...frames)
    const isTaken = () => this.ws.bufferedAmount < maxUnsentBytes || this.#raw.wire.closed
    if (!isTaken()) await until(isTaken, 'the victim reads', 60_000)
  }

  nextId(): number {
    this.#lastId += 2
    return this.#lastId
  }

  cut(): void {
    this.mayBeClosed = true
    this.#raw.wire.cut()
  }

  #onFrame(frame: Frame): void {
    if (frame.type === FrameType.open) this.opened.push(frame.streamId)
    else if (frame.type === FrameType.credit) this.granted.add(frame.streamId)
    else if (frame.type === FrameType.ping) this.#answerPing(frame)
    else if (frame.type === FrameType.goAway && !this.mayBeClosed) {
      this.#onFault(new Error(`the victim said: ${frame.text}`))
    }
  }

  #answerPing(ping: Frame): void {
    if (!this.isAmidMessage) this.#raw.send({ ...ping, type: FrameType.pong } as Frame)
  }
}
