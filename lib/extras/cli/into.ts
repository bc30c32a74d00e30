/** Looks into a host by its `$grid` handlers, and says in words where that is off. */

import { type Callable, type CallOptions, type HandlerInfo, introspection, UnknownHandlerError } from '../../index.ts'

export interface Looked extends Callable {
  readonly host: string
  readonly handlers: readonly HandlerInfo[]
}

/** @throws {UnknownHandlerError} */
export function into(peer: Looked, options?: CallOptions) {
  const { subroute } = introspection
  if (peer.handlers.some((each) => each.subroute === subroute)) return introspection.on(peer, options)
  throw new UnknownHandlerError(`${peer.host} cannot be looked into: its manager needs the option introspection`)
}
