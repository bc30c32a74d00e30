/** Tells the listeners of a connection, none of which may stop what the connection is doing, nor the other listeners. */

import { EventEmitter } from 'node:events'
import { detached } from '../base/scope.ts'
import { errorText } from '../base/text.ts'
import type { Logger } from '../errors/logger.ts'
import type { ConnectionEvents } from './state.ts'

/** A listener that throws, or rejects, is logged. `host` is that of the connection. */
export function emitSafely<Name extends keyof ConnectionEvents>(
  connection: EventEmitter<ConnectionEvents> & { readonly host: string },
  logger: Logger,
  name: Name,
  ...args: ConnectionEvents[Name]
): void {
  const failed = (error: unknown) =>
    logger.error(`a listener of "${name}" of the connection to ${connection.host} threw: ${errorText(error)}`)
  for (const listener of EventEmitter.prototype.rawListeners.call(connection, name)) {
    const call = async () => await detached(() => Reflect.apply(listener, connection, args))
    call().catch(failed)
  }
}
