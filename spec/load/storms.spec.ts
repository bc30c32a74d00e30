/**
 * Storms of ordinary calls between two processes, close to the limit of calls and far over that of frames that move no call
 * forward: none of them is a flood. `spec/long/storms.ts` does the same at the default limits.
 */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { openStormPair, type StormPair } from '../support/calls/storm-pair.ts'
import { storms } from '../support/calls/storms.ts'
import '../support/uncovered.ts'

const limits = { maxInboundStreams: 2000, maxIdleFramesPerSecond: 500 }
const rounds = 2

describe(`no conn is closed for a flood, ${rounds} times over, by up to 1900 calls each way:`, () => {
  let pair: StormPair

  before(async () => {
    pair = await openStormPair(limits)
  })

  after(() => pair[Symbol.asyncDispose]())

  for (const name of Object.keys(storms)) {
    it(name, async () => {
      for (let round = 0; round < rounds; round++) {
        assert.deepEqual(pair.problems(name, await pair.round(name)), [])
      }
      await pair.rest()
    })
  }
})
