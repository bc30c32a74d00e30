/**
 * The state machine of one stream. Other files ask `canSend` and `canReceive`.
 *
 *                 sendOpen / receiveOpen
 *     opening ------------------------------> open
 *        |                                   /    \
 *        |                         sendEnd  /      \  receiveEnd
 *        |                                 v        v
 *        |               half-closed-local          half-closed-remote
 *        |                                 \        /
 *        |                      receiveEnd  \      /  sendEnd
 *        |    reset, abort, conn lost        v    v
 *        +----------------------------------> closed
 */

export type StreamState = 'opening' | 'open' | 'half-closed-local' | 'half-closed-remote' | 'closed'

/** This side may still send messages. */
export function canSend(state: StreamState): boolean {
  return state === 'open' || state === 'half-closed-remote' || state === 'opening'
}

/** The remote side may still send messages. */
export function canReceive(state: StreamState): boolean {
  return state === 'open' || state === 'half-closed-local'
}

/** This side has ended its half. */
export function afterSendEnd(state: StreamState): StreamState {
  return state === 'half-closed-remote' || state === 'closed' ? 'closed' : 'half-closed-local'
}

/** The remote side has ended its half. */
export function afterReceiveEnd(state: StreamState): StreamState {
  return state === 'half-closed-local' || state === 'closed' ? 'closed' : 'half-closed-remote'
}
