/**
 * The frames of a raw peer: sends exact ones, in any order, and keeps every frame that it is sent, over any wire.
 *
 * Made by the naive codec, so that nothing of `lib/` decides what can be said. It answers nothing by itself, pings neither.
 */

import { type Frame, FrameType } from '../../../lib/wire/frame.ts'
import { naiveBatch, naiveDecode } from '../codec/naive.ts'
import { until } from '../until.ts'
import type { RawWire } from './wire.ts'

type FrameOf<Type extends Frame['type']> = Extract<Frame, { type: Type }>

export interface RawFramesOptions {
  /** Negotiated for batches. Default false. */
  readonly checksum?: boolean
  /** Default the naive codec. */
  readonly batch?: (frames: readonly Frame[], checksum: boolean) => Uint8Array
  readonly decode?: (batch: Uint8Array, checksum: boolean) => Frame[]
  /** Gets each frame in place of keeping it. */
  readonly onFrame?: (frame: Frame) => void
}

export class RawFrames {
  /** Every frame that arrived, but for pings. */
  readonly frames: Frame[] = []
  readonly pings: { readonly token: number }[] = []
  readonly wire: RawWire
  readonly #options: Required<RawFramesOptions>

  constructor(wire: RawWire, options: RawFramesOptions = {}) {
    const onFrame = (frame: Frame) => this.#keep(frame)
    this.wire = wire
    this.#options = { checksum: false, batch: naiveBatch, decode: naiveDecode, onFrame, ...options }
    // The end of the wire is the end of it; bytes that the codec refuses are a failure of the spec.
    this.#read()
  }

  /** Sends the frames in one batch. */
  send(...frames: Frame[]): void {
    this.wire.write(this.#options.batch(frames, this.#options.checksum))
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

  #keep(frame: Frame): void {
    if (frame.type === FrameType.ping) this.pings.push(frame)
    else this.frames.push(frame)
  }

  async #read(): Promise<void> {
    const { decode, checksum, onFrame } = this.#options
    for (let batch = await this.wire.read(); batch !== undefined; batch = await this.wire.read()) {
      for (const frame of decode(batch, checksum)) onFrame(frame)
    }
  }
}
