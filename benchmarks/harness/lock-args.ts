/** The arguments of a lock, as two benchmarks write and read them: those that are measured, and their codec. */

import type { LockArgs } from '../../examples/locks/definitions.ts'
import type { Grid } from './library.ts'

export type { LockArgs }

/** The codec of the examples, out of a build of the library. */
export function lockArgsOf({ field, tuple }: Grid) {
  return tuple({
    uid: field.string,
    resources: field.array(field.string),
    owner: field.string,
    source: field.string,
    quorum: field.nullable(field.number)
  })
}

/** A power of two, so that which one is next costs next to nothing. */
const count = 64
/** Each resource is wanted by some readers. */
const resources = 16

/** What is measured, in a ring: all have the same size, and none the strings of its neighbour. */
export const measuredArgs: readonly LockArgs[] = Array.from({ length: count }, (_, index) => ({
  uid: `${hex(index, 8)}-1c5e-4d1b-8a3f-${hex(index + count, 12)}`,
  resources: [`bucket/path/to/an/obj-${String(index % resources).padStart(2, '0')}.bin`],
  owner: 'node-3.example.net:9000',
  source: 'erasure-object.ts:412:getObject',
  quorum: 3
}))

/** So many digits that look like those of a random number. */
function hex(index: number, digits: number): string {
  const mixed = BigInt.asUintN(digits * 4, (BigInt(index + 1) * 0x9e3779b97f4a7c15n) >> 4n)
  return mixed.toString(16).padStart(digits, '0')
}
