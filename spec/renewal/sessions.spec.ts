/** Which of the sessions of a peer takes the calls, frame by frame: around a renewal, and when that goes wrong. */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { memoryPair } from '../../lib/conn/memory.ts'
import { Connection } from '../../lib/connection/connection.ts'
import { silentLogger } from '../../lib/errors/logger.ts'
import { defaultReconnect } from '../../lib/errors/options.ts'
import { type Frame, FrameType } from '../../lib/wire/frame.ts'
import { Wire } from '../../lib/wire/wire.ts'
import { type RawFrames, rawFrames } from '../support/raw/frames.ts'
import { rawSingle, sessionInit, table } from '../support/raw/make.ts'
import { connWire } from '../support/raw/wire.ts'
import { until } from '../support/until.ts'

/** The remote end of one session. */
class RemoteEnd {
  readonly raw: RawFrames

  constructor(connection: Connection, renews: boolean) {
    const [mine, theirs] = memoryPair()
    this.raw = rawFrames(connWire(mine))
    const session = sessionInit({ wire: new Wire(theirs) })
    connection.adopt({ session, renews, renewBefore: undefined, deadlineMs: performance.now() + 60_000 })
  }

  advertise(): void {
    this.raw.send(table(rawSingle))
  }

  /** Answers the last ping, once there is one beyond those that it has seen before. */
  async answer(seen = 0): Promise<void> {
    await until(() => this.raw.pings.length > seen, 'a ping arrives')
    this.raw.send({ type: FrameType.pong, flags: 0, token: this.raw.pings.at(-1)?.token ?? 0 })
  }

  has(type: Frame['type']): boolean {
    return this.raw.of(type).length > 0
  }

  cut(): void {
    this.raw.wire.cut()
  }
}

async function connected(): Promise<{ connection: Connection; first: RemoteEnd; states: string[] }> {
  const connection = new Connection({
    ...{ host: 'http://raw', dials: false, reconnect: defaultReconnect, logger: silentLogger },
    dial: () => Promise.reject(new Error('this side does not dial'))
  })
  connection.start()
  const first = new RemoteEnd(connection, false)
  first.advertise()
  await until(() => connection.state === 'connected', 'the first session is ready')
  const states: string[] = []
  connection.on('state', ({ state }) => states.push(state))
  return { connection, first, states }
}

/** A call that is on its way is enough. Begun again and again: the first ones may go to an end that has just died. */
async function callArrivesAt(connection: Connection, end: RemoteEnd): Promise<void> {
  const before = end.raw.of(FrameType.open).length
  await until(() => {
    connection.request('raw.single').catch(() => undefined)
    return end.raw.of(FrameType.open).length > before
  }, 'a call arrives')
}

const over = { reason: 'shutdown', text: 'the spec is over' } as const

it('a renewed session hears GOAWAY only when both ends are ready, and what was on its way has arrived', async () => {
  const { connection, first, states } = await connected()
  const second = new RemoteEnd(connection, true)
  await callArrivesAt(connection, first)
  second.advertise()
  await until(() => connection.stats().reconnects === 1, 'the second session is ready')
  await callArrivesAt(connection, second)
  const pings = first.raw.pings.length
  assert.ok(!first.has(FrameType.goAway))
  await second.answer()
  await until(() => first.raw.pings.length > pings, 'the first session is asked for what was on its way')
  assert.ok(!first.has(FrameType.goAway))
  await first.answer(pings)
  await until(() => first.has(FrameType.goAway), 'it hears of its end')
  assert.deepEqual(states, [])
  await connection.close(over, 1)
})

it('a renewed session takes the calls again when the one that renewed it dies, and is not ended for that one', async () => {
  const { connection, first, states } = await connected()
  const second = new RemoteEnd(connection, true)
  second.advertise()
  await until(() => connection.stats().reconnects === 1, 'the second session is ready')
  const pings = first.raw.pings.length
  await second.answer()
  await until(() => first.raw.pings.length > pings, 'the first session is asked for what was on its way')
  second.cut()
  await callArrivesAt(connection, first)
  await first.answer(pings)
  await callArrivesAt(connection, first)
  assert.ok(!first.has(FrameType.goAway))
  assert.deepEqual(states, [])
  await connection.close(over, 1)
})
