/** What the contestants over `ws` share: one HTTP server on loopback, and when all that is planned has arrived. */

import { createServer } from 'node:http'
import { type WebSocket, WebSocketServer } from 'ws'
import { listen } from '../../harness/http.ts'
import type { StreamPlan } from '../contestant.ts'

/** Bytes that may wait in a socket before a sender does: the default high-water mark of it-grid. */
export const highWaterMarkBytes = 128 * 1024

export async function listenWebSocket(onConnection: (ws: WebSocket) => void): Promise<string> {
  const http = createServer()
  new WebSocketServer({ server: http, perMessageDeflate: false }).on('connection', onConnection)
  return (await listen(http)).replace('http', 'ws')
}

/** Resolves when `arrived` was called for each message that is planned. */
export function allOf(plans: readonly StreamPlan[]): { readonly ended: Promise<void>; readonly arrived: () => void } {
  let left = plans.reduce((sum, { count }) => sum + count, 0)
  let resolve = () => {}
  const ended = new Promise<void>((settle) => {
    resolve = settle
  })
  const arrived = (): void => {
    if (--left === 0) resolve()
  }
  return { ended, arrived }
}
