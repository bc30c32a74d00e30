/** One way to write and read the arguments of a lock: that it brings them through, and what is measured of it. */

import assert from 'node:assert/strict'
import { keep, type Run } from '../harness/piece.ts'
import { type Grid, type LockArgs, measuredArgs, unusualArgs } from './args.ts'

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

export function form<Encoded extends string | Uint8Array>(
  name: string,
  codingOf: (grid: Grid) => Coding<Encoded>,
  reading: string,
  writing?: string
): Form {
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
    async prepareDecode(grid) {
      const coding = codingOf(grid)
      await verify(name, coding)
      return decodes(coding)
    },
    async prepareEncode(grid) {
      const coding = codingOf(grid)
      await verify(name, coding)
      return encodes(coding)
    }
  }
}

async function verify<Encoded extends string | Uint8Array>(name: string, { encode, decode }: Coding<Encoded>) {
  for (const args of [...measuredArgs, ...unusualArgs]) assert.deepEqual(await decode(encode(args)), args, name)
}

/** Only what answers with a promise is waited for. */
async function decodes<Encoded extends string | Uint8Array>({ encode, decode }: Coding<Encoded>): Promise<Run> {
  const encoded = measuredArgs.map(encode)
  const first = decode(encoded[0] as Encoded)
  await first
  if (first instanceof Promise) {
    return async (count) => {
      for (let i = 0; i < count; i++) keep(await decode(encoded[i & ring] as Encoded))
    }
  }
  return (count) => {
    for (let i = 0; i < count; i++) keep(decode(encoded[i & ring] as Encoded))
  }
}

function encodes<Encoded extends string | Uint8Array>({ encode }: Coding<Encoded>): Run {
  return (count) => {
    for (let i = 0; i < count; i++) keep(encode(measuredArgs[i & ring] as LockArgs))
  }
}
