/** What the session hears of the pings of the peer. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { defaultLimits } from '../../lib/errors/options.ts'
import { FloodGuard } from '../../lib/open/flood.ts'
import { SessionControl } from '../../lib/session/control.ts'
import { FrameType } from '../../lib/wire/frame.ts'
import type { FrameReader } from '../../lib/wire/frame-reader.ts'
import { Outbox } from '../../lib/wire/outbox.ts'

describe('the pings of a peer', () => {
  it('tell that it pings by itself, but for those behind bulk, which come without an interval', () => {
    let heard = 0
    const control = new SessionControl({
      ...{ outbox: new Outbox(), flood: new FloodGuard(100), limits: defaultLimits },
      handlers: { onChanged: () => () => undefined } as never,
      remoteHandlers: undefined as never,
      pings: { onPing: () => void heard++, onPong: () => true },
      ...{ onTable: () => undefined, onLeftOut: () => undefined, onGoAway: () => undefined }
    })
    const ping = { type: FrameType.ping, token: 1 } as FrameReader
    const heardAfter = [0, 100, 65_535, 65_536, 131_071, 131_072, 131_172].map((bytesIn) => {
      control.handleFrame(ping, bytesIn)
      return heard
    })
    assert.deepEqual(heardAfter, [1, 2, 3, 3, 4, 4, 5])
  })
})
