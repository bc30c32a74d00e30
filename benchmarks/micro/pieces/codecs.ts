/** Values to bytes and back: msgpack with our checks, beside msgpackr without them. */

import { Packr, Unpackr } from 'msgpackr'
import { keep, type Piece } from '../../harness/piece.ts'

/** Such as a small call carries: 74 bytes in msgpack. */
export const struct = {
  volume: 'disk-3',
  path: 'bucket/object-17/part.1',
  owner: 'node-7',
  ttlMs: 30_000,
  shared: true
}

const options = { useRecords: false, variableMapSize: true }

export const codecs: readonly Piece[] = [
  {
    name: 'msgpack-encode',
    operation: 'encode a struct of five properties',
    async prepare(library) {
      const { encodeMsgpack } = await library('codec/msgpack')
      return (count) => {
        for (let i = 0; i < count; i++) keep(encodeMsgpack(struct))
      }
    }
  },
  {
    name: 'msgpack-encode-bare',
    operation: 'the same by msgpackr, without our checks',
    prepare() {
      const packr = new Packr(options)
      return (count) => {
        for (let i = 0; i < count; i++) keep(packr.pack(struct))
      }
    }
  },
  {
    name: 'msgpack-decode',
    operation: 'decode it',
    async prepare(library) {
      const { decodeMsgpack, encodeMsgpack } = await library('codec/msgpack')
      const encoded = encodeMsgpack(struct)
      return (count) => {
        for (let i = 0; i < count; i++) keep(decodeMsgpack(encoded))
      }
    }
  },
  {
    name: 'msgpack-decode-bare',
    operation: 'the same by msgpackr, without our checks',
    prepare() {
      const encoded = new Packr(options).pack(struct)
      const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true })
      return (count) => {
        for (let i = 0; i < count; i++) keep(unpackr.unpack(encoded))
      }
    }
  },
  {
    name: 'typed-codec',
    operation: 'encode and decode the struct by the codec of a definition',
    async prepare(library) {
      const { single } = await library('index')
      const { request } = single<typeof struct, void>('lock')
      return (count) => {
        for (let i = 0; i < count; i++) keep(request.decode(request.encode(struct)))
      }
    }
  }
]
