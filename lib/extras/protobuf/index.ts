/**
 * `it-grid/protobuf`: messages of `@bufbuild/protobuf` as payloads, requests and responses, for those who have `.proto` files.
 *
 * Of a service it knows nothing: a handler is a definition as ever, whose codecs are these.
 */

import { type DescMessage, fromBinary, isMessage, type MessageShape, toBinary } from '@bufbuild/protobuf'
import { type Codec, CodecError, InvalidOptionError } from '../../index.ts'

/**
 * The codec of a message, by the schema that `protoc-gen-es` generates: `request: protobuf(ListTodosSchema)`. Its fingerprint is
 * the full name of the message, for fields may come and go; two servers that mean different messages are told so.
 *
 * @throws {InvalidOptionError} when `schema` is none of a message
 */
export function protobuf<Desc extends DescMessage>(schema: Desc): Codec<MessageShape<Desc>> {
  if (schema?.kind !== 'message' || typeof schema.typeName !== 'string') {
    throw new InvalidOptionError('protobuf() takes the schema of a message, such as TodoSchema of todo_pb.js')
  }
  const { typeName, name } = schema
  return Object.freeze({
    encode(value: MessageShape<Desc>): Uint8Array {
      if (isMessage(value, schema)) return write(schema, value)
      const given = isMessage(value) ? `it is a ${value.$typeName}` : `make it with create(${name}Schema, { ... })`
      throw new TypeError(`the value must be a message ${typeName}; ${given}`)
    },
    decode(bytes: Uint8Array): MessageShape<Desc> {
      try {
        return fromBinary(schema, bytes)
      } catch (cause) {
        throw new CodecError(`these bytes are no ${typeName}: ${cause instanceof Error ? cause.message : cause}`, {
          cause
        })
      }
    },
    fingerprint: typeName
  })
}

/** The text of a `FieldError` ends with the value, which may be a secret. */
function write<Desc extends DescMessage>(schema: Desc, value: MessageShape<Desc>): Uint8Array {
  try {
    return toBinary(schema, value)
  } catch (cause) {
    const text = cause instanceof Error ? cause.message.replace(/ to binary: .*/s, '') : 'a property threw when read'
    throw new TypeError(`the value is no ${schema.typeName}: ${text}`)
  }
}
