/** What a pattern is on a grid: a streaming handler for messages, a single one for events; both ends make the same of it. */

import {
  type Codec,
  InvalidOptionError,
  msgpack,
  type SingleDefinition,
  type StreamingDefinition,
  single,
  streaming
} from '../../index.ts'

/** What both ends have to agree upon. */
export interface SharedOptions {
  /** Of all patterns, so that they are apart from other handlers and other apps. Default none. */
  readonly subroute?: string
  /** Of data and of responses; the same at both ends. Default `msgpack()`, which keeps dates and bytes. */
  readonly codec?: Codec<unknown>
}

/** What `getHandlers` of a server has as the key of a pattern, and what a client makes of one. */
export function toId(pattern: unknown): string {
  if (typeof pattern === 'string' && pattern !== '') return pattern
  throw new InvalidOptionError('a pattern must be a text that is not empty, a number, or an object', {
    delivery: 'notSent'
  })
}

/** As plain programs on the grid would write it. */
export function toMessage(
  pattern: unknown,
  { codec = msgpack<unknown>() }: SharedOptions
): StreamingDefinition<unknown, never, unknown> {
  return streaming<unknown, never, unknown>(toId(pattern), { payload: codec, response: codec, inCapacity: 0 })
}

export function toEvent(
  pattern: unknown,
  { codec = msgpack<unknown>() }: SharedOptions
): SingleDefinition<unknown, void> {
  return single<unknown, void>(toId(pattern), { request: codec })
}

/** Events have names of their own: one pattern may be both. */
export function toEventSubroute({ subroute = '' }: SharedOptions): string {
  return subroute === '' ? 'events' : `${subroute}/events`
}

/** @throws {InvalidOptionError} for an option that there is not */
export function checkNames(options: object, owner: string, names: readonly string[]): void {
  const unknown = Object.keys(options).find((name) => !names.includes(name))
  if (unknown === undefined) return
  throw new InvalidOptionError(`${owner} has no option "${unknown}"; it has ${names.join(', ')}`)
}

/** @throws {InvalidOptionError} */
export function checkOption(must: string, isRight: boolean): void {
  if (!isRight) throw new InvalidOptionError(must)
}
