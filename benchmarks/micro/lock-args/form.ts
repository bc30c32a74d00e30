/** One way to write and read the arguments of a lock: that it brings them through, and what is measured of it. */

import assert from 'node:assert/strict'
import type { Grid } from '../../harness/library.ts'
import { type LockArgs, measuredArgs } from '../../harness/lock-args.ts'
import { keep, type Run, repeated } from '../../harness/pieces/piece.ts'

export interface Coding<Encoded extends string | Uint8Array> {
  readonly encode: (args: LockArgs) => Encoded
  readonly decode: (encoded: Encoded) => LockArgs | Promise<LockArgs>
}

export interface Form {
  readonly name: string
  /** How it is read. */
  readonly reading: string
  /** How it is written; undefined where another form writes the same. */
  readonly writing: string | undefined
  /** What each of the measured arguments takes. */
  sizeBytes(grid: Grid): number
  /** @throws {Error} when anything does not come back as it went */
  prepareDecode(grid: Grid): Promise<Run>
  /** @throws {Error} when anything does not come back as it went */
  prepareEncode(grid: Grid): Promise<Run>
}

const ring = measuredArgs.length - 1

/** What a form must bring through as well before it is measured. */
const unusualArgs: readonly LockArgs[] = [
  { uid: '', resources: [], owner: '', source: '', quorum: null },
  { uid: 'ä', resources: ['', 'bucket/日本語', ''], owner: '🔒', source: '"\\t\t', quorum: 0 },
  { uid: ' ', resources: Array.from({ length: 40 }, (_, i) => `object-${i}`), owner: '-', source: ' ', quorum: -1.5 }
]

export function form<Encoded extends string | Uint8Array>(
  name: string,
  codingOf: (grid: Grid) => Coding<Encoded>,
  reading: string,
  writing?: string
): Form {
  const verified = async (grid: Grid): Promise<Coding<Encoded>> => {
    const coding = codingOf(grid)
    for (const args of [...measuredArgs, ...unusualArgs]) {
      assert.deepEqual(await coding.decode(coding.encode(args)), args, name)
    }
    return coding
  }
  return {
    name,
    reading,
    writing,
    sizeBytes(grid) {
      const { encode } = codingOf(grid)
      const [size, ...others] = new Set(measuredArgs.map((args) => Buffer.byteLength(encode(args))))
      assert.deepEqual(others, [], `${name}: the measured arguments differ in size`)
      return size as number
    },
    prepareDecode: async (grid) => decodes(await verified(grid)),
    async prepareEncode(grid) {
      const { encode } = await verified(grid)
      return repeated((i) => encode(measuredArgs[i & ring] as LockArgs))
    }
  }
}

/** Only what answers with a promise is waited for. */
async function decodes<Encoded extends string | Uint8Array>({ encode, decode }: Coding<Encoded>): Promise<Run> {
  const encoded = measuredArgs.map(encode)
  const first = decode(encoded[0] as Encoded)
  if (!(first instanceof Promise)) return repeated((i) => decode(encoded[i & ring] as Encoded))
  await first
  return async (count) => {
    for (let i = 0; i < count; i++) keep(await decode(encoded[i & ring] as Encoded))
  }
}
