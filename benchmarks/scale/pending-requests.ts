/**
 * 100,000 requests in flight at once on one connection: the far handler holds them all, and then answers all.
 *
 * That is as many as the default limits of the far end allow. The two ends are two processes.
 */

import { countOf, optionsOf } from '../harness/arguments.ts'
import { number } from '../harness/table.ts'
import { assertIdle, connectEnds, holdRequests, memoryOf, releaseRequests, stagesTable } from './near.ts'

const count = countOf('requests', optionsOf({ requests: '100000' }).requests)
const ends = await connectEnds()

// A few before, so that the code is there and only the requests are counted.
await releaseRequests(ends, await holdRequests(ends, 1000))
await assertIdle(ends)
const before = await memoryOf(ends)

const startMs = performance.now()
const answers = await holdRequests(ends, count)
const heldMs = performance.now() - startMs
const pending = await memoryOf(ends)

const releaseMs = performance.now()
await releaseRequests(ends, answers)
const answeredMs = performance.now() - releaseMs
await assertIdle(ends)
answers.length = 0
const after = await memoryOf(ends)

console.log(`${number(count)} requests of 64 B in flight at once on one connection, default limits`)
console.log(`all arrived at the handler: ${number(heldMs)} ms (${number((heldMs / count) * 1000)} us each)`)
console.log(`all answered, each with its own answer: ${number(answeredMs)} ms; streams and handlers left: 0`)
console.log(stagesTable(['all in flight', 'per request'], [before, pending, after], count))
await ends.close()
