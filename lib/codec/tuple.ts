/**
 * Structs as arrays, in the order in which their fields are declared: no keys on the wire, and the types follow from the
 * declaration.
 *
 * A struct grows at its end: a field that is added later is optional or nullable, for old senders leave it out, and old
 * receivers ignore it. The array itself is msgpack: docs/protocol.md, section "Values".
 */

import { CodecError, InvalidOptionError, ValidationError } from '../base/errors.ts'
import type { Codec } from './codec.ts'
import { decodeMsgpack, encodeMsgpack } from './msgpack.ts'
import { type GivenSchema, type Schema, validated } from './schema.ts'

/** One place of a struct: what stands on the wire for a value, and back. Made by `field` and `tuple()`. */
export interface Field<T> {
  write(value: T): unknown
  /** `item` is undefined where the sender knew no such field. */
  read(item: unknown): T
}

/** What is known of a field of any type. */
interface AnyField {
  write(value: never): unknown
  read(item: unknown): unknown
}

type Fields = Readonly<Record<string, AnyField>>
type Value<F> = F extends { read(item: unknown): infer T } ? T : never
type OptionalNames<F extends Fields> = { [N in keyof F]: undefined extends Value<F[N]> ? N : never }[keyof F]
type Flat<T> = { [N in keyof T]: T[N] }

/** The type of a struct with these fields; those that may be `undefined` may be left out. */
export type Struct<F extends Fields> = Flat<
  { -readonly [N in Exclude<keyof F, OptionalNames<F>>]: Value<F[N]> } & {
    -readonly [N in OptionalNames<F>]?: Value<F[N]>
  }
>

/** The type of the values of a codec, such as `Infer<typeof lockArgs>`. */
export type Infer<C> = C extends Codec<infer T> ? T : never

/** A value does not fit its place. The path grows on the way out, so that what fits costs nothing. */
class Misfit {
  readonly path: (string | number)[]

  constructor(...path: (string | number)[]) {
    this.path = path
  }

  /** What was thrown while `key` was read or written, as thrown by what holds it. */
  static under(key: string | number, thrown: unknown): unknown {
    return thrown instanceof Misfit ? new Misfit(key, ...thrown.path) : thrown
  }
}

function scalar<T>(is: (value: unknown) => boolean): Field<T> {
  const check = (value: unknown): T => {
    if (is(value)) return value as T
    throw new Misfit()
  }
  return Object.freeze({ write: check, read: check })
}

/** The places that a struct can have. A struct within a struct is a `tuple()`. */
export const field = Object.freeze({
  string: scalar<string>((value) => typeof value === 'string'),
  number: scalar<number>((value) => typeof value === 'number'),
  /** An integer of 64 bits. */
  bigint: scalar<bigint>((value) => typeof value === 'bigint'),
  boolean: scalar<boolean>((value) => typeof value === 'boolean'),
  /** A `Uint8Array`. */
  binary: scalar<Uint8Array>((value) => value instanceof Uint8Array),
  date: scalar<Date>((value) => value instanceof Date && !Number.isNaN(value.getTime())),
  /** Whatever msgpack carries; it is not checked. */
  any: <T = unknown>(): Field<T> => scalar<T>(() => true),
  array: <T>(of: Field<T>): Field<T[]> =>
    Object.freeze({
      write: (values: T[]) => convert(values, [], of.write),
      // What has just been decoded is nobody else's: its own places will do.
      read: (items: unknown) => convert(items, items as T[], of.read)
    }),
  /** `null` also where the sender did not know the field. */
  nullable: <T>(of: Field<T>): Field<T | null> =>
    Object.freeze({
      write: (value: T | null) => (value === null ? null : of.write(value)),
      read: (item: unknown) => (item === null || item === undefined ? null : of.read(item))
    }),
  optional
})

/** `undefined`, or `fallback`, where there is no value, also because the sender did not know the field. */
function optional<T>(of: Field<T>): Field<T | undefined>
function optional<T>(of: Field<T>, fallback: T): Field<T>
function optional<T>(of: Field<T>, fallback?: T): Field<T | undefined> {
  // Its own for each value: what a handler gets is its to change. A clone of what cannot be changed is dear for nothing.
  const absent = typeof fallback === 'object' ? () => structuredClone(fallback) : () => fallback
  return Object.freeze({
    write: (value: T | undefined) => (value === undefined ? null : of.write(value)),
    read: (item: unknown) => (item === undefined || item === null ? absent() : of.read(item))
  })
}

/** Each of `values` in its place in `into`. */
function convert<T, U>(values: unknown, into: U[], one: (value: T) => U): U[] {
  if (!Array.isArray(values)) throw new Misfit()
  let i = 0
  try {
    for (; i < values.length; i++) into[i] = one(values[i])
  } catch (thrown) {
    throw Misfit.under(i, thrown)
  }
  return into
}

/**
 * The codec of a struct, which travels as an array of its values in the order of `fields`. Fields missing at the end of
 * what arrives are those that an older sender did not know; what comes after the last one is ignored.
 *
 * The declared types are checked: a value that does not fit is a `CodecError` where it is encoded, a `ValidationError`
 * with the path of the field where it is decoded. Without a `schema` it is itself a field, for a struct within a struct.
 *
 * @example
 *
 * ```ts
 * const lockArgs = tuple({ uid: field.string, resources: field.array(field.string), quorum: field.nullable(field.number) })
 * type LockArgs = Infer<typeof lockArgs>
 * const lock = single('lock', { request: lockArgs, response: tuple({ granted: field.boolean }) })
 * ```
 *
 * @throws {InvalidOptionError} when a field has a name whose place in the order is not its own: a whole number,
 * `__proto__`; when something is no field, or `schema` is none
 */
export function tuple<const F extends Fields>(fields: F): Codec<Struct<F>> & Field<Struct<F>>
export function tuple<const F extends Fields>(fields: F, schema: Schema<Struct<F>>): Codec<Struct<F>>
export function tuple<const F extends Fields>(fields: F, ...schema: GivenSchema<Struct<F>>): Codec<Struct<F>> {
  const names = Object.keys(fields)
  const places = Object.values<AnyField>(fields)
  const wrong = names.find((name) => /^\d+$/.test(name) || name === '__proto__')
  const isChained = ![Object.prototype, null].includes(Object.getPrototypeOf(fields))
  if (wrong !== undefined || isChained) {
    throw new InvalidOptionError(`a field cannot be named ${wrong ?? '__proto__'}: objects do not keep its place`)
  }
  for (const [each, place] of Object.entries<Partial<AnyField>>(fields)) {
    if (typeof place?.read === 'function' && typeof place.write === 'function') continue
    throw new InvalidOptionError(`${each} is no field: one of \`field\`, or a tuple() without a schema`)
  }
  // Every object seems to have those, such as `toString`.
  const isInherited = names.map((each) => each in Object.prototype)

  const name = (i: number) => names[i] as string
  const place = (i: number) => places[i] as Field<unknown>
  const propertyOf = (value: object, i: number): unknown =>
    isInherited[i] === true && !Object.hasOwn(value, name(i)) ? undefined : (value as Record<string, unknown>)[name(i)]
  const write = (value: Struct<F>): unknown[] => {
    if (typeof value !== 'object' || value === null) throw new Misfit()
    const items: unknown[] = []
    let i = 0
    try {
      for (; i < places.length; i++) items.push(place(i).write(propertyOf(value, i)))
    } catch (thrown) {
      throw Misfit.under(name(i), thrown)
    }
    return items
  }

  const read = (items: unknown): Struct<F> => {
    if (!Array.isArray(items)) throw new Misfit()
    const value: Record<string, unknown> = {}
    let i = 0
    try {
      for (; i < places.length; i++) value[name(i)] = place(i).read(items[i])
    } catch (thrown) {
      throw Misfit.under(name(i), thrown)
    }
    return value as Struct<F>
  }

  const codec: Codec<Struct<F>> = {
    encode(value) {
      try {
        return encodeMsgpack(write(value))
      } catch (thrown) {
        if (thrown instanceof CodecError) throw thrown
        // The errors of getters can quote the value.
        if (!(thrown instanceof Misfit)) throw new CodecError('the value cannot be encoded: a property threw when read')
        const where = thrown.path.length === 0 ? '' : ` at "${thrown.path.join('.')}"`
        throw new CodecError(`the value cannot be encoded: it does not fit${where}`)
      }
    },
    decode(bytes) {
      const items = decodeMsgpack(bytes)
      try {
        return read(items)
      } catch (thrown) {
        throw thrown instanceof Misfit ? new ValidationError(thrown.path) : thrown
      }
    },
    readsInPlace: true
  }
  return Object.freeze({ ...validated(codec, schema), ...(schema.length === 0 && { write, read }) })
}
