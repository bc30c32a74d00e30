/** Looks into a host by its `$grid` handlers, says in words where that is off, and takes no answer of another shape. */

import {
  type Callable,
  type CallOptions,
  type HandlerInfo,
  introspection,
  RejectedError,
  type TraceOptions,
  UnknownHandlerError,
  type WatchOptions
} from '../../index.ts'
import { advised } from './errors.ts'
import { checkTold } from './told.ts'

export interface Looked extends Callable {
  readonly host: string
  readonly handlers: readonly HandlerInfo[]
}

type Told = Parameters<typeof checkTold>[1]

/** What its methods give is rejected with a `CodecError` where it has another shape. @throws {UnknownHandlerError} */
export function into(peer: Looked, options?: CallOptions) {
  const { host, handlers } = peer
  const { subroute } = introspection
  if (!handlers.some((each) => each.subroute === subroute))
    throw new UnknownHandlerError(
      `${host} cannot be looked into: its manager needs the option introspection, a function that lets guests in`
    )
  const grid = introspection.on(peer, options)
  const one = async <T>(what: Told, answer: Promise<T>): Promise<T> => {
    return checkTold(host, what, await answer.catch(refuse))
  }
  async function* each<T>(what: Told, answers: AsyncIterable<T>): AsyncGenerator<T> {
    try {
      for await (const answer of answers) yield checkTold(host, what, answer)
    } catch (error) {
      refuse(error)
    }
  }
  return {
    hosts: () => one('hosts', grid.hosts()),
    ping: () => one('ping', grid.ping()),
    watch: (which: WatchOptions, own: CallOptions) => each('watch', grid.watch(which, own)),
    trace: (which: TraceOptions, own: CallOptions) => each('trace', grid.trace(which, own))
  }
}

const deniedAdvice =
  'both guests.allow and introspection there must pass the calls of this guest, of the subroute $grid; introspection: true lets no guest in; give a function'

function refuse(error: unknown): never {
  throw RejectedError.is(error) && error.reason === 'denied' ? advised(error, deniedAdvice) : error
}
