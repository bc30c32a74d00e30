/** A peer, or a proxy on the way, that closes the WebSocket by a code: what this side is told, and that it connects anew. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { WebSocket } from 'ws'
import { type Auth, type Connection, DisconnectedError, type HandlerContext } from '../../lib/index.ts'
import { secret } from '../support/grid/manager.ts'
import { rejection, Servers } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

const codes = {
  protocol: [1002, 1003, 1007, 1008, 1009],
  lost: [1011, 1012, 1013, 4000]
} as const

/** Ends with its call only. */
function wait(_: Uint8Array, { signal }: HandlerContext): Promise<never> {
  return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
}

describe('a WebSocket that is closed by the other end', () => {
  for (const by of ['dialer', 'listener'] as const) {
    for (const [reason, of] of Object.entries(codes)) {
      it(`(the ${by}) with ${of.join(', ')} is told as ${reason}, to calls and to people, and dialed again`, async (test) => {
        const sockets = new Map<string, WebSocket>()
        const auth: Auth = {
          ...secret,
          verify(context, proof) {
            sockets.set(context.local, context.conn.transport as WebSocket)
            return secret.verify(context, proof)
          }
        }
        const { dialer, listener, there, back } = await new Servers(test).pair({ auth }, { auth })
        const [closer, told, other] = by === 'dialer' ? [dialer, back, there] : [listener, there, back]
        for (const { manager } of [dialer, listener]) manager.handle('wait', wait)
        const running = (connection: Connection) => connection.stats().session?.runningHandlers
        for (const code of of) {
          await Promise.all([there.waitForConnect(), back.waitForConnect()])
          const call = rejection(told.request('wait'))
          await until(() => running(other) === 1, 'the call runs')
          const states: unknown[] = []
          told.on('state', (change) => states.push(change.reason))
          sockets.get(closer.name)?.close(code, 'the why of it')
          const error = await call
          assert.ok(error instanceof DisconnectedError)
          assert.deepEqual([error.reason, error.delivery], [reason, 'maybeRan'])
          const text = new RegExp(`code ${code}: the why of it`)
          assert.match(error.message, text)
          assert.match(String(states[0]), text)
          told.removeAllListeners()
        }
      })
    }
  }
})
