/**
 * The frames of a raw peer: sends exact ones, in any order, and keeps every frame that it is sent, over any wire.
 *
 * Made by the naive codec, so that nothing of `lib/` decides what can be said. It answers nothing by itself.
 */

import { type Frame, FrameType } from '../../../lib/wire/frame.ts'
import { naiveBatch, naiveDecode } from '../codec/naive.ts'
import { until } from '../until.ts'
import type { RawWire } from './wire.ts'

type FrameOf<Type extends Frame['type']> = Extract<Frame, { type: Type }>

export class RawFrames {
  /** Every frame that arrived, pings left out. */
  readonly frames: Frame[] = []
  readonly wire: RawWire
  readonly #checksum: boolean

  /** @param checksum whether it was negotiated for batches */
  constructor(wire: RawWire, checksum = false) {
    this.wire = wire
    this.#checksum = checksum
    // The end of the wire is the end of it; bytes that the naive codec refuses are a failure of the spec.
    this.#read()
  }

  /** Sends the frames in one batch. */
  send(...frames: Frame[]): void {
    this.wire.write(naiveBatch(frames, this.#checksum))
  }

  /** Sends bytes as one message of the conn, without a checksum. */
  sendBytes(bytes: Uint8Array): void {
    this.wire.write(bytes)
  }

  /** The frames of one type that arrived so far. */
  of<Type extends Frame['type']>(type: Type): FrameOf<Type>[] {
    return this.frames.filter((frame): frame is FrameOf<Type> => frame.type === type)
  }

  /** Resolves with the first frame of `type` that satisfies `test`. */
  async frame<Type extends Frame['type']>(
    type: Type,
    test: (frame: FrameOf<Type>) => boolean = () => true
  ): Promise<FrameOf<Type>> {
    await until(() => this.of(type).some(test), `a frame of type ${type}`)
    return this.of(type).find(test) as FrameOf<Type>
  }

  async #read(): Promise<void> {
    for (let batch = await this.wire.read(); batch !== undefined; batch = await this.wire.read()) {
      for (const frame of naiveDecode(batch, this.#checksum)) {
        if (frame.type !== FrameType.ping) this.frames.push(frame)
      }
    }
  }
}
