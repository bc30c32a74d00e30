/** Which hosts a command is for: its first arguments, or `--host`, or what the environment says. */

import { serverName } from '../../index.ts'
import type { Run } from './command.ts'
import { UsageError } from './exit.ts'
import { printable, textOf } from './text.ts'

type Given = Pick<Run, 'args' | 'options'>

export interface Addressed {
  readonly host: string
  /** What follows the host. */
  readonly rest: readonly string[]
}

/** Of a command that takes more than hosts. @throws {UsageError} */
export function hostOf({ args, options }: Given): Addressed {
  const [first, ...others] = args
  const named = options.text('host')
  if (first !== undefined && isLikeHost(first)) {
    const more = named === undefined ? '' : '; an id of a handler that looks so is given after its host'
    return { host: toHost(first, more), rest: others }
  }
  if (named !== undefined) return { host: toHost(named), rest: args }
  if (first !== undefined) return { host: toHost(first, '; or name the host by --host or IT_GRID_HOST'), rest: others }
  throw new UsageError('which host? Name it first, by --host, or by IT_GRID_HOST: http://node-1:9000')
}

/** Of a command that takes nothing else: the first one, and the others. @throws {UsageError} */
export function hostsOf({ args, options }: Given): readonly [string, ...string[]] {
  const [first, ...others] = args
  if (first === undefined) return [hostOf({ args, options }).host]
  return [toHost(first), ...others.map((each) => toHost(each))]
}

/** Of a command for one host and nothing else. @throws {UsageError} */
export function onlyHostOf(given: Given): string {
  const [host] = hostsOf(given)
  noMore(given.args.slice(1))
  return host
}

/**
 * @param more of what can be typed, where it is no host
 * @throws {UsageError} with what was typed, and what to type
 */
export function toHost(given: string, more = ''): string {
  const text = given.trim()
  const [, scheme = '', rest = ''] = parted.exec(text) ?? []
  const refuse = (what: string) => new UsageError(`"${withoutSecrets(text)}" is no host: ${what}${more}`)
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text) && scheme === '') throw refuse('it must begin with http:// or https://')
  if (/:\d+(\/|$)/.test(rest) && !(Number(/:(\d+)(?:\/|$)/.exec(rest)?.[1]) <= 65_535))
    throw refuse('a port is a number up to 65535')
  const url = toUrl(`${scheme === '' ? 'http' : scheme}://${bracketed(rest)}`)
  if (url === undefined) throw refuse(`write a name as its grid has it, such as ${example}`)
  const { protocol, host, port, username, password, pathname, search, hash } = url
  const likely = `//${host}${port === '' && !/:\d+$/.test(rest) ? ':PORT' : ''}`
  if (scheme === '') throw refuse(`write http:${likely}, or https:${likely} where it speaks TLS`)
  if (!text.startsWith(`${scheme}://`)) throw refuse(`write ${protocol}${likely}`)
  if (`${username}${password}${pathname}${search}${hash}` !== '/')
    throw refuse(
      `write ${protocol}//${host}; a host has no user, path or query, and the path of the upgrade is --path PATH`
    )
  try {
    return serverName(text)
  } catch (error) {
    throw refuse(textOf(error))
  }
}

/** @throws {UsageError} where more was given than the command takes */
export function noMore(rest: readonly string[]): void {
  const [surplus] = rest
  if (surplus !== undefined)
    throw new UsageError(`"${printable(surplus)}" is one argument too many; --help shows what there is`)
}

const example = 'http://node-1:9000'
/** The scheme, also where it is not written as it should be, and what follows it. */
const parted = /^(?:((?:http|ws)s?)(?::\/*|\/\/))?([\s\S]*)$/i

/** With a scheme, or with a port and no scheme: ids of handlers look otherwise, and one that does not is given after its host. */
function isLikeHost(text: string): boolean {
  return (
    /^([a-z][a-z0-9+.-]*:\/\/|(http|ws)s?:)/i.test(text) ||
    /^(\[[0-9a-f:.]+\]|[\w-]+(\.[\w-]+)*):\d{1,5}(\/.*)?$/i.test(text)
  )
}

/** What is pasted in the place of a host may have credentials or a query. */
function withoutSecrets(text: string): string {
  return printable(
    text
      .replace(/^[\s\S]*@/, '…@')
      .replace(/[?#][\s\S]*$/, '…')
      .slice(0, 256)
  )
}

function toUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}

/** An address of IPv6 as URLs have it. */
function bracketed(text: string): string {
  return /^[0-9a-f]*:[0-9a-f:.]*:[0-9a-f.]*$/i.test(text) ? `[${text}]` : text
}
