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

export type RawFrames = ReturnType<typeof rawFrames>

export function rawFrames(wire: RawWire, options: RawFramesOptions = {}) {
  const { checksum = false, batch = naiveBatch, decode = naiveDecode } = options
  /** Every frame that arrived, but for pings. */
  const frames: Frame[] = []
  const pings: { readonly token: number }[] = []
  const keep = (frame: Frame) => void (frame.type === FrameType.ping ? pings.push(frame) : frames.push(frame))
  const { onFrame = keep } = options
  const read = async () => {
    for (let message = await wire.read(); message !== undefined; message = await wire.read()) {
      for (const frame of decode(message, checksum)) onFrame(frame)
    }
  }
  // The end of the wire is the end of it; bytes that the codec refuses are a failure of the spec.
  read()

  /** The frames of one type that arrived so far. */
  const of = <Type extends Frame['type']>(type: Type): FrameOf<Type>[] =>
    frames.filter((frame): frame is FrameOf<Type> => frame.type === type)

  return {
    ...{ wire, frames, pings, of },

    /** Sends the frames in one batch. */
    send: (...frames: Frame[]) => wire.write(batch(frames, checksum)),

    /** Sends bytes as one message of the conn, without a checksum. */
    sendBytes: (bytes: Uint8Array) => wire.write(bytes),

    /** Resolves with the first frame of `type` that satisfies `test`. */
    async frame<Type extends Frame['type']>(
      type: Type,
      test: (frame: FrameOf<Type>) => boolean = () => true
    ): Promise<FrameOf<Type>> {
      await until(() => of(type).some(test), `a frame of type ${type}`)
      return of(type).find(test) as FrameOf<Type>
    }
  }
}
