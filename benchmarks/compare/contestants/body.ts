/** The whole body of an HTTP message. */

import type { Readable } from 'node:stream'

/** By events, because `for await` over a stream costs several times as much. */
export function whole(stream: Readable): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = []
    stream.on('data', (piece: Buffer) => pieces.push(piece))
    stream.once('end', () => resolve(pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)))
    stream.once('error', reject)
  })
}
