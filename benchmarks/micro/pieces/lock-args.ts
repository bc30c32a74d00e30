/** The arguments of a lock read and written as lines, JSON, msgpack and a tuple: one small struct, by each way to send it. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { LockArgs } from '../../../lib/extras/locks/definitions.ts'
import type { Grid, Library } from '../../harness/library.ts'
import { keep, type Piece, piece, type Run, repeated } from '../../harness/pieces/piece.ts'
import { decodeByEvents, decodeText, encodeText, sharedDecoder } from './lock-lines.ts'

export interface Coding<Encoded extends string | Uint8Array> {
  readonly encode: (args: LockArgs) => Encoded
  readonly decode: (encoded: Encoded) => LockArgs | Promise<LockArgs>
}

/** A power of two, so that which one is next costs next to nothing. */
const ringLength = 64

/** What is measured, in a ring: all have the same size, and none the strings of its neighbour. */
export const measuredArgs: readonly LockArgs[] = Array.from({ length: ringLength }, (_, index) => {
  const hex = createHash('sha1').update(String(index)).digest('hex')
  return {
    uid: `${hex.slice(0, 8)}-1c5e-4d1b-8a3f-${hex.slice(8, 20)}`,
    resources: [`bucket/path/to/an/obj-${hex.slice(20, 22)}.bin`],
    owner: 'node-3.example.net:9000',
    source: 'erasure-object.ts:412:getObject',
    quorum: 3
  }
})

/** What a form must bring through as well before it is measured. */
const unusualArgs: readonly LockArgs[] = [
  { uid: '', resources: [], owner: '', source: '', quorum: null },
  { uid: 'ä', resources: ['', 'bucket/日本語', ''], owner: '🔒', source: '"\\t\t', quorum: 0 },
  { uid: ' ', resources: Array.from({ length: 40 }, (_, i) => `object-${i}`), owner: '-', source: ' ', quorum: -1.5 }
]

/** Reading in one form; and writing, unless another form writes the same. Preparing rejects when anything comes back changed. */
export function form<Encoded extends string | Uint8Array>(
  name: string,
  codingOf: (grid: Grid) => Coding<Encoded>,
  reading: string,
  writing?: string
): readonly Piece[] {
  const verified = async (library: Library): Promise<Coding<Encoded>> => {
    const coding = codingOf(await library('index'))
    for (const args of [...measuredArgs, ...unusualArgs]) {
      assert.deepEqual(await coding.decode(coding.encode(args)), args, name)
    }
    return coding
  }
  const decoding = piece(`lock-args-decode-${name}`, reading, async (library) => decodes(await verified(library)))
  if (writing === undefined) return [decoding]
  const encoding = piece(`lock-args-encode-${name}`, writing, async (library) => {
    const { encode } = await verified(library)
    return repeated((i) => encode(measuredArgs[i % ringLength] as LockArgs))
  })
  return [decoding, encoding]
}

/** Only what answers with a promise is waited for. */
async function decodes<Encoded extends string | Uint8Array>({ encode, decode }: Coding<Encoded>): Promise<Run> {
  const encoded = measuredArgs.map(encode)
  const first = decode(encoded[0] as Encoded)
  if (!(first instanceof Promise)) return repeated((i) => decode(encoded[i % ringLength] as Encoded))
  await first
  return async (count) => {
    for (let i = 0; i < count; i++) keep(await decode(encoded[i % ringLength] as Encoded))
  }
}

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

/** The codec of the examples, out of a build of the library. */
function tuple({ field, tuple }: Grid): Coding<Uint8Array> {
  const { string, number, array, nullable } = field
  return tuple({ uid: string, resources: array(string), owner: string, source: string, quorum: nullable(number) })
}

const joined = 'join lines, none with an end of a line in it; for all forms of text'

export const lockArgs: readonly Piece[] = [
  form('readline', () => text(decodeByEvents), 'a stream and an interface each, its `line` events', joined),
  form('readline-shared', () => text(sharedDecoder()), 'one stream and one interface for all, one after the other'),
  form('split-text', () => text(decodeText), '`bytes.toString()`, split at the ends of lines'),
  form('json', (grid) => grid.json<LockArgs>(), '`json()` of the library', '`json()` of the library'),
  form('bytes-json', () => bareJson, '`JSON.parse(bytes.toString())`', '`Buffer.from(JSON.stringify())`'),
  form('string-json', () => jsonString, '`JSON.parse()` of a ready string', '`JSON.stringify()`, no bytes'),
  form('msgpack', (grid) => grid.msgpack<LockArgs>(), '`msgpack()` of the library', '`msgpack()` of the library'),
  form('tuple', tuple, '`tuple()` of the library', '`tuple()` of the library')
].flat()
