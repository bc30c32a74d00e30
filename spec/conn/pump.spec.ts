/**
 * The sending end of a conn alone: when it pulls, waits, gives its source back, and settles.
 * Against a target that the spec holds in its hands; real ones are in conn.spec.ts.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Pump } from '../../lib/conn/pump.ts'
import { settled } from '../support/until.ts'
import { each, endless, message, silent } from './suite.ts'

function target() {
  const written: Uint8Array[] = []
  const errors: unknown[] = []
  const carrier = {
    open: true,
    held: 0,
    written,
    errors,
    write(bytes: Uint8Array): boolean {
      if (!carrier.open) return false
      written.push(bytes)
      carrier.held += bytes.length
      return true
    },
    unsent: () => carrier.held
  }
  const pump = new Pump(carrier, 20, (error) => errors.push(error))
  return { carrier, pump }
}

describe('Pump', () => {
  it('pulls until the target holds more than the limit, and again from the limit on', async () => {
    const { carrier, pump } = target()
    const source = endless(10)
    const run = pump.run(source)
    assert.equal(await settled(() => source.pulls, 20), 3)
    carrier.held = 21
    pump.drained()
    assert.equal(await settled(() => source.pulls, 20), 3)
    carrier.held = 20
    pump.drained()
    assert.equal(await settled(() => source.pulls, 20), 4)
    pump.settle(new Error('over'))
    await assert.rejects(run, /over/)
    assert.equal(source.returned, true)
  })

  it('resolves once its source ended and the target holds nothing', async () => {
    const { carrier, pump } = target()
    let resolved = false
    const run = pump.run(each([message(5, 1)])).then(() => {
      resolved = true
    })
    await settled(() => carrier.written.length, 20)
    assert.equal(resolved, false)
    carrier.held = 0
    pump.drained()
    await run
  })

  it('writes a pull that settles between halt and stop, and nothing after', async () => {
    const { carrier, pump } = target()
    const source = endless(1)
    const run = pump.run(source)
    pump.halt()
    await settled(() => source.pulls, 20)
    assert.deepEqual([source.pulls, carrier.written.length, source.returned], [1, 1, true])
    pump.stop()
    pump.settle()
    await run
  })

  it('does not write a pull that settles after stop', async () => {
    const { carrier, pump } = target()
    const run = pump.run(endless(1))
    pump.stop()
    pump.settle()
    await run
    await settled(() => carrier.written.length, 20)
    assert.equal(carrier.written.length, 0)
  })

  it('waits to be settled when the target takes nothing any more', async () => {
    const { carrier, pump } = target()
    carrier.open = false
    const source = endless(1)
    const run = pump.run(source)
    pump.drained()
    assert.equal(await settled(() => source.pulls, 20), 1)
    pump.settle(new Error('closed'))
    await assert.rejects(run, /closed/)
  })

  it('reports a source that throws, but not one that throws when it is given back', async () => {
    const failing = target()
    const bad = {
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.reject(new Error('bad')),
        return: () => Promise.reject(new Error('worse'))
      })
    }
    const run = failing.pump.run(bad)
    await settled(() => failing.carrier.errors.length, 20)
    assert.match(String(failing.carrier.errors[0]), /bad/)
    failing.pump.settle(new Error('over'))
    await assert.rejects(run, /over/)

    const stopped = target()
    const late = stopped.pump.run(bad)
    stopped.pump.settle()
    await late
    await settled(() => stopped.carrier.errors.length, 20)
    assert.equal(stopped.carrier.errors.length, 0)
  })

  it('settles at once when the conn was over before it ran', async () => {
    const { pump } = target()
    pump.settle(new Error('too late'))
    const source = silent()
    await assert.rejects(pump.run(source), /too late/)
    assert.equal(source.returned, true)
  })

  it('rejects a source that cannot be iterated', async () => {
    const { pump } = target()
    const source = {
      [Symbol.asyncIterator]() {
        throw new Error('no iterator')
      }
    }
    await assert.rejects(pump.run(source), /no iterator/)
  })
})
