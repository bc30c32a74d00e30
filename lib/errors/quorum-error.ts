/** The error of what needs several peers, and what each of them said. */

import { brand } from '../base/brand.ts'
import { GridError, type GridErrorOptions } from './errors.ts'

/** What one peer said: told apart by `error`. */
export type Answer<T> =
  | { readonly host: string; readonly value: T; readonly error?: undefined }
  | { readonly host: string; readonly error: Error; readonly value?: undefined }

/** So many are named in the text; `answers` has all. */
const maxNamed = 8

/** Not enough peers: too few acceptable answers, or too few connections. Code `ERR_QUORUM`. */
export class QuorumError extends GridError {
  override name = 'QuorumError'
  readonly need: number
  /** The answer or the error of each peer. */
  readonly answers: readonly Answer<unknown>[]
  /** The errors among them, as of an `AggregateError`. */
  readonly errors: readonly Error[]

  /** @param options `text` in place of what the answers say */
  constructor(
    need: number,
    answers: readonly Answer<unknown>[],
    { text, ...options }: GridErrorOptions & { text?: string | undefined } = {}
  ) {
    super('ERR_QUORUM', text ?? describeAnswers(need, answers), options)
    this.need = need
    this.answers = answers
    this.errors = answers.flatMap(({ error }) => (error === undefined ? [] : [error]))
  }
}

brand({ QuorumError })

/** How many there are of those that are needed, and what each of the others says. */
export function describeAnswers(need: number, answers: readonly Answer<unknown>[]): string {
  const failed = answers.filter(({ error }) => error !== undefined)
  const named = failed.slice(0, maxNamed).map(({ host, error }) => {
    const text = String(error?.message)
    return text.includes(host) ? text : `${host}: ${text}`
  })
  const more = failed.length > maxNamed ? [`and ${failed.length - maxNamed} more`] : []
  const only = answers.length < need ? [`there are only ${answers.length}`] : []
  const all = [...named, ...more, ...only].join('; ')
  return `${answers.length - failed.length} of the ${need} peers that are needed: ${all}`
}
