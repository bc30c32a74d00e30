/** What a test grid does under any runner: the same for all, with the means of each. */

import assert from 'node:assert/strict'
import { single } from 'it-grid'
import { fakePeer, testGrid } from 'it-grid/testing'

const add = single('add')
const never = single('never')

/** Of a processor: the time of day would be that of what else the machine does. */
function cpuMs() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

function setup(grid, index) {
  grid.handle(add, (n) => n + index)
  grid.handle(never, (_none, { signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)))
}

/** Without `await using`, which the oldest Node does not know. */
async function within(opening, use) {
  const grid = await opening
  try {
    return await use(grid)
  } finally {
    await grid.close()
  }
}

export const realTimers = () => within(testGrid(3, { setup }), useRealTimers)
/** A deadline of 30 s, faults and all, in how many ms of a processor. */
export const fakeTimers = (advance) => within(testGrid(2, { setup, seed: 7, advance }), useFakeTimers)

async function useRealTimers(grid) {
  await grid.ready()
  assert.equal(await grid.peer(0, 2).request(add, 40), 42)
  const call = grid
    .peer(0, 1)
    .request(never)
    .catch((error) => error)
  await new Promise((resolve) => setTimeout(resolve, 5))
  assert.throws(() => grid.assertNothingLeft(), /a request "never" of .*, made\n\s+at .*facts\.js:/)
  grid.cut(0, 1)
  assert.equal((await call).code, 'ERR_DISCONNECTED')
  await grid.heal()
  await grid.settled()
  const peer = fakePeer((server) => server.handle(add, (n) => n + 1))
  assert.equal(await peer.request(add, 1), 2)
  await peer.grid.close()
  await assert.rejects(grid.advance(1), /needs the option advance/)
}

async function useFakeTimers(grid) {
  await grid.ready()
  assert.equal(await Promise.race([grid.peer(0, 1).request(add, 41), grid.advance(100)]), 42)
  const startMs = cpuMs()
  let code
  grid
    .peer(0, 1)
    .request(never, undefined, { timeout: 30_000 })
    .catch((error) => {
      code = error.code
    })
  await grid.advance(29_000)
  assert.equal(code, undefined)
  await grid.advance(1500)
  assert.equal(code, 'ERR_DEADLINE')
  const tookMs = cpuMs() - startMs
  grid.delay(0, 1, [5, 50])
  grid.kill(1)
  await grid.restart(1)
  await grid.heal()
  await grid.settled()
  return tookMs
}
