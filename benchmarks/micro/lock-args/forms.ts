/**
 * The ways to write and read the arguments of a lock, in the order of the tables, and as the pieces that are measured. None
 * is measured before it was seen to bring all of them through.
 */

import assert from 'node:assert/strict'
import type { Grid } from '../../harness/library.ts'
import { type LockArgs, lockArgsOf, measuredArgs } from '../../harness/lock-args.ts'
import { keep, type Piece, piece, type Run, repeated } from '../../harness/pieces/piece.ts'
import { decodeByEvents, decodeByForAwait, decodeText, encodeText, sharedDecoder } from './lines.ts'

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

/** The old way, and the one to compare with. */
export const readline = 'readline'
export const sharedReadline = 'readline, shared'
export const jsonOfBytes = 'JSON of bytes'
export const tuple = 'tuple'

function text(decode: Coding<Buffer>['decode']): Coding<Buffer> {
  return { encode: encodeText, decode }
}

const bareJson: Coding<Buffer> = {
  encode: (args) => Buffer.from(JSON.stringify(args)),
  decode: (bytes) => JSON.parse(bytes.toString()) as LockArgs
}

const jsonString: Coding<string> = {
  encode: (args) => JSON.stringify(args),
  decode: (string) => JSON.parse(string) as LockArgs
}

const joined = 'lines joined, none with an end of a line in it; for all forms of text'

export const forms: readonly Form[] = [
  form(readline, () => text(decodeByEvents), 'a stream and an interface each, its `line` events', joined),
  form('readline, for await', () => text(decodeByForAwait), 'the same, lines taken by `for await`'),
  form(sharedReadline, () => text(sharedDecoder()), 'one stream and one interface for all, one after the other'),
  form('split text', () => text(decodeText), '`bytes.toString()`, split at the ends of lines'),
  form('json', (grid) => grid.json<LockArgs>(), '`json()` of the library', '`json()` of the library'),
  form(jsonOfBytes, () => bareJson, '`JSON.parse(bytes.toString())`', '`Buffer.from(JSON.stringify())`'),
  form('JSON of a string', () => jsonString, '`JSON.parse()` of a ready string', '`JSON.stringify()`, no bytes'),
  form('msgpack map', (grid) => grid.msgpack<LockArgs>(), '`msgpack()` of the library', '`msgpack()` of the library'),
  form(tuple, lockArgsOf, '`tuple()` of the library', '`tuple()` of the library')
]

export const decodePiece = ({ name }: Form): string => `decode ${name}`
export const encodePiece = ({ name }: Form): string => `encode ${name}`

export const pieces: readonly Piece[] = forms.flatMap((each) => {
  const { reading, writing } = each
  const decode = piece(decodePiece(each), reading, async (library) => each.prepareDecode(await library('index')))
  if (writing === undefined) return [decode]
  return [decode, piece(encodePiece(each), writing, async (library) => each.prepareEncode(await library('index')))]
})
