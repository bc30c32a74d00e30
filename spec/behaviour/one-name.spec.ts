/** Two processes with one name, of a host that dials and of one that is dialed: who is told, and how often. */

import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { type VirtualTime, virtualTime } from '../../lib/extras/testing/index.ts'
import { type ConnDialer, type Manager, memoryPair } from '../../lib/index.ts'
import { LogBook, namesInOrder, testManager } from '../support/grid/manager.ts'

const [dialing, dialed] = namesInOrder()
const hosts = [dialing, dialed]

describe('two processes with one name', { concurrency: 1 }, () => {
  let clock: VirtualTime
  const managers: Manager[] = []
  /** The process at each address. */
  const served = new Map<string, Manager>()

  const dialer: ConnDialer = async (host) => {
    const [ours, theirs] = memoryPair()
    const manager = served.get(host)
    if (manager === undefined) throw new Error(`nobody is at ${host}`)
    manager.incomingConn(theirs)
    return ours
  }

  /** A copy has a name, and not its address. */
  function start(name: string, isCopy = false): LogBook {
    const logger = new LogBook()
    const manager = testManager({ local: name, hosts, dialer, logger, reconnect: {} })
    managers.push(manager)
    if (!isCopy) served.set(name, manager)
    return logger
  }

  beforeEach(() => {
    clock = virtualTime(Math.random)
  })

  afterEach(async () => {
    await Promise.all(managers.splice(0).map((manager) => manager.close({ timeout: 0 })))
    served.clear()
    clock[Symbol.dispose]()
  })

  const ofThis = /^error another process has the name of this one, /
  const ofTwo = /^error two processes have the name, /

  for (const [what, name] of [
    ['that dials', dialing],
    ['that is dialed', dialed]
  ] as const) {
    const other = name === dialing ? dialed : dialing

    it(`of a host ${what} are told so, both, and so is their peer: once each, then rarely`, async () => {
      const [one, peer] = [start(name), start(other)]
      await turn()
      await clock.run(5_000)
      const two = start(name, true)
      await turn()
      await clock.run(60_000)
      for (const [log, text] of [
        [one, ofThis],
        [two, ofThis],
        [peer, ofTwo]
      ] as const) {
        const [told = '', ...more] = log.warnings(/^error /)
        assert.match(told, text)
        assert.ok(told.includes(`${name}: `) && told.includes('End one of them'), told)
        assert.deepEqual(more, [])
      }
      assert.ok(peer.warnings(/is replaced by a newer one/).length <= 1)
      await clock.run(900_000)
      for (const log of [one, two, peer]) assert.ok(log.warnings(/^error /).length <= 3)
      assert.ok(peer.warnings().length <= 4, peer.warnings().join('\n'))
    })

    it(`is not said of a host ${what} and is started again, nor of one that dials itself`, async () => {
      const [one, peer] = [start(name), start(other)]
      await turn()
      await clock.run(20_000)
      await managers[0]?.close({ timeout: 0 })
      const again = start(name)
      await turn()
      await clock.run(60_000)
      served.delete(other)
      await managers[1]?.close({ timeout: 0 })
      await clock.run(60_000)
      for (const log of [one, peer, again]) assert.deepEqual(log.warnings(/one of them|refused/), [])
    })
  }
})
