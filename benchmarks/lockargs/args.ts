/** The arguments of a lock: their type, their codec, and those that are measured. */

/** The library, as its users import it. */
export type Grid = typeof import('../../lib/index.ts')

export interface LockArgs {
  uid: string
  resources: string[]
  owner: string
  source: string
  quorum: number | null
}

/** Their codec, out of a build of the library. */
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

/** What a form must bring through as well before it is measured. */
export const unusualArgs: readonly LockArgs[] = [
  { uid: '', resources: [], owner: '', source: '', quorum: null },
  { uid: 'ä', resources: ['', 'bücket/日本語', ''], owner: '🔒', source: '"\\t\t', quorum: 0 },
  { uid: ' ', resources: Array.from({ length: 40 }, (_, i) => `object-${i}`), owner: '-', source: ' ', quorum: -1.5 }
]

/** So many digits that look like those of a random number. */
function hex(index: number, digits: number): string {
  const mixed = BigInt(index + 1) * 0x9e3779b97f4a7c15n
  return BigInt.asUintN(digits * 4, mixed >> 4n)
    .toString(16)
    .padStart(digits, '0')
}
