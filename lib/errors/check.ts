/**
 * What users give is checked where it is given: a table says what each option must be, `check` does so for one argument.
 *
 * The error names the option, what was given and what is right. It shows numbers; of all else only the kind, for it may be
 * a secret. Options are read from own properties, each once: what others put on `Object.prototype` is no option.
 */

import { describeValue, nearest, printable } from '../base/text.ts'
import { type Delivery, InvalidOptionError } from './errors.ts'

/** What an option must be. */
export interface Kind {
  /** Behind its name: "must be a function". */
  readonly must: string
  readonly isRequired?: boolean
  /** What of a wrong value is wrong, where its kind does not say that. */
  readonly found?: (value: unknown) => string | undefined
  is(value: unknown): boolean
}

/** What each option of `T` must be: the compiler finds one that is missing here. */
export type Kinds<T> = { readonly [Name in keyof T]-?: Kind }

/** The options of `T` that were given, the others as `undefined`. */
export type Own<T> = { readonly [Name in keyof Required<T>]: T[Name] }

export type ReadOptions<T> = <Given extends T>(given: Given | undefined, delivery?: Delivery) => Own<Given>

export const aBoolean: Kind = { must: 'must be a boolean', is: (value) => typeof value === 'boolean' }
export const aString: Kind = { must: 'must be a string', is: (value) => typeof value === 'string' }
export const aFunction: Kind = { must: 'must be a function', is: (value) => typeof value === 'function' }
export const anObject: Kind = { must: 'must be an object', is: (value) => typeof value === 'object' && value !== null }
/** Its own properties are what counts: no list, no `Map`, no date; but what `import * as options` gives. */
export const aRecord: Kind = {
  must: 'must be an object',
  is: (value) => /^\[object (Object|Module)\]$/.test(Object.prototype.toString.call(value))
}
/** What is checked where it is used. */
export const anything: Kind = { must: '', is: () => true }

export function aWholeNumber(least: number, most: number, mostText = String(most)): Kind {
  return {
    must: `must be a whole number from ${least} to ${mostText}`,
    is: (value) => Number.isInteger(value) && (value as number) >= least && (value as number) <= most
  }
}

/** An object with these methods; a function may have them, too. */
export function objectWith(must: string, ...methods: readonly string[]): Kind {
  return {
    must,
    is: (value) =>
      ((typeof value === 'object' && value !== null) || (typeof value === 'function' && methods.length > 0)) &&
      methods.every((name) => typeof (value as Record<string, unknown>)[name] === 'function')
  }
}

export function required(kind: Kind): Kind {
  return { ...kind, isRequired: true }
}

/** @throws {InvalidOptionError} */
export function check(name: string, value: unknown, kind: Kind, delivery?: Delivery): void {
  if (!kind.is(value)) throw invalid(`${name} ${kind.must}; ${describeWrong(kind, value)}`, delivery)
}

/**
 * The reader of the options of `what`: a group such as `limits`, a function such as `connectWS()`, or `Manager`. It gives a copy, always of one shape.
 *
 * @param elsewhere what to do with names that are taken for options of `what`: "it belongs in tls"
 */
export function optionsReader<T extends object>(
  what: string,
  kinds: Kinds<T>,
  elsewhere: Readonly<Record<string, string>> = {}
): ReadOptions<T> {
  const table = new OptionsTable(what, kinds, elsewhere)
  return (given, delivery) => table.read(given, delivery) as never
}

type Values = Readonly<Record<string, unknown>>

class OptionsTable {
  readonly #what: string
  readonly #names: readonly string[]
  readonly #kinds: Readonly<Record<string, Kind | undefined>>
  readonly #elsewhere: Readonly<Record<string, string>>
  readonly #required: readonly string[]
  readonly #none: Values

  constructor(what: string, kinds: Readonly<Record<string, Kind>>, elsewhere: Readonly<Record<string, string>>) {
    this.#what = what
    this.#names = Object.keys(kinds)
    this.#kinds = Object.assign(Object.create(null), kinds)
    this.#elsewhere = elsewhere
    this.#required = this.#names.filter((name) => kinds[name]?.isRequired === true)
    this.#none = Object.freeze(Object.fromEntries(this.#names.map((name) => [name, undefined])))
  }

  /** Without options it makes no object: each call comes here. */
  read(given: object | undefined, delivery: Delivery | undefined): Values {
    const own = given === undefined ? this.#none : this.#readOwn(given, delivery)
    if (this.#required.length > 0) this.#checkRequired(own, delivery)
    return own
  }

  #readOwn(given: object, delivery: Delivery | undefined): Values {
    if (typeof given !== 'object' || given === null) throw this.#noOptions(given, delivery)
    if (Object.getPrototypeOf(given) !== Object.prototype) this.#checkPrototypes(given, delivery)
    const own: Record<string, unknown> = { ...this.#none }
    for (const name in given) {
      if (!Object.hasOwn(given, name)) continue
      const kind = this.#kinds[name]
      if (kind === undefined) throw this.#unknown(name, delivery)
      const value: unknown = given[name as keyof typeof given]
      if (value !== undefined && !kind.is(value)) {
        throw invalid(`${this.#label(name)} ${kind.must}; ${describeWrong(kind, value)}`, delivery)
      }
      own[name] = value
    }
    return own
  }

  #checkRequired(own: Values, delivery: Delivery | undefined): void {
    const missing = this.#required.find((name) => own[name] === undefined)
    if (missing === undefined) return
    throw invalid(`${this.#label(missing)} is required: it ${this.#kinds[missing]?.must}`, delivery)
  }

  /** An option of a class, or of options that these were made from by `Object.create`, would be ignored in silence. */
  #checkPrototypes(given: object, delivery: Delivery | undefined): void {
    if (!aRecord.is(given)) throw this.#noOptions(given, delivery)
    for (let at = Object.getPrototypeOf(given); at !== null; at = Object.getPrototypeOf(at)) {
      // What has no prototype itself is the `Object.prototype` of some realm.
      if (Object.getPrototypeOf(at) === null) return
      const inherited = this.#names.find((name) => Object.hasOwn(at, name) && !Object.hasOwn(given, name))
      if (inherited === undefined) continue
      const why = 'is inherited: options must be own properties, as in { ...options }'
      throw invalid(`${this.#label(inherited)} ${why}`, delivery)
    }
  }

  #unknown(name: string, delivery: Delivery | undefined): InvalidOptionError {
    const near = nearest(name, this.#names)
    const hint = near === undefined ? '' : ` (did you mean "${near}"?)`
    const place = Object.hasOwn(this.#elsewhere, name) ? ` (${this.#elsewhere[name]})` : hint
    const text = `${this.#what} has no option "${printable(name, 64)}"${place}; it has ${this.#names.join(', ')}`
    return invalid(text, delivery)
  }

  #noOptions(given: unknown, delivery: Delivery | undefined): InvalidOptionError {
    return invalid(`the options of ${this.#what} must be an object; they are ${describeValue(given)}`, delivery)
  }

  #label(name: string): string {
    if (this.#what === 'Manager') return name
    return /^\w+$/.test(this.#what) ? `${this.#what}.${name}` : `${name} of ${this.#what}`
  }
}

function describeWrong(kind: Kind, value: unknown): string {
  return kind.found?.(value) ?? `it is ${describeValue(value)}`
}

function invalid(text: string, delivery: Delivery | undefined): InvalidOptionError {
  return new InvalidOptionError(text, { delivery })
}
