/** One hostile peer: shakes hands honestly, then sends what it is told to, and keeps no more than it needs of what comes. */

import type { WebSocket } from 'ws'
import type { Limits } from '../../../lib/index.ts'
import { helloKinds } from '../../../lib/peer/hello.ts'
import { type Frame, FrameType } from '../../../lib/wire/frame.ts'
import { fastBatch, fastDecode } from '../codec/fast.ts'
import { RawDialer } from '../raw/dialer.ts'
import type { WebSocketWire } from '../raw/wire.ts'
import { until } from '../until.ts'
import type { ToAttacker } from './messages.ts'

/** More is not written while the victim does not take it. */
export const maxUnsentBytes: number = 4 * 1024 * 1024

export class HostilePeer {
  readonly limits: Limits
  readonly #dialer: RawDialer
  #lastId = -1
  /** What arrived, by stream: opened by the victim, and granted. */
  readonly opened: number[] = []
  readonly granted = new Set<number>()
  over = false
  /** The attack goes too far, and knows it. */
  mayBeClosed = false

  readonly #onFault: (error: unknown) => void

  private constructor(dialer: RawDialer, limits: Limits, onFault: (error: unknown) => void) {
    this.#dialer = dialer
    this.limits = limits
    this.#onFault = onFault
  }

  /**
   * @param announced limits of its own, by which the victim sends
   * @param onFault is told when the victim says that a rule was broken where none was meant to be
   */
  static async connect(
    { url, limits }: ToAttacker,
    host: string,
    announced: Partial<Limits>,
    onFault: (error: unknown) => void
  ): Promise<HostilePeer> {
    const dialer = await RawDialer.open(url)
    const answer = await dialer.shakeHands({ host, remote: url, limits: announced })
    if (answer?.[0] !== helloKinds.accept) throw new Error(`${host} was refused`)
    const peer = new HostilePeer(dialer, limits, onFault)
    peer.#read().catch(onFault)
    return peer
  }

  get ws(): WebSocket {
    return (this.#dialer.wire as WebSocketWire).ws
  }

  /** Sends a batch, as the victim takes it. */
  async send(...frames: Frame[]): Promise<void> {
    this.#dialer.write(fastBatch(frames, true))
    const isTaken = () => this.ws.bufferedAmount < maxUnsentBytes || this.over
    if (!isTaken()) await until(isTaken, 'the victim reads', 60_000)
  }

  nextId(): number {
    this.#lastId += 2
    return this.#lastId
  }

  open(streamId: number, handler: number, payload: Uint8Array, flags = 0, metadata?: Uint8Array): Frame {
    return { type: FrameType.open, flags, streamId, handler, timeoutMs: 0, metadata, payload }
  }

  data(streamId: number, payload: Uint8Array, flags = 0): Frame {
    return { type: FrameType.data, flags, streamId, payload }
  }

  async #read(): Promise<void> {
    for (let batch = await this.#dialer.read(); batch !== undefined; batch = await this.#dialer.read()) {
      for (const frame of fastDecode(batch, true)) this.#onFrame(frame)
    }
    this.over = true
  }

  #onFrame(frame: Frame): void {
    if (frame.type === FrameType.open) this.opened.push(frame.streamId)
    else if (frame.type === FrameType.credit) this.granted.add(frame.streamId)
    else if (frame.type === FrameType.ping) this.#dialer.write(fastBatch([{ ...frame, type: FrameType.pong }], true))
    else if (frame.type === FrameType.goAway && !this.mayBeClosed) {
      this.#onFault(new Error(`the victim said: ${frame.text}`))
    }
  }

  cut(): void {
    this.mayBeClosed = true
    this.#dialer.cut()
  }
}
