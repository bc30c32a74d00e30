/** Finds the handler of a call among those that the remote host offers, or says what there is in its place; and counts calls that found none. */

import { UnknownHandlerError } from '../errors/errors.ts'
import { failureCode } from '../figures/figures.ts'
import type { AnyDefinition } from '../handler/definition.ts'
import { findNear, nameHandler, toHandlerName } from '../handler/info.ts'
import type { RemoteHandler } from '../handler/table.ts'
import type { HandlerName } from '../report/stats.ts'
import type { Session } from '../session/session.ts'
import { toTicks } from '../time/ticks.ts'
import { HandlerKind } from '../wire/frame.ts'
import type { CallPort } from './call-port.ts'

/** Of the handlers of introspection. */
const gridSubroute = '$grid'

/** @throws {UnknownHandlerError} when there is none of this name and kind */
export function findHandler(
  session: Session,
  { figures }: CallPort,
  subroute: string,
  definition: AnyDefinition,
  kind: number
): RemoteHandler {
  const handler = session.remoteHandlers.find(subroute, definition.id)
  if (handler === undefined) throw createUnknownError(session, subroute, definition.id)
  if (handler.kind !== kind) throw createMismatchError(session, handler)
  if (handler.figures === undefined) handler.figures = figures.all.of(toHandlerName(handler), true)
  if (handler.fingerprint !== undefined && handler.isCompared !== true)
    session.remoteHandlers.compare(handler, definition)
  return handler
}

function createMismatchError(session: Session, handler: RemoteHandler): UnknownHandlerError {
  const isSingle = handler.kind === HandlerKind.single
  const mismatch = isSingle ? 'it is single; this was a stream' : 'it is streaming; this was a request'
  return new UnknownHandlerError(`${session.remote.host} has a ${nameHandler(handler)}, but ${mismatch}`)
}

export function createUnknownError(
  { remote, remoteHandlers }: Session,
  subroute: string,
  id: string
): UnknownHandlerError {
  const offered = [...remoteHandlers.list()]
  const near = findNear(offered, subroute, id)
  // `$grid` is there as a whole, or not at all.
  const isOff = subroute === gridSubroute && offered.every((each) => each.subroute !== gridSubroute)
  const nearHint = near === undefined ? '' : `; it has a ${nameHandler(near)}`
  const hint = isOff ? '; it does not have the option introspection' : nearHint
  return new UnknownHandlerError(`${remote.host} has no ${nameHandler({ id, subroute })}${hint}`)
}

/** Counts a call that has failed without a stream, made at `sinceMs` if it has waited. */
export function countUnsent(
  { figures }: CallPort,
  subroute: string,
  target: string | AnyDefinition,
  kind: HandlerName['kind'],
  sinceMs: number,
  reason: unknown
): void {
  const handler = typeof target === 'string' ? target : target?.id
  if (typeof handler !== 'string') return
  const ticks = sinceMs === 0 ? 0 : toTicks(performance.now() - sinceMs)
  const code = failureCode(reason)
  for (const each of [figures.all.of({ kind, handler, subroute }, false), figures.peer]) each.addUnsent(ticks, code)
}
