/**
 * Structs, sent as arrays in the order in which their fields are declared: no keys on the wire, types from the declaration.
 *
 * New fields are added at the end, as optional or nullable ones: old senders leave them out, old receivers ignore them. The
 * array itself is msgpack: docs/protocol.md, section "Values".
 */

import { createHash } from 'node:crypto'
import { isBytes } from '../base/bytes.ts'
import { printable } from '../base/text.ts'
import { aRecord, check, objectWith } from '../errors/check.ts'
import { InvalidOptionError } from '../errors/errors.ts'
import { ValidationError } from '../errors/validation-error.ts'
import { Misfit, type Path } from '../msgpack/misfit.ts'
import { decodeMsgpack, pack, toEncodeError } from '../msgpack/msgpack.ts'
import { isValidDate } from '../msgpack/plain.ts'
import { type Codec, readFingerprint } from './codec.ts'
import { type GivenSchema, type Schema, withSchema } from './schema.ts'

/** How one field of a struct is written and read. Made by `field` and `tuple()`. */
export interface Field<T> {
  write(value: T): unknown
  /** `item` is undefined when the sender did not know the field. */
  read(item: unknown): T
  /** As of a codec; with a question mark first where the value may be missing. */
  readonly fingerprint?: string
}

/** A field of fields. */
interface Named {
  named(path: Path): Path
}

/** A field of any type. */
interface AnyField {
  write(value: never): unknown
  read(item: unknown): unknown
}

type Fields = Readonly<Record<string, AnyField>>
type Value<F> = F extends { read(item: unknown): infer T } ? T : never
type OptionalNames<F extends Fields> = { [N in keyof F]: undefined extends Value<F[N]> ? N : never }[keyof F]
type Flat<T> = { [N in keyof T]: T[N] }

/** The type of a struct with these fields. Those that may be `undefined` may be left out. */
export type Struct<F extends Fields> = Flat<
  { -readonly [N in Exclude<keyof F, OptionalNames<F>>]: Value<F[N]> } & {
    -readonly [N in OptionalNames<F>]?: Value<F[N]>
  }
>

/** The type of the values of a codec, such as `Infer<typeof lockArgs>`. */
export type Infer<C> = C extends Codec<infer T> ? T : never

/** Of a longer text a digest is taken: that of structs within structs doubles with each of them. */
const maxStructText = 256

const aField = objectWith('is not a field: use one of `field`, or a tuple() without a schema', 'read', 'write')

function scalar<T>(is: (value: unknown) => boolean, expected: string): Field<T> {
  const check = (value: unknown): T => {
    if (is(value)) return value as T
    throw Misfit.ofField(expected, value)
  }
  return Object.freeze({ write: check, read: check, fingerprint: expected })
}

const bigint = scalar<bigint>((value) => typeof value === 'bigint', 'a bigint')

/** The fields that a struct can have. For a struct within a struct use `tuple()`. */
export const field = Object.freeze({
  string: scalar<string>((value) => typeof value === 'string', 'a string'),
  number: scalar<number>((value) => typeof value === 'number', 'a number'),
  /** An integer of 64 bits, in whatever format it was sent. */
  bigint: Object.freeze<Field<bigint>>({
    write: bigint.write,
    fingerprint: 'a bigint',
    read: (item) => bigint.read(Number.isSafeInteger(item) ? BigInt(item as number) : item)
  }),
  boolean: scalar<boolean>((value) => typeof value === 'boolean', 'a boolean'),
  /** A `Uint8Array`. */
  binary: scalar<Uint8Array>(isBytes, 'a Uint8Array'),
  date: scalar<Date>(isValidDate, 'a valid Date'),
  /** Any value that msgpack can encode. It is not checked. */
  any: <T = unknown>(): Field<T> => scalar<T>(() => true, 'anything'),
  array<T>(of: Field<T>): Field<T[]> {
    check('the argument of field.array()', of, aField)
    return Object.freeze({
      write: (values: T[]) => convert(values, [], of.write),
      // The decoded array belongs to us, so it is changed in place.
      read: (items: unknown) => convert(items, items as T[], of.read),
      named: (path: Path) => (path.length === 0 ? path : [path[0], ...nameKeys(of, path.slice(1))]),
      ...describe('[]', of)
    })
  },
  /** Also `null` when the sender did not know the field. */
  nullable<T>(of: Field<T>): Field<T | null> {
    check('the argument of field.nullable()', of, aField)
    return Object.freeze({
      write: (value: T | null) => (value === null ? null : of.write(value)),
      read: (item: unknown) => (item === null || item === undefined ? null : of.read(item)),
      named: (path: Path) => nameKeys(of, path),
      ...describe('?', of)
    })
  },
  optional
})

/** Without a value, or when the sender did not know the field: `fallback`, or `undefined`. */
function optional<T>(of: Field<T>): Field<T | undefined>
function optional<T>(of: Field<T>, fallback: T): Field<T>
function optional<T>(of: Field<T>, fallback?: T): Field<T | undefined> {
  check('the first argument of field.optional()', of, aField)
  // A handler may change what it receives, so each value gets its own copy. Only objects need one.
  const absent = typeof fallback === 'object' ? () => structuredClone(fallback) : () => fallback
  return Object.freeze({
    write: (value: T | undefined) => (value === undefined ? null : of.write(value)),
    read: (item: unknown) => (item === undefined || item === null ? absent() : of.read(item)),
    named: (path: Path) => nameKeys(of, path),
    ...describe('?', of)
  })
}

/** The fingerprint of a field around another one, where that has one. */
function describe(how: '[]' | '?', of: Pick<Field<never>, 'fingerprint'>): { readonly fingerprint?: string } {
  const fingerprint = readFingerprint(of)
  return fingerprint === undefined ? {} : { fingerprint: how + fingerprint }
}

/** The fingerprint of a struct. Fields at the end that may be missing are added in the course of time, and say nothing. */
function describeStruct(
  names: readonly string[],
  places: readonly Field<unknown>[]
): { readonly fingerprint?: string } {
  const all = places.map(readFingerprint)
  const last = all.findLastIndex((each) => each?.startsWith('?') !== true)
  const parts = all.slice(0, last + 1).map((each, i) => each && [names[i], each])
  if (parts.includes(undefined)) return {}
  const text = JSON.stringify(parts)
  return { fingerprint: `tuple ${text.length > maxStructText ? digest(text) : text}` }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Converts each of `values` into the same index of `into`. */
function convert<T, U>(values: unknown, into: U[], one: (value: T) => U): U[] {
  if (!Array.isArray(values)) throw Misfit.ofField('an array', values)
  let i = 0
  try {
    for (; i < values.length; i++) into[i] = one(values[i])
  } catch (thrown) {
    throw Misfit.under(i, thrown)
  }
  return into
}

/**
 * The codec of a struct, which is sent as an array of its values in the order of `fields`. Values missing at the end are
 * fields that an older sender did not know. Values after the last field are ignored.
 *
 * The declared types are checked: a value that does not match is a `CodecError` when it is encoded, and a `ValidationError`
 * with the path of the field when it is decoded. Without a `schema`, the codec can be a field of another struct.
 *
 * @example
 *
 * ```ts
 * const lockArgs = tuple({ uid: field.string, resources: field.array(field.string), quorum: field.nullable(field.number) })
 * type LockArgs = Infer<typeof lockArgs>
 * const lock = single('lock', { request: lockArgs, response: tuple({ granted: field.boolean }) })
 * ```
 *
 * @throws {InvalidOptionError} when a name would change the order of the fields (a whole number, `__proto__`), when a value
 * is not a field, or when `schema` is not a schema
 */
export function tuple<const F extends Fields>(fields: F): Codec<Struct<F>> & Field<Struct<F>>
export function tuple<const F extends Fields>(fields: F, schema: Schema<Struct<F>>): Codec<Struct<F>>
export function tuple<const F extends Fields>(fields: F, ...schema: GivenSchema<Struct<F>>): Codec<Struct<F>> {
  checkFields(fields)
  const struct = structField<Struct<F>>(Object.keys(fields), Object.values<AnyField>(fields) as Field<unknown>[])
  return Object.freeze({ ...withSchema(structCodec(struct), schema), ...(schema.length === 0 && struct) })
}

/** @throws {InvalidOptionError} */
function checkFields(fields: Fields): void {
  check('the first argument of tuple()', fields, aRecord)
  const wrong = Object.keys(fields).find((name) => /^\d+$/.test(name) || name === '__proto__')
  // What has no prototype itself is the `Object.prototype` of some realm.
  const prototype = Object.getPrototypeOf(fields)
  const isChained = prototype !== null && Object.getPrototypeOf(prototype) !== null
  if (wrong !== undefined || isChained) {
    throw new InvalidOptionError(
      `a field cannot be named ${printable(wrong ?? '__proto__', 64)}: objects do not keep such keys in order`
    )
  }
  for (const [name, place] of Object.entries(fields)) check(printable(name, 64), place, aField)
}

/** A struct as a field: an object of `names`, written as the array of its `places`. */
function structField<T>(names: readonly string[], places: readonly Field<unknown>[]): Field<T> & Named {
  // Names that every object inherits, such as `toString`.
  const isInherited = names.map((name) => name in Object.prototype)
  const asArray = `an array of ${names.length} ${names.length === 1 ? 'field' : 'fields'}`
  const nameAt = (i: number) => names[i] as string
  const placeAt = (i: number) => places[i] as Field<unknown>
  const propertyAt = (value: object, i: number): unknown =>
    isInherited[i] === true && !Object.hasOwn(value, nameAt(i))
      ? undefined
      : (value as Record<string, unknown>)[nameAt(i)]
  return {
    write(value) {
      if (typeof value !== 'object' || value === null) throw Misfit.ofField('an object', value)
      const items: unknown[] = []
      let i = 0
      try {
        for (; i < places.length; i++) items.push(placeAt(i).write(propertyAt(value, i)))
      } catch (thrown) {
        throw Misfit.reading(nameAt(i), thrown)
      }
      return items
    },
    read(items) {
      if (!Array.isArray(items)) throw Misfit.ofField(asArray, items)
      const value: Record<string, unknown> = {}
      let i = 0
      try {
        for (; i < places.length; i++) value[nameAt(i)] = placeAt(i).read(items[i])
      } catch (thrown) {
        throw Misfit.under(nameAt(i), thrown)
      }
      return value as T
    },
    named: (path) =>
      path.length === 0 ? path : [nameAt(Number(path[0])), ...nameKeys(placeAt(Number(path[0])), path.slice(1))],
    ...describeStruct(names, places)
  }
}

/** A path within what was written, by the names of the fields in place of their places. */
function nameKeys(of: AnyField, path: Path): Path {
  return (of as AnyField & Partial<Named>).named?.(path) ?? path
}

function structCodec<T>(struct: Field<T>): Codec<T> {
  const { read } = struct
  const writeItems = (value: T): unknown => {
    try {
      return struct.write(value)
    } catch (thrown) {
      throw toEncodeError(thrown)
    }
  }
  return {
    encode(value) {
      const items = writeItems(value)
      try {
        return pack(items)
      } catch (thrown) {
        throw toEncodeError(Misfit.is(thrown) ? new Misfit(thrown.fault, nameKeys(struct, thrown.path)) : thrown)
      }
    },
    decode(bytes) {
      const items = decodeMsgpack(bytes)
      try {
        return read(items)
      } catch (thrown) {
        throw Misfit.is(thrown) ? new ValidationError(thrown.path, thrown.kinds) : thrown
      }
    },
    readsInPlace: true,
    ...(struct.fingerprint === undefined ? {} : { fingerprint: struct.fingerprint })
  }
}
