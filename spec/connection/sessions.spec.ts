/** Which of the sessions of a peer takes the calls, frame by frame: around a renewal, and when that goes wrong. */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { silentLogger } from '../../lib/base/logger.ts'
import { defaultKeepAlive, defaultLimits, defaultReconnect } from '../../lib/base/options.ts'
import { memoryPair } from '../../lib/conn/memory.ts'
import { Connection } from '../../lib/connection/connection.ts'
import { LocalHandlers } from '../../lib/handler/table.ts'
import type { SessionInit } from '../../lib/session/session.ts'
import { type Frame, FrameType } from '../../lib/wire/frame.ts'
import { Wire } from '../../lib/wire/wire.ts'
import { naiveBatch, naiveDecode } from '../support/codec/naive.ts'
import { rawSingle } from '../support/raw/peer.ts'
import { connWire, type RawWire } from '../support/raw/wire.ts'
import { until } from '../support/until.ts'

/** The remote end of one session; pings, too, are answered only when the spec says so. */
class RemoteEnd {
  readonly frames: Frame[] = []
  readonly #wire: RawWire

  constructor(connection: Connection, renews: boolean) {
    const [mine, theirs] = memoryPair()
    this.#wire = connWire(mine)
    this.#read()
    const session: SessionInit = {
      ...{ wire: new Wire(theirs), role: 'listener', limits: defaultLimits, remoteLimits: defaultLimits },
      ...{ handlers: new LocalHandlers(defaultLimits.maxNameBytes), keepAlive: defaultKeepAlive, checksum: false },
      remote: { host: 'http://raw', instance: '00', identity: {}, address: 'memory' }
    }
    connection.adopt({ session, renews, renewBefore: undefined, deadlineMs: performance.now() + 60_000 })
  }

  send(...frames: Frame[]): void {
    this.#wire.write(naiveBatch(frames, false))
  }

  advertise(): void {
    this.send({ type: FrameType.handlers, flags: 0, entries: [rawSingle] })
  }

  /** Answers the last ping, once there is one beyond those that it has seen before. */
  async answer(seen = 0): Promise<void> {
    await until(() => this.count(FrameType.ping) > seen, 'a ping arrives')
    for (const frame of this.frames.toReversed()) {
      if (frame.type === FrameType.ping) return this.send({ type: FrameType.pong, flags: 0, token: frame.token })
    }
  }

  has(type: Frame['type']): boolean {
    return this.frames.some((frame) => frame.type === type)
  }

  count(type: Frame['type']): number {
    return this.frames.filter((frame) => frame.type === type).length
  }

  cut(): void {
    this.#wire.cut()
  }

  async #read(): Promise<void> {
    for (let batch = await this.#wire.read(); batch !== undefined; batch = await this.#wire.read()) {
      this.frames.push(...naiveDecode(batch, false))
    }
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
  const before = end.count(FrameType.open)
  await until(() => {
    connection.request('raw.single').catch(() => undefined)
    return end.count(FrameType.open) > before
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
  const pings = first.count(FrameType.ping)
  assert.ok(!first.has(FrameType.goAway))
  await second.answer()
  await until(() => first.count(FrameType.ping) > pings, 'the first session is asked for what was on its way')
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
  const pings = first.count(FrameType.ping)
  await second.answer()
  await until(() => first.count(FrameType.ping) > pings, 'the first session is asked for what was on its way')
  second.cut()
  await callArrivesAt(connection, first)
  await first.answer(pings)
  await callArrivesAt(connection, first)
  assert.ok(!first.has(FrameType.goAway))
  assert.deepEqual(states, [])
  await connection.close(over, 1)
})
