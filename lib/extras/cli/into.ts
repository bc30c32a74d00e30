/** Looks into a host by its `$grid` handlers, says in words where that is off, and takes no answer of another shape. */

import {
  type Callable,
  type CallOptions,
  type HandlerInfo,
  introspection,
  type TraceOptions,
  UnknownHandlerError,
  type WatchOptions
} from '../../index.ts'
import { checkTold } from './told.ts'

export interface Looked extends Callable {
  readonly host: string
  readonly handlers: readonly HandlerInfo[]
}

/** What its methods give is rejected with a `CodecError` where it has another shape. @throws {UnknownHandlerError} */
export function into(peer: Looked, options?: CallOptions) {
  const { host, handlers } = peer
  const { subroute } = introspection
  if (!handlers.some((each) => each.subroute === subroute))
    throw new UnknownHandlerError(`${host} cannot be looked into: its manager needs the option introspection`)
  const grid = introspection.on(peer, options)
  return {
    hosts: async () => checkTold(host, 'hosts', await grid.hosts()),
    ping: async () => checkTold(host, 'ping', await grid.ping()),
    async *watch(which: WatchOptions, own: CallOptions) {
      for await (const change of grid.watch(which, own)) yield checkTold(host, 'watch', change)
    },
    async *trace(which: TraceOptions, own: CallOptions) {
      for await (const record of grid.trace(which, own)) yield checkTold(host, 'trace', record)
    }
  }
}
