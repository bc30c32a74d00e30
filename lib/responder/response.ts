/** What a single handler returned: its payload, or what becomes of it where nobody wants it. */

import { types } from 'node:util'
import { isBytes } from '../base/bytes.ts'
import { shieldWithin } from '../base/promise.ts'
import { type Codec, rawBytes } from '../codec/codec.ts'
import { encodePayload } from '../codec/payload.ts'
import { CodecError } from '../errors/errors.ts'
import { releaseStream } from '../producer/stream-source.ts'

const generatorText = 'the value cannot be encoded: response is a generator: use streaming()'

/** @throws {CodecError} */
export function encodeResponse(codec: Codec<unknown>, value: unknown): Uint8Array {
  if (codec === rawBytes && isBytes(value)) return value
  if (types.isGeneratorObject(value)) throw new CodecError(generatorText)
  return encodePayload(codec, value, 'response')
}

export function dropResponse(value: unknown): void {
  releaseStream(value)
  shieldWithin(value)
}
