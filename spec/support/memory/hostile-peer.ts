/** One hostile peer: shakes hands honestly, then sends what it is told to, and keeps no more than it needs of what comes. */

import type { WebSocket } from 'ws'
import type { Limits } from '../../../lib/index.ts'
import { type Frame, FrameType } from '../../../lib/wire/frame.ts'
import { fastBatch, fastDecode } from '../codec/fast.ts'
import { tell } from '../process/obey.ts'
import { enter } from '../raw/dialer.ts'
import type { RawFrames } from '../raw/frames.ts'
import { WebSocketWire } from '../raw/wire.ts'
import { until } from '../until.ts'
import { victimName } from './processes.ts'

/** More is not written while the victim does not take it. */
export const maxUnsentBytes: number = 4 * 1024 * 1024

export class HostilePeer {
  /** What arrived, by stream: opened by the victim, and granted. */
  readonly opened: number[] = []
  readonly granted = new Set<number>()
  /** The attack goes too far, and knows it; otherwise the driver is told when the victim says that a rule was broken. */
  mayBeClosed = false
  #raw!: RawFrames
  #lastId = -1

  /** @param limits of its own, by which the victim sends */
  static async connect(url: string, host: string, limits: Partial<Limits> = {}): Promise<HostilePeer> {
    const peer = new HostilePeer()
    const onFrame = (frame: Frame) => peer.#onFrame(frame)
    const wire = await WebSocketWire.open(url)
    peer.#raw = await enter(
      wire,
      { host, remote: victimName, limits },
      { batch: fastBatch, decode: fastDecode, onFrame }
    )
    return peer
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

  nextIds(length: number): number[] {
    return Array.from({ length }, () => this.nextId())
  }

  cut(): void {
    this.mayBeClosed = true
    this.#raw.wire.cut()
  }

  #onFrame(frame: Frame): void {
    if (frame.type === FrameType.open) this.opened.push(frame.streamId)
    else if (frame.type === FrameType.credit) this.granted.add(frame.streamId)
    else if (frame.type === FrameType.ping && !this.isAmidMessage) this.#raw.send({ ...frame, type: FrameType.pong })
    else if (frame.type === FrameType.goAway && !this.mayBeClosed) tell(`the victim said: ${frame.text}`)
  }
}
