/**
 * Values checked against a schema when they arrive, before anybody sees them.
 *
 * Any schema library will do that speaks Standard Schema, version 1 (https://standardschema.dev): zod, valibot, arktype
 * and others. Knows codecs and nothing of calls.
 */

import { CodecError, InvalidOptionError, ValidationError } from '../base/errors.ts'
import type { Codec } from './codec.ts'

/** A schema, as far as it is used here. A value has one type on both ends, so a schema must not change that. */
export interface Schema<T> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<T> | Promise<SchemaResult<T>>
    readonly types?: { readonly input: T; readonly output: T } | undefined
  }
}

/** The last parameter of a codec, or nothing at all. */
export type GivenSchema<T> = [] | [schema: Schema<T>]

type SchemaResult<T> = { readonly value: T; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] }

interface SchemaIssue {
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/**
 * The same codec, and what it decodes fits the schema; when none was given, the codec itself. The text of an issue is left
 * out of the error: many libraries quote the value in it.
 *
 * @throws {InvalidOptionError} when something was given that is no schema, `undefined` too: nothing must go unchecked by mistake
 */
export function validated<T>(codec: Codec<T>, given: GivenSchema<T>): Codec<T> {
  if (given.length === 0) return codec
  const [schema] = given
  const standard = schema?.['~standard']
  if (standard?.version !== 1 || typeof standard.validate !== 'function') {
    throw new InvalidOptionError('schema must be a Standard Schema of version 1')
  }
  return Object.freeze({
    encode: (value: T) => codec.encode(value),
    decode(bytes: Uint8Array): T {
      const value = codec.decode(bytes)
      const answer = answerOf(standard, value)
      if ('value' in answer) return answer.value
      throw new ValidationError(answer.path)
    },
    readsInPlace: codec.readsInPlace === true
  })
}

/** The value, or where it is wrong. What the schema throws is not even kept as a cause: it may quote the value. */
function answerOf<T>(standard: Schema<T>['~standard'], value: unknown): { value: T } | { path: PropertyKey[] } {
  try {
    const result = standard.validate(value)
    if ('then' in result) {
      // Nobody waits for what comes of it.
      result.then(undefined, () => undefined)
      throw new CodecError('a schema that answers with a promise cannot be used: validate in the handler')
    }
    if (result.issues !== undefined) return { path: Array.from(result.issues[0]?.path ?? [], keyOf) }
    if ('value' in result) return { value: result.value }
  } catch (error) {
    if (error instanceof CodecError) throw error
    throw new CodecError('the schema threw instead of answering')
  }
  throw new CodecError('the schema gave neither a value nor issues')
}

function keyOf(segment: PropertyKey | { readonly key: PropertyKey }): PropertyKey {
  return typeof segment === 'object' ? segment.key : segment
}
