/** Where in a value it is that a codec has no form for: the path is built while this propagates, so that all else costs nothing. */

import { brand, isOfClass } from '../base/brand.ts'
import { CodecError } from '../base/errors.ts'

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

  constructor(fault: string, path: Path = []) {
    this.fault = fault
    this.path = path
  }

  /** Puts `key` in front of the path of what was thrown while it was read or written; leaves all else as it was thrown. */
  static under(key: string | number, thrown: unknown): unknown {
    return Misfit.is(thrown) ? new Misfit(thrown.fault, [key, ...thrown.path]) : thrown
  }

  /** For code that reads a value of the user's, as a getter of it may throw: its error can quote the value, and is not kept. */
  static reading(key: string | number, thrown: unknown): Misfit {
    return Misfit.is(thrown) ? new Misfit(thrown.fault, [key, ...thrown.path]) : new Misfit('threw when read', [key])
  }

  /** The error of a value that cannot be encoded. */
  toError(): CodecError {
    const keys = this.path.slice(0, maxShownKeys).map(formatKey)
    const rest = this.path.length > maxShownKeys ? '...' : ''
    return new CodecError(`the value cannot be encoded: payload${keys.join('')}${rest} ${this.fault}`)
  }
}

brand({ Misfit })

/** A name of a property is code. What could not stand in code, such as an address or a token, is data, and is not shown. */
function formatKey(key: string | number): string {
  if (typeof key === 'number') return `[${key}]`
  return /^[\p{L}_$][\p{L}\d_$]{0,63}$/u.test(key) ? `.${key}` : '["..."]'
}
