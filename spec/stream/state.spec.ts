/** The half-close machine: every state, what may be sent and received in it, and where the ends lead. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { afterReceiveEnd, afterSendEnd, canReceive, canSend, type StreamState } from '../../lib/stream/state.ts'

const table: Record<StreamState, { send: boolean; receive: boolean; sendEnd: StreamState; receiveEnd: StreamState }> = {
  opening: { send: true, receive: false, sendEnd: 'half-closed-local', receiveEnd: 'half-closed-remote' },
  open: { send: true, receive: true, sendEnd: 'half-closed-local', receiveEnd: 'half-closed-remote' },
  'half-closed-local': { send: false, receive: true, sendEnd: 'half-closed-local', receiveEnd: 'closed' },
  'half-closed-remote': { send: true, receive: false, sendEnd: 'closed', receiveEnd: 'half-closed-remote' },
  closed: { send: false, receive: false, sendEnd: 'closed', receiveEnd: 'closed' }
}

describe('the states of a stream', () => {
  for (const [name, expected] of Object.entries(table)) {
    const state = name as StreamState
    it(`${state} may${expected.send ? '' : ' not'} send and may${expected.receive ? '' : ' not'} receive`, () => {
      assert.deepEqual([canSend(state), canReceive(state)], [expected.send, expected.receive])
    })

    it(`${state} is ${expected.sendEnd} after its own end and ${expected.receiveEnd} after the remote one`, () => {
      assert.deepEqual([afterSendEnd(state), afterReceiveEnd(state)], [expected.sendEnd, expected.receiveEnd])
    })
  }

  it('both ends close it, in either order', () => {
    assert.equal(afterReceiveEnd(afterSendEnd('open')), 'closed')
    assert.equal(afterSendEnd(afterReceiveEnd('open')), 'closed')
  })
})
