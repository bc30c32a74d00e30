/** How often two processes of one name are told of, on a virtual clock. */

import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { type VirtualTime, virtualTime } from '../../lib/extras/testing/index.ts'
import { NameClash } from '../../lib/peer/name-clash.ts'
import { LogBook } from '../support/grid/manager.ts'

describe('two processes of one name', () => {
  let clock: VirtualTime
  let log: LogBook
  let clash: NameClash
  const count = () => log.lines.filter((line) => line.startsWith('error')).length

  /** A sign of it each 30 s. */
  async function last(minutes: number): Promise<void> {
    for (let n = 0; n < 2 * minutes; n++) {
      clash.of('http://twice', 'it is back')
      await clock.run(30_000)
    }
  }

  beforeEach(() => {
    clock = virtualTime(Math.random)
    log = new LogBook()
    clash = new NameClash('http://own', log)
  })
  afterEach(() => clock[Symbol.dispose]())

  it('are told of at once, and again every ten minutes as long as that lasts', async () => {
    await last(9)
    assert.equal(count(), 1)
    await last(3)
    assert.equal(count(), 2)
    await last(18)
    assert.equal(count(), 3)
  })

  it('are told of anew after a minute without a sign, each name for itself', async () => {
    await last(1)
    clash.ofThis('it dialed')
    assert.equal(count(), 2)
    await clock.run(61_000)
    await last(1)
    assert.equal(count(), 3)
  })
})
