/** Go-aways that cross: both ends of a session go away at the same time. */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { sendRequest } from '../../lib/call/request.ts'
import { DisconnectedError } from '../../lib/errors/errors.ts'
import { rawSingle } from '../../lib/handler/definition.ts'
import { FrameType } from '../../lib/wire/frame.ts'
import { Outcome } from '../support/gate.ts'
import { goAway, rawSingle as rawEntry } from '../support/raw/make.ts'
import { rawPeer } from '../support/raw/peer.ts'
import { until } from '../support/until.ts'

it('a call that the peer has not seen when it goes away is notSent, also where this side goes away itself', async () => {
  const peer = await rawPeer().start()
  const { session } = peer
  const handler = session.remoteHandlers.find('', rawEntry.id)
  assert.ok(handler !== undefined)
  const { response } = rawSingle(rawEntry.id)
  const call = () => new Outcome(sendRequest(session, handler, new Uint8Array(1), response, 0, {}))
  const [seen, unseen] = [call(), call()]
  const [first] = await until(() => peer.of(FrameType.open).length === 2, 'both calls are on the wire').then(() =>
    peer.of(FrameType.open)
  )
  const drained = session.close({ reason: 'shutdown', text: 'this side' }, 10_000)
  peer.send(goAway(first?.streamId, 'that side'))
  await until(() => unseen.settled, 'the call that was not seen is over')
  assert.ok(unseen.error instanceof DisconnectedError)
  assert.equal(unseen.error.delivery, 'notSent')
  assert.equal(seen.settled, false)
  peer.cut()
  await drained
  await until(() => seen.settled, 'the call that was seen is over')
  assert.equal((seen.error as DisconnectedError).delivery, 'maybeRan')
})
