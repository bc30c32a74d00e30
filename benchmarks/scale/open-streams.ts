/**
 * 10,000 two-way streams open at once on one connection: a message goes each way on each, all stay open, all end.
 *
 * The two ends are two processes. When all have ended nothing may be left at either.
 */

import { countOf, optionsOf } from '../harness/arguments.ts'
import { number } from '../harness/table.ts'
import { countsOf } from './grid.ts'
import { assertIdle, connectEnds, endEchoes, memoryOf, openEchoes, stagesTable } from './near.ts'

const count = countOf('streams', optionsOf({ streams: '10000' }).streams)
const ends = await connectEnds()

// Once before, so that code and tables are there and only the streams are counted.
await endEchoes(await openEchoes(ends, count))
await assertIdle(ends)
const before = await memoryOf(ends)

const startMs = performance.now()
const streams = await openEchoes(ends, count)
const openMs = performance.now() - startMs
const open = await memoryOf(ends)
const counts = { near: countsOf(ends.manager), far: await ends.far.ask('counts') }
const all = [counts.near.outboundStreams, counts.far.inboundStreams, counts.far.runningHandlers]
if (all.some((each) => each !== count)) throw new Error(`not all are open: ${JSON.stringify(counts)}`)

const endStartMs = performance.now()
await endEchoes(streams)
const endMs = performance.now() - endStartMs
await assertIdle(ends)
streams.length = 0
const after = await memoryOf(ends)

console.log(`${number(count)} two-way streams open at once on one connection, default limits`)
console.log(
  `opened, with a message each way on each: ${number(openMs)} ms (${number((openMs / count) * 1000)} us each)`
)
console.log(`ended, seen by both ends: ${number(endMs)} ms; streams, handlers and queues left: 0`)
console.log(stagesTable(['all open', 'per open stream'], [before, open, after], count))
await ends.close()
