/** Where in a value it is that a codec has no form for: the path is built while this propagates, so that all else costs nothing. */

import { brand, isOfClass } from '../base/brand.ts'
import { describeKind, describeMisfit, errorText, type Misfitting } from '../base/text.ts'
import { CodecError } from '../errors/errors.ts'

/** Longer paths are cut: a cycle has one without end. */
const maxShownKeys = 16

/** Keys of objects and indices of arrays, the outermost first. */
export type Path = readonly (string | number)[]

export class Misfit {
  /** Of any copy of the package: a field of one may be in a struct of the other. */
  static readonly is = isOfClass
  /** Behind its path: "holds an invalid Date". */
  readonly fault: string
  readonly path: Path
  /** Of one that does not fit its field. */
  readonly kinds: Misfitting | undefined

  constructor(fault: string, path: Path = [], kinds?: Misfitting) {
    this.fault = fault
    this.path = path
    this.kinds = kinds
  }

  /** Of a value that is not what its field says. */
  static ofField(expected: string, value: unknown): Misfit {
    const kinds = { expected, found: describeKind(value) }
    return new Misfit(`does not fit its field: ${describeMisfit(kinds)}`, [], kinds)
  }

  /** Puts `key` in front of the path of what was thrown while it was read or written; leaves all else as it was thrown. */
  static under(key: string | number, thrown: unknown): unknown {
    return Misfit.is(thrown) ? new Misfit(thrown.fault, [key, ...thrown.path], thrown.kinds) : thrown
  }

  /** For code that reads a value of the user's, as a getter of it may throw: its error can quote the value, and is not kept. */
  static reading(key: string | number, thrown: unknown): Misfit {
    return Misfit.is(thrown) ? new Misfit(thrown.fault, [key, ...thrown.path]) : new Misfit('threw when read', [key])
  }

  /** The error of a value that cannot be encoded, where nothing is known of what it is for. */
  toError(): CodecError {
    const error = new CodecError(this.describe('payload'))
    misfits.set(error, this)
    return error
  }

  describe(root: string): string {
    const keys = this.path.slice(0, maxShownKeys).map(formatKey)
    const rest = this.path.length > maxShownKeys ? '...' : ''
    return `the value cannot be encoded: ${root}${keys.join('')}${rest} ${this.fault}`
  }
}

brand({ Misfit })

const misfits = new WeakMap<object, Misfit>()

/** The text of what a codec has thrown, for a value that is the `root` of its path, such as "response". */
export function describeRefusal(thrown: unknown, root: string): string {
  return misfits.get(Object(thrown))?.describe(root) ?? errorText(thrown)
}

/** A name of a property is code. What could not stand in code, such as an address or a token, is data, and is not shown. */
function formatKey(key: string | number): string {
  if (typeof key === 'number') return `[${key}]`
  return /^[\p{L}_$][\p{L}\d_$]{0,63}$/u.test(key) ? `.${key}` : '["..."]'
}
