/**
 * The channels of events (`node:diagnostics_channel`), by their names: those of connections, of refusals, of resets.
 *
 * Nothing is published where nobody has subscribed.
 */

import { channel } from 'node:diagnostics_channel'
import { detached } from '../base/scope.ts'
import type { ConnectionEvent, GridEvent, RefusedEvent, ResetEvent } from './events.ts'

/** A channel of `node:diagnostics_channel`, with the type of its messages. */
export interface EventChannel<Message> {
  readonly name: string | symbol
  readonly hasSubscribers: boolean
  subscribe(listener: (message: Message, name: string | symbol) => void): void
  unsubscribe(listener: (message: Message, name: string | symbol) => void): boolean
}

const connection = channel('it-grid:connection')
const refused = channel('it-grid:refused')
const reset = channel('it-grid:reset')

/** The types of Node 20 do not say what `unsubscribe` gives. */
const typed = <Message>(target: unknown) => target as EventChannel<Message>

export const eventChannels = {
  connection: typed<ConnectionEvent>(connection),
  refused: typed<RefusedEvent>(refused),
  reset: typed<ResetEvent>(reset)
}

const byType: Readonly<Partial<Record<GridEvent['type'], typeof connection>>> = {
  ...{
    state: connection,
    dial: connection,
    hello: connection,
    goAway: connection,
    close: connection,
    rtt: connection,
    mismatch: connection
  },
  ...{ refused, reset }
}

/** Not in the async context of a call: an event is of its connection. */
export function publishEvent(event: GridEvent): void {
  const target = byType[event.type]
  if (target?.hasSubscribers === true) detached(() => target.publish(Object.freeze(event)))
}
