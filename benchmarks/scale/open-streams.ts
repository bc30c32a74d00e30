/**
 * 10,000 two-way streams open at once on one connection: a message goes each way on each, all stay open, all end.
 *
 * The two ends are two processes. When all have ended nothing may be left at either.
 */

import { optionsOf } from '../harness/arguments.ts'
import { number } from '../harness/table.ts'
import { hold, stagesTable } from './hold.ts'
import { connectEnds, echoStreams } from './near.ts'

const { streams: count } = optionsOf({ streams: 10_000 })
const ends = await connectEnds()
const { openMs, endMs, counts, stages } = await hold(ends, echoStreams, count, count)
const all = [counts.near.outboundStreams, counts.far.inboundStreams, counts.far.runningHandlers]
if (all.some((each) => each !== count)) throw new Error(`not all were open: ${JSON.stringify(counts)}`)

const eachUs = number((openMs / count) * 1000)
console.log(`${number(count)} two-way streams open at once on one connection, default limits`)
console.log(`opened, with a message each way on each: ${number(openMs)} ms (${eachUs} us each)`)
console.log(`ended, seen by both ends: ${number(endMs)} ms; streams, handlers and queues left: 0`)
console.log(stagesTable(['all open', 'per open stream'], stages, count))
await ends.close()
