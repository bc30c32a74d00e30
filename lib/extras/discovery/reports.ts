/**
 * What a source tells its logger: once when something goes wrong, once when it is over, and not the same at each look, also where
 * it goes wrong again and again.
 *
 * A logger that throws breaks nothing.
 */

import type { Logger } from '../../index.ts'
import { Condition } from './condition.ts'

const maxTextLength = 512
/** Of one change, so many hosts of each kind are told by name. */
const maxHostsTold = 16

const consoleLogger: Logger = {
  debug() {},
  info() {},
  warn: (message) => console.warn(`it-grid: ${message}`),
  error: (message) => console.error(`it-grid: ${message}`)
}

/** The text of anything that was thrown, in one line of a log. Never throws. */
export function errorText(thrown: unknown): string {
  try {
    return describe(thrown)
      .slice(0, maxTextLength)
      .replace(/\p{Cc}/gu, ' ')
  } catch {
    return 'an error without a readable message'
  }
}

/** One of several addresses of a name has no message of its own, but those of each. */
function describe(thrown: unknown): string {
  const { message, errors, name } = Object(thrown)
  if (message === '' && Array.isArray(errors)) return errors.map(errorText).join('; ')
  return String(message || name || thrown)
}

function describeSome(sign: string, hosts: readonly string[]): string[] {
  const first = hosts.slice(0, maxHostsTold).map((host) => sign + host)
  return hosts.length > maxHostsTold ? [...first, `and ${sign}${hosts.length - maxHostsTold} more`] : first
}

export class Reports {
  readonly #name: string
  readonly #logger: Logger
  readonly #failure = new Condition()
  readonly #without = new Condition()
  readonly #refused = new Condition()

  /** @param name of the source: `dnsHosts(nodes)` */
  constructor(name: string, logger: Logger = consoleLogger) {
    this.#name = name
    this.#logger = logger
  }

  /** @param size of the list that stays; undefined when there is none yet */
  failed(error: unknown, size: number | undefined): void {
    const text = errorText(error)
    const stays = size === undefined ? 'there is no list yet' : `the last list, of ${size}, stays`
    if (this.#failure.holds(text)) this.#tell('warn', `${text}; ${stays}`)
  }

  /** @param without what is wrong with it all the same */
  good(without: string | undefined): void {
    if (this.#failure.ends()) this.#tell('info', 'it answers again')
    if (without === undefined) this.#without.ends()
    else if (this.#without.holds('')) this.#tell('warn', without)
  }

  refused(count: number, reasons: readonly string[]): void {
    const text = `${count} of its names ${count === 1 ? 'is' : 'are'} refused: ${reasons.join('; ')}`
    if (count === 0) this.#refused.ends()
    else if (this.#refused.holds(text)) this.#tell('warn', text)
  }

  changed(before: ReadonlySet<string> = new Set(), after: ReadonlySet<string>): void {
    const joined = describeSome(
      '+',
      [...after].filter((host) => !before.has(host))
    )
    const left = describeSome(
      '-',
      [...before].filter((host) => !after.has(host))
    )
    this.#tell('info', `${after.size} hosts: ${[...joined, ...left].join(' ')}`)
  }

  /** What is no reason to worry, such as a watch that begins anew. */
  noted(text: string): void {
    this.#tell('debug', text)
  }

  #tell(level: keyof Logger, text: string): void {
    try {
      const returned: unknown = this.#logger[level](`${this.#name}: ${text}`)
      if (returned instanceof Promise) returned.catch(() => undefined)
    } catch {
      // Ignored: it is the logger that is broken, and the list must not be.
    }
  }
}
