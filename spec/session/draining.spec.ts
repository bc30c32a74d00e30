/** Sessions of one peer that go away while their calls run: a few may, more are ended. */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { silentLogger } from '../../lib/base/logger.ts'
import { defaultLimits, defaultReconnect, maxDraining } from '../../lib/base/options.ts'
import { memoryPair } from '../../lib/conn/memory.ts'
import { Connection } from '../../lib/connection/connection.ts'
import { rawSingle } from '../../lib/handler/definition.ts'
import { LocalHandlers } from '../../lib/handler/table.ts'
import { Wire } from '../../lib/wire/wire.ts'
import { naiveBatch } from '../support/codec/naive.ts'
import { addHandler, goAway, open, sessionInit, table } from '../support/raw/make.ts'
import { until } from '../support/until.ts'

it(`a peer has at most ${maxDraining} sessions that end their calls, however often it goes away`, async () => {
  let ran = 0
  let running = 0
  const handlers = new LocalHandlers(defaultLimits.maxNameBytes)
  const fn = (_payload: unknown, { signal }: { signal: AbortSignal }) => {
    ran++
    running++
    signal.addEventListener('abort', () => running--)
    return new Promise(() => undefined)
  }
  addHandler(handlers, rawSingle('wait'), fn)
  const connection = new Connection({
    ...{ host: 'http://raw', dials: false, reconnect: defaultReconnect, logger: silentLogger },
    dial: () => Promise.reject(new Error('this side does not dial'))
  })
  connection.start()
  const frames = [table(), open(1, 0), goAway()]
  for (let session = 0; session < maxDraining * 3; session++) {
    const [mine, theirs] = memoryPair()
    new Wire(mine).write(naiveBatch(frames, false))
    const init = sessionInit({ wire: new Wire(theirs), handlers })
    const deadlineMs = performance.now() + 5000
    connection.adopt({ session: init, renews: false, renewBefore: undefined, deadlineMs })
    await until(() => ran === session + 1 && connection.state === 'waiting', 'its call runs, and the session goes away')
    await until(() => running <= maxDraining, 'no more calls run than may')
  }
  assert.equal(running, maxDraining)
  await connection.close({ reason: 'shutdown', text: 'the spec is over' }, 1)
  await until(() => running === 0, 'all calls are aborted')
})
