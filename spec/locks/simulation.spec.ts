/**
 * Nobody holds a lock beside a writer, whatever the network and the servers do: hundreds of simulated minutes of faults, the
 * same again from the same seed. And the simulation finds what is wrong on purpose, or it would prove nothing.
 *
 * `SEED=<n>` begins at another seed.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seed as first } from '../support/random.ts'
import { type Figure, type Mutant, type SimulationResult, simulate } from './simulation.ts'
import '../support/uncovered.ts'

const seeds = 24
/** A mutant is seen with one seed in four: so many that none is missed by bad luck. */
const mutantSeeds = 100
const sizes = [1, 2, 3, 4, 5]
/** Far fewer than there are, but more than a quiet day has. */
const expected: Readonly<Record<Figure, number>> = {
  ...{ entries: 500, losses: 10, timeouts: 100, aborts: 20 },
  ...{ restarts: 100, blackHoles: 200, late: 1000, lost: 400 }
}
const mutants: Readonly<Record<string, Mutant>> = {
  'servers that grant as soon as they are restarted': { openAtOnce: true },
  'holders that work on without a lock': { deafHolder: true },
  'servers that forget their tokens when they are restarted': { forgottenTokens: true },
  'servers that are not told the tokens that were given by others': { deafToTokens: true },
  'servers that tell a time thrice as long as they keep': { lyingTtl: 3 }
}

/** What is wrong with it, without the figures. */
function wrongOf({ figures: _, ...wrong }: SimulationResult): Omit<SimulationResult, 'figures'> {
  return wrong
}

const nothing = { violations: [], stuck: [], unexpected: [], unhandled: [], leftGrants: 0, leftTimers: 0 }

/** Seeds until one at any number of servers violates; undefined when none does. */
async function seedsToFind(mutant: Mutant): Promise<number | undefined> {
  for (let tried = 0; tried < mutantSeeds; tried++) {
    for (const servers of sizes) {
      const { violations } = await simulate({ seed: first + tried, servers, mutant })
      if (violations.length > 0) return tried + 1
    }
  }
  return undefined
}

describe(`simulated locks, from SEED=${first}`, () => {
  it('exclude each other, leave nothing and let everybody through', async (test) => {
    const sum: Partial<Record<Figure, number>> = {}
    for (let seed = first; seed < first + seeds; seed++) {
      for (const servers of sizes) {
        // First come, first served, with every other seed.
        const result = await simulate({ seed, servers, mutant: { fair: seed % 2 === 1 } })
        assert.deepEqual(
          wrongOf(result),
          nothing,
          `SEED=${seed}, ${servers} servers: ${JSON.stringify(wrongOf(result))}`
        )
        for (const [name, count] of Object.entries(result.figures)) {
          sum[name as Figure] = (sum[name as Figure] ?? 0) + count
        }
      }
    }
    test.diagnostic(JSON.stringify(sum))
    for (const [name, count] of Object.entries(expected)) {
      assert.ok((sum[name as Figure] ?? 0) >= count, `${name} of at least ${count}: ${JSON.stringify(sum)}`)
    }
  })

  it('do the same again from the same seed', async () => {
    for (const servers of sizes) {
      assert.deepEqual(await simulate({ seed: first, servers }), await simulate({ seed: first, servers }))
    }
  })

  for (const [name, mutant] of Object.entries(mutants)) {
    it(`do not exclude each other with ${name}, and it is seen`, async (test) => {
      const found = await seedsToFind(mutant)
      test.diagnostic(`found with ${found} seeds`)
      assert.ok(found !== undefined, `not found from SEED=${first}`)
    })
  }
})
