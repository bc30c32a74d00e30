/** Contestants for the spec of the benchmarks that do something wrong. They answer within their client, over no conn. */

import type { ClientSide, Contestants, StreamPlan, TakeMessage } from '../../../benchmarks/compare/contestant.ts'
import { ringOf } from '../../../benchmarks/compare/messages.ts'
import type { Contestant } from '../../../benchmarks/harness/contest/contestant.ts'

const listen = async () => 'nowhere'

/** A promise that takes a turn of the event loop, as an answer over a conn does. */
const later = <T>(value: T): Promise<T> => new Promise((resolve) => setImmediate(resolve, value))

/** Changes one bit of every thousandth answer. */
const bitFlipper: Contestant<ClientSide> = {
  listen,
  async connect() {
    let count = 0
    return {
      async request(payload) {
        const answer = Buffer.from(payload)
        if (++count % 1000 === 0) answer[300] = (answer[300] as number) ^ 1
        return await later(answer)
      }
    }
  }
}

async function sendAll(plans: readonly StreamPlan[], take: TakeMessage): Promise<void> {
  for (const [stream, { bytes, count, first }] of plans.entries()) {
    for (let i = 0; i < count; i++) take(stream, ringOf(bytes).at(first + i))
  }
  await later(undefined)
}

export const contestants: Contestants = {
  'flips-a-bit': bitFlipper,
  'does-all-right': { listen, connect: async () => ({ request: later, serverStreams: sendAll }) },
  'dies-in-the-first-round': {
    listen,
    connect: async () => ({
      request: later,
      async serverStreams() {
        console.error('TypeError: something of theirs is undefined\n    at line 1')
        process.exit(7)
      }
    })
  },
  'does-not-listen': {
    listen: async () => {
      throw new Error('the port is taken')
    },
    connect: async () => ({ request: later })
  }
}
