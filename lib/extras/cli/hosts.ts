/** Which host a command is for: its first argument, or `--host`, or what the environment says. */

import { canonicalHost } from '../../index.ts'
import type { Run } from './command.ts'
import { UsageError } from './exit.ts'
import { printable, textOf } from './text.ts'

export interface Addressed {
  readonly host: string
  /** What follows the host. */
  readonly rest: readonly string[]
}

/** @throws {UsageError} */
export function hostOf({ args, options }: Pick<Run, 'args' | 'options'>): Addressed {
  const [first, ...others] = args
  if (first !== undefined && isAddress(first)) return { host: toHost(first), rest: others }
  const host = options.text('host')
  if (host !== undefined) return { host: toHost(host), rest: args }
  if (first === undefined)
    throw new UsageError('which host? Name it first, by --host, or by IT_GRID_HOST: http://node-1:9000')
  const likely = /^[\w.-]+:\d+$/.test(first) ? first : 'node-1:9000'
  throw new UsageError(`"${printable(first)}" is no host: a host is an origin such as http://${likely}`)
}

export function toHost(text: string): string {
  try {
    return canonicalHost(text)
  } catch (error) {
    throw new UsageError(textOf(error))
  }
}

/** @throws {UsageError} where more was given than the command takes */
export function noMore(rest: readonly string[]): void {
  const [surplus] = rest
  if (surplus !== undefined)
    throw new UsageError(`"${printable(surplus)}" is one argument too many; --help shows what there is`)
}

export function isAddress(text: string): boolean {
  return /^https?:\/\//i.test(text)
}
