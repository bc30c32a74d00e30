/**
 * 100,000 requests in flight at once on one connection: the far handler holds them all, and then answers all.
 *
 * That is as many as the default limits of the far end allow. The two ends are two processes.
 */

import { optionsOf } from '../harness/arguments.ts'
import { number } from '../harness/table.ts'
import { hold, stagesTable } from './hold.ts'
import { connectEnds, heldRequests } from './near.ts'

const { requests: count } = optionsOf({ requests: 100_000 })
const ends = await connectEnds()
const { openMs, endMs, stages } = await hold(ends, heldRequests, 1000, count)

const eachUs = number((openMs / count) * 1000)
console.log(`${number(count)} requests of 64 B in flight at once on one connection, default limits`)
console.log(`all arrived at the handler: ${number(openMs)} ms (${eachUs} us each)`)
console.log(`all answered, each with its own answer: ${number(endMs)} ms; streams and handlers left: 0`)
console.log(stagesTable(['all in flight', 'per request'], stages, count))
await ends.close()
