/**
 * Checks received values against a schema before a handler or caller gets them.
 *
 * Works with each schema library that implements Standard Schema, version 1 (https://standardschema.dev): zod, valibot,
 * arktype and others. Knows codecs, not calls.
 */

import { describeValue } from '../base/text.ts'
import { CodecError, InvalidOptionError } from '../errors/errors.ts'
import { ValidationError } from '../errors/validation-error.ts'
import type { Codec } from './codec.ts'

/** The part of a schema that is used here. Input and output have one type, since a value has the same type on both ends. */
export interface Schema<T> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<T> | Promise<SchemaResult<T>>
    readonly types?: { readonly input: T; readonly output: T } | undefined
  }
}

/** The last parameter of a codec, which may be left out. */
export type GivenSchema<T> = [] | [schema: Schema<T>]

type SchemaResult<T> = { readonly value: T; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] }

interface SchemaIssue {
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/**
 * A codec that also checks decoded values against the schema; without a schema, the codec itself. The error leaves out the
 * messages of the issues: many libraries quote the value in them.
 *
 * @throws {InvalidOptionError} when the argument is not a schema, also for `undefined`: no value must go unchecked by mistake
 */
export function withSchema<T>(codec: Codec<T>, given: GivenSchema<T>): Codec<T> {
  if (given.length === 0) return codec
  const [schema] = given
  const standard = schema?.['~standard']
  if (standard?.version !== 1 || typeof standard.validate !== 'function') {
    throw new InvalidOptionError(`schema must be a Standard Schema of version 1; it is ${describeValue(schema)}`)
  }
  return Object.freeze({
    encode: (value: T) => codec.encode(value),
    decode(bytes: Uint8Array): T {
      const value = codec.decode(bytes)
      const answer = validate(standard, value)
      if ('value' in answer) return answer.value
      throw new ValidationError(answer.path)
    },
    readsInPlace: codec.readsInPlace === true,
    // Not of the schema: one end may check less, and the bytes are the same.
    ...(codec.fingerprint === undefined ? {} : { fingerprint: codec.fingerprint })
  })
}

/** The value, or the path to what is wrong. An error thrown by the schema may quote the value: it is not kept as the cause. */
function validate<T>(standard: Schema<T>['~standard'], value: unknown): { value: T } | { path: PropertyKey[] } {
  try {
    const result = standard.validate(value)
    if ('then' in result) {
      // The promise is not awaited.
      result.then(undefined, () => undefined)
      throw new CodecError('a schema that returns a promise cannot be used: validate in the handler')
    }
    if (result.issues !== undefined) return { path: Array.from(result.issues[0]?.path ?? [], toKey) }
    if ('value' in result) return { value: result.value }
  } catch (error) {
    if (CodecError.is(error)) throw error
    throw new CodecError('the schema threw an error')
  }
  throw new CodecError('the schema returned neither a value nor issues')
}

function toKey(segment: PropertyKey | { readonly key: PropertyKey }): PropertyKey {
  return typeof segment === 'object' ? segment.key : segment
}
