/**
 * Texts that are packed once and told to many: each is a part of its own of a gzip stream, so that a page costs no memory and
 * no time beside its bytes. A part refers to nothing before it.
 */

import { constants, crc32, deflateRawSync } from 'node:zlib'

const head = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff])
/** The last block, an empty one. */
const lastBlock = Buffer.from([3, 0])
const options = { level: 4, finishFlush: constants.Z_SYNC_FLUSH } as const

/** All pages are told the same, one after the other. */
let last: { readonly text: string; readonly plain: Buffer; readonly packed: Buffer } | undefined

function pack(text: string): NonNullable<typeof last> {
  if (last?.text !== text) {
    const plain = Buffer.from(text)
    last = { text, plain, packed: deflateRawSync(plain, options) }
  }
  return last
}

/** One stream. */
export class Gzip {
  #crc = 0
  #bytes = 0
  #isBegun = false

  add(text: string): Buffer {
    const { plain, packed } = pack(text)
    this.#crc = crc32(plain, this.#crc)
    this.#bytes += plain.length
    const isFirst = !this.#isBegun
    this.#isBegun = true
    return isFirst ? Buffer.concat([head, packed]) : packed
  }

  end(): Buffer {
    const sums = Buffer.alloc(8)
    sums.writeUInt32LE(this.#crc, 0)
    sums.writeUInt32LE(this.#bytes % 2 ** 32, 4)
    return Buffer.concat([lastBlock, sums])
  }
}

/** Whether it is taken, by what a request says of encodings. */
export function takesGzip(accepted = ''): boolean {
  return accepted.split(',').some((each) => {
    const [name = '', ...parameters] = each.split(';').map((part) => part.trim().toLowerCase())
    return name === 'gzip' && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))
  })
}
