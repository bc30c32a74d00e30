/** The options that all sources of hosts have, and the check of the options of each. */

import { InvalidOptionError, type Logger, serverName } from '../../index.ts'

export interface DiscoveryOptions {
  /** The name of this server, which is in every list. */
  readonly local: string
  /** How long a host stays in the list after the first answer without it, in ms. Default 30 000. */
  readonly keepMs?: number
  /** Ends the source. */
  readonly signal?: AbortSignal
  /** Default: warnings and errors to the console. */
  readonly logger?: Logger
}

export interface PollOptions extends DiscoveryOptions {
  /** Ms between two looks, up to a tenth more or less, so that servers do not ask in step. Default 5000. */
  readonly everyMs?: number
}

export interface Rule {
  readonly must: string
  readonly is: (value: unknown) => boolean
  readonly isRequired?: boolean
}

export type Rules = Readonly<Record<string, Rule>>

/** Node's timers count no further. */
export const maxMs = 2 ** 31 - 1

const isObject = (value: unknown) => typeof value === 'object' && value !== null
const isText = (value: unknown) => typeof value === 'string' && value.trim() !== ''

export const aText: Rule = { must: 'a text', is: isText }
export const anObject: Rule = { must: 'an object', is: isObject }
export const anObjectOrFunction: Rule = {
  must: 'an object, or a function that gives one',
  is: (value) => typeof value === 'function' || isObject(value)
}
export const aPort: Rule = { must: 'a port from 1 to 65535', is: isIntegerIn(1, 65_535) }
export const aScheme = oneOf('http', 'https')
export const anOrigin: Rule = { must: 'a URL of http or https', is: isHttpUrl }

export const required = (rule: Rule): Rule => ({ ...rule, isRequired: true })

export function oneOf(...values: readonly string[]): Rule {
  return { must: values.map((value) => `"${value}"`).join(' or '), is: (value) => values.includes(value as string) }
}

export function msFrom(leastMs: number): Rule {
  return { must: `a number of ms from ${leastMs} to ${maxMs}`, is: isNumberIn(leastMs, maxMs) }
}

function isNumberIn(least: number, most: number) {
  return (value: unknown) => typeof value === 'number' && value >= least && value <= most
}

function isIntegerIn(least: number, most: number) {
  return (value: unknown) => Number.isInteger(value) && isNumberIn(least, most)(value)
}

export function isHttpUrl(value: unknown): boolean {
  return typeof value === 'string' && URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)
}

const common: Rules = {
  local: { ...aText, isRequired: true },
  keepMs: msFrom(0),
  signal: { must: 'an AbortSignal', is: (value) => isObject(value) && 'aborted' in (value as object) },
  logger: { must: 'a Logger', is: isLogger }
}

export const pollRules: Rules = { everyMs: msFrom(1) }

function isLogger(value: unknown): boolean {
  return ['debug', 'info', 'warn', 'error'].every((level) => typeof Reflect.get(Object(value), level) === 'function')
}

/**
 * The canonical name of this server.
 *
 * @throws {InvalidOptionError} naming the option that is wrong
 */
export function checkOptions(source: string, options: DiscoveryOptions, own: Rules): string {
  if (!isObject(options)) throw new InvalidOptionError(`the options of ${source}() must be an object`)
  const rules = { ...common, ...own }
  for (const name of Object.keys(options)) {
    if (rules[name] !== undefined) continue
    throw new InvalidOptionError(`${source}() has no option "${name}"; it has ${Object.keys(rules).join(', ')}`)
  }
  for (const [name, { must, is, isRequired = false }] of Object.entries(rules)) {
    const value: unknown = Reflect.get(options, name)
    if (value === undefined ? isRequired : !is(value)) {
      throw new InvalidOptionError(`${name} of ${source}() must be ${must}`)
    }
  }
  return serverName(options.local, 'local')
}
