/** A dispatcher and three workers, of which one hangs now and then, and one is stopped in the middle. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { run, runAll } from './jobs.ts'
import { startServers } from './servers.ts'

const jobs = Array.from({ length: 300 }, (_, id) => ({ id }))
let [hung, cancelled, started] = [0, 0, 0]

const { grids, close } = await startServers(4, (grid, index) => {
  // The first one only gives jobs to the others.
  if (index === 0) return
  let taken = 0
  grid.handle(run, async ({ id }, { signal }) => {
    started++
    if (index === 3 && ++taken % 10 === 0) {
      hung++
      await once(signal, 'abort')
      cancelled++
      throw signal.reason
    }
    await delay(2, undefined, { signal })
    return `job ${id} is done`
  })
})
const [dispatcher, , second] = grids as [(typeof grids)[0], unknown, (typeof grids)[0]]

const running = runAll(dispatcher, jobs, { concurrency: 16, hedgeAfterMs: 40 })
while (started < 100) await delay(1)
// As a deploy that is in a hurry: what runs there fails.
await second.close({ timeout: 0 })
const results = await running

assert.equal(results.size, jobs.length)
assert.ok(jobs.every(({ id }) => results.get(id) === `job ${id} is done`))
console.log(`${results.size} jobs have ${results.size} results, though a worker was stopped in the middle`)
assert.ok(hung > 0)
while (cancelled < hung) await delay(1)
console.log('each job that hung was done by a second worker, and cancelled at the first one')

await close()
