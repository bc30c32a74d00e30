/** The error of a received value that is not what its codec or schema says. */

import { brand } from '../base/brand.ts'
import { describeMisfit, type Misfitting, printable } from '../base/text.ts'
import { GridError, type GridErrorOptions } from './errors.ts'

/** Longer paths are cut: the sender decides what they contain. */
const maxPathKeys = 16
const maxPathKeyLength = 64

/**
 * A received value does not match its codec or schema. The message and `details.path` say which field, and contain
 * nothing of the value. Code `ERR_VALIDATION`.
 */
export class ValidationError extends GridError {
  override name = 'ValidationError'
  /** The sender receives it too, as the `details` of its `RemoteError`. */
  readonly details: { readonly path: readonly (string | number)[] } & Partial<Misfitting>

  /** `path` leads to the field, outermost key first; empty for the value itself. The others are kinds, such as "a number". */
  constructor(path: readonly PropertyKey[] = [], options: GridErrorOptions & Partial<Misfitting> = {}) {
    const { expected, found } = options
    const keys = path.slice(0, maxPathKeys).map((key) => {
      return typeof key === 'number' ? key : printable(String(key), maxPathKeyLength)
    })
    const at = keys.length === 0 ? '' : ` at "${keys.join('.')}"`
    const kinds = expected === undefined || found === undefined ? undefined : { expected, found }
    super(
      'ERR_VALIDATION',
      `the value is not valid${at}${kinds === undefined ? '' : `: ${describeMisfit(kinds)}`}`,
      options
    )
    this.details = { path: keys, ...kinds }
  }
}

brand({ ValidationError })
