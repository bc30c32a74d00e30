/** Values to bytes and back: msgpack with our checks, beside msgpackr without them. */

import { Packr, Unpackr } from 'msgpackr'
import { type Piece, piece, repeated } from '../../harness/pieces/piece.ts'

/** Such as a small call carries: 74 bytes in msgpack. */
export const struct = {
  volume: 'disk-3',
  path: 'bucket/object-17/part.1',
  owner: 'node-7',
  ttlMs: 30_000,
  shared: true
}

const packr = new Packr({ useRecords: false, variableMapSize: true })
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true })
const bare = 'the same by msgpackr, without our checks'

export const codecs: readonly Piece[] = [
  piece('msgpack-encode', 'encode a struct of five properties', async (library) => {
    const { encodeMsgpack } = await library('msgpack')
    return repeated(() => encodeMsgpack(struct))
  }),
  piece('msgpack-encode-bare', bare, () => repeated(() => packr.pack(struct))),
  piece('msgpack-decode', 'decode it', async (library) => {
    const { decodeMsgpack, encodeMsgpack } = await library('msgpack')
    const encoded = encodeMsgpack(struct)
    return repeated(() => decodeMsgpack(encoded))
  }),
  piece('msgpack-decode-bare', bare, () => {
    const encoded = packr.pack(struct)
    return repeated(() => unpackr.unpack(encoded))
  }),
  piece('typed-codec', 'encode and decode the struct by the codec of a definition', async (library) => {
    const { single } = await library('index')
    const { request } = single<typeof struct, void>('lock')
    return repeated(() => request.decode(request.encode(struct)))
  })
]
