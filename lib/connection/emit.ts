/** Tells the listeners of a connection, none of which may stop what the connection is doing, nor the other listeners. */

import { EventEmitter } from 'node:events'
import { detached } from '../base/scope.ts'
import { type Logger, logThrown } from '../errors/logger.ts'
import type { ConnectionEvents } from './state.ts'

/** A listener that throws, or rejects, is logged. `host` is that of the connection. */
export function emitSafely<Name extends keyof ConnectionEvents>(
  connection: EventEmitter<ConnectionEvents> & { readonly host: string },
  logger: Logger,
  name: Name,
  ...args: ConnectionEvents[Name]
): void {
  const { host } = connection
  const failed = (error: unknown) =>
    logThrown(logger, `a listener of "${name}" of the connection to ${host} threw`, error, { host })
  for (const listener of EventEmitter.prototype.rawListeners.call(connection, name)) {
    const call = async () => await detached(() => Reflect.apply(listener, connection, args))
    call().catch(failed)
  }
}
