/** All forms in the order of the tables, and as the pieces that are measured. */

import { type LockArgs, lockArgsOf } from '../../harness/lock-args.ts'
import { type Piece, piece } from '../../harness/pieces/piece.ts'
import { type Coding, type Form, form } from './form.ts'
import { decodeText, encodeText } from './lines.ts'
import { decodeByEvents, decodeByForAwait, sharedDecoder } from './readline.ts'

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
