/**
 * A session of every kind of call is reset at one place after the other: `spec/long/cut-everywhere.ts` takes all of them.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { cutsOf, openCutSession } from '../support/calls/cut-session.ts'

const strides = { handshake: 41, frames: 23, bulk: 50_021 }

describe('a session of over 20 frames each way that is reset after n bytes', () => {
  for (const direction of ['inbound', 'outbound'] as const) {
    const title =
      `settles each call once and rightly, delivers nothing in part, leaves nothing, and is followed by one that works: ` +
      `${direction}, every ${strides.handshake} bytes of the handshake, ${strides.frames} of small frames, ${strides.bulk} of bulk`
    it(title, async (test) => {
      const session = await openCutSession()
      test.after(() => session.close())
      const measure = await session.measure(direction)
      for (const framesOut of Object.values(measure.framesOut)) assert.ok(framesOut > 20, `${framesOut} frames`)
      for (const cut of cutsOf(measure, direction, strides)) await session.cut(cut)
    })
  }
})
