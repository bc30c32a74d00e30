/** A conn in use: what it must not do with the messages that it is given. */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Conn } from '../../lib/conn/conn.ts'
import { Wire } from '../../lib/wire/wire.ts'
import { until } from '../support/until.ts'
import { bulkSender } from './senders.ts'

it('a conn that gives away the memory of a message while others share it is cut with that reason, and hangs no process', async () => {
  for (const size of [10, 40_000]) {
    const aborted: Error[] = []
    let give = (): void => undefined
    const conn: Conn = {
      ...{ secure: true, remoteAddress: 'own', close: () => undefined },
      source: { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }) },
      async sink(messages) {
        for await (const { buffer } of messages) {
          give = () => structuredClone(undefined, { transfer: [buffer as ArrayBuffer] })
        }
      },
      abort: (error) => aborted.push(error)
    }
    const { outbox } = new Wire(conn)
    const isCut = () => {
      outbox.offer(bulkSender(1, 3, size))
      give()
      return outbox.isOver
    }
    await until(isCut, 'it is cut')
    const message = 'the conn gave away the memory of a message that its sink had pulled, which others share: copy it'
    assert.deepEqual([aborted.length, aborted[0]?.message], [1, message])
  }
})
