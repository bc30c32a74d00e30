/**
 * Tells the people of this server of handlers that threw what they did not mean to: a `TypeError`, or a response that cannot
 * be encoded. The caller gets its text, but nobody here would ever see it.
 *
 * An error with a `code` is meant, and is told to the caller only; but not one of ours for what its code got wrong, nor what a
 * rule throws, which its caller does not get. Each place of a handler is logged at its 1st, 2nd, 4th, 8th, ... mistake.
 */

import { types } from 'node:util'
import type { Remote } from '../base/remote.ts'
import { errorText, framesOf, maxLine, printable, readText } from '../base/text.ts'
import { CodecError, InvalidOptionError, RejectedError } from '../errors/errors.ts'
import type { Logger } from '../errors/logger.ts'
import type { EventLog } from '../figures/event-log.ts'
import { isMisuse } from '../hooks/chain.ts'
import { failedRuleOf } from '../rules/authorize.ts'
import type { HandlerEntry } from '../wire/frame.ts'
import { nameHandler, toHandlerName } from './info.ts'

/** What a handler is registered with; the same object for all its calls. */
interface Registered {
  readonly entry: HandlerEntry
}

/** Not a `SyntaxError`: what a caller sent may be no JSON, and the error repeats it. */
const names: ReadonlySet<string> = new Set(['TypeError', 'ReferenceError', 'RangeError', 'EvalError', 'URIError'])
/** Places of one handler that are told apart; those beyond are one. */
const maxPlaces = 16

/** Whether a handler did not mean to throw this, or a rule what is behind a refusal. Never throws. */
export function isMistake(thrown: unknown): boolean {
  if (failedRuleOf(thrown) !== undefined) return true
  try {
    const error = behindRefusal(thrown)
    if (InvalidOptionError.is(error) || isMisuse(error)) return true
    return types.isNativeError(error) && names.has(error.name) && Reflect.get(error, 'code') === undefined
  } catch {
    return false
  }
}

/** A rule that throws refuses its call: what it threw is the cause. */
function behindRefusal(thrown: unknown): unknown {
  if (!(types.isNativeError(thrown) && RejectedError.is(thrown))) return thrown
  return failedRuleOf(thrown) === undefined ? (thrown.cause ?? thrown) : thrown.cause
}

/** Where a codec of the user has thrown, the place is there, and not where we have called it. */
function behindCodec(thrown: unknown): unknown {
  const cause = CodecError.is(thrown) ? thrown.cause : undefined
  return types.isNativeError(cause) ? cause : thrown
}

/** Whether a response cannot be sent because it is none that its definition can carry. */
export function isBadResponse(thrown: unknown): boolean {
  return CodecError.is(thrown)
}

export class Mistakes {
  readonly #logger: Logger
  readonly #events: EventLog
  /** How often each place of each handler has failed. */
  readonly #places = new WeakMap<Registered, Map<string, number>>()

  constructor(logger: Logger, events: EventLog) {
    this.#logger = logger
    this.#events = events
  }

  /** `handler` failed so at a call of `remote`. */
  tell(handler: Registered, { host, instance }: Remote, failure: unknown): void {
    const thrown = behindRefusal(failure)
    const name = nameOf(thrown)
    this.#events.own.add({ type: 'mistake', ...toHandlerName(handler.entry), name }, host)
    const frames = framesOf(behindCodec(thrown))
    const times = this.#count(handler, `${name} ${frames[0] ?? ''}`)
    if (!Number.isInteger(Math.log2(times))) return
    const { id, subroute } = handler.entry
    const again = times === 1 ? '' : ` (${times} times so far)`
    const rule = failedRuleOf(failure)
    const text = `${rule === undefined ? '' : `${rule} threw: `}${printable(errorText(thrown), maxLine)}`
    this.#logger.error(
      [`the ${nameHandler(handler.entry)} failed at a call of ${host} by ${name}: ${text}${again}`, ...frames].join(
        '\n'
      ),
      { host, instance, handler: id, subroute, error: thrown }
    )
  }

  #count(handler: Registered, place: string): number {
    const places = this.#places.get(handler) ?? new Map<string, number>()
    this.#places.set(handler, places)
    const key = places.has(place) || places.size < maxPlaces ? place : ''
    const times = (places.get(key) ?? 0) + 1
    places.set(key, times)
    return times
  }
}

/** Any code may have made it: its fields are read with care. */
function nameOf(thrown: unknown): string {
  const name = readText(thrown, 'name')
  return printable(name === '' ? 'an error' : name, 64)
}
