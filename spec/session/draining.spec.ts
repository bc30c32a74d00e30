/** Sessions of one peer that go away while their calls run: a few may, more are ended. */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { silentLogger } from '../../lib/base/logger.ts'
import { defaultKeepAlive, defaultLimits, defaultReconnect, maxDraining } from '../../lib/base/options.ts'
import { memoryPair } from '../../lib/conn/memory.ts'
import { Connection } from '../../lib/connection/connection.ts'
import { rawSingle } from '../../lib/handler/definition.ts'
import { LocalHandlers, toEntry } from '../../lib/handler/table.ts'
import type { SessionInit } from '../../lib/session/session.ts'
import { Flag, type Frame, FrameType } from '../../lib/wire/frame.ts'
import { Wire } from '../../lib/wire/wire.ts'
import { naiveBatch } from '../support/codec/naive.ts'
import { until } from '../support/until.ts'

it(`a peer has at most ${maxDraining} sessions that end their calls, however often it goes away`, async () => {
  let ran = 0
  let running = 0
  const handlers = new LocalHandlers(defaultLimits.maxNameBytes)
  const definition = rawSingle('wait')
  const fn = (_payload: unknown, { signal }: { signal: AbortSignal }) => {
    ran++
    running++
    signal.addEventListener('abort', () => running--)
    return new Promise(() => undefined)
  }
  handlers.add({ entry: toEntry(definition, ''), definition, fn })
  const connection = new Connection({
    ...{ host: 'http://raw', dials: false, reconnect: defaultReconnect, logger: silentLogger },
    dial: () => Promise.reject(new Error('this side does not dial'))
  })
  connection.start()
  const frames: Frame[] = [
    { type: FrameType.handlers, flags: 0, entries: [] },
    {
      ...{ type: FrameType.open, flags: Flag.end, streamId: 1, handler: 0, timeoutMs: 0 },
      ...{ metadata: undefined, payload: new Uint8Array(0) }
    },
    { type: FrameType.goAway, flags: 0, code: 0, lastStreamId: 0, text: '' }
  ]
  for (let session = 0; session < maxDraining * 3; session++) {
    const [mine, theirs] = memoryPair()
    new Wire(mine).write(naiveBatch(frames, false))
    const init: SessionInit = {
      ...{ wire: new Wire(theirs), role: 'listener', limits: defaultLimits, remoteLimits: defaultLimits, handlers },
      ...{ keepAlive: defaultKeepAlive, checksum: false },
      remote: { host: 'http://raw', instance: '00', identity: {}, address: 'memory' }
    }
    const deadlineMs = performance.now() + 5000
    connection.adopt({ session: init, renews: false, renewBefore: undefined, deadlineMs })
    await until(() => ran === session + 1 && connection.state === 'waiting', 'its call runs, and the session goes away')
    await until(() => running <= maxDraining, 'no more calls run than may')
  }
  assert.equal(running, maxDraining)
  await connection.close({ reason: 'shutdown', text: 'the spec is over' }, 1)
  await until(() => running === 0, 'all calls are aborted')
})
