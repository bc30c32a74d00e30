/**
 * A peer written from docs/protocol.md alone, over a stream of bytes: it shares nothing with lib/.
 *
 * It dials, proves that it knows the secret, and then sends and receives frames as objects. It obeys; for a peer that
 * does not, see `peer.ts`.
 */

import assert from 'node:assert/strict'
import { createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { pack, unpack } from 'msgpackr'
import type { Frame } from '../../lib/wire/frame.ts'
import { naiveBatch, naiveDecode } from '../support/codec/naive.ts'

const limits = {
  maxMessageBytes: 1_000_000,
  streamWindowBytes: 1000,
  maxFragments: 100,
  maxInboundStreams: 10,
  maxHandlers: 100,
  maxNameBytes: 256,
  maxMetadataBytes: 1000
}

function lengthOf(message: Uint8Array): Buffer {
  const field = Buffer.alloc(4)
  field.writeUInt32LE(message.length)
  return field
}

export class PagePeer {
  readonly #socket: Socket
  #arrived = Buffer.alloc(0)
  #frames: Frame[] = []

  constructor(socket: Socket) {
    this.#socket = socket
  }

  /** Dials `remote` as `host`; returns the fields of the listener's answer. */
  async handshake(
    host: string,
    remote: string,
    secret: string,
    understands?: readonly string[]
  ): Promise<Record<string, unknown>> {
    const [nonce, instance] = [randomBytes(32), randomBytes(16)]
    const words = understands === undefined ? {} : { understands }
    const fields = { limits, checksum: false, remote, host, nonce, instance, versions: [7, 1], ...words }
    const hello = Buffer.concat([Uint8Array.of(1), pack(fields)])
    this.#send(hello)
    const challenge = await this.#receive()
    assert.equal(challenge[0], 2)
    const digest = createHash('sha256')
    for (const message of [hello, challenge]) digest.update(lengthOf(message)).update(message)
    const transcript = digest.digest()
    const key = new Uint8Array(hkdfSync('sha256', secret, '', 'it-grid.v1 shared secret', 32))
    const proofOf = (role: string) =>
      createHmac('sha256', key).update(`it-grid.v1 ${role}\0`).update(transcript).digest()
    this.#send(Buffer.concat([Uint8Array.of(3), pack({ proof: proofOf('dialer') })]))
    const verdict = await this.#receive()
    const answer = unpack(verdict.subarray(1)) as Record<string, unknown>
    assert.deepEqual(Buffer.from(answer.proof as Uint8Array), proofOf('listener'))
    return { kind: verdict[0], ...answer }
  }

  /** Sends frames as one batch; the listener wants a checksum on a conn without TLS. */
  send(...frames: Frame[]): void {
    this.#send(naiveBatch(frames, true))
  }

  /** The next frame that is no PING; those are answered. */
  async next(): Promise<Frame> {
    for (;;) {
      while (this.#frames.length === 0) this.#frames = naiveDecode(await this.#receive(), true)
      const frame = this.#frames.shift() as Frame
      if (frame.type !== 5) return frame
      this.send({ type: 6, flags: 0, token: frame.token })
    }
  }

  /** The goodbye of an orderly end; resolves when the other side has closed as well. */
  async close(): Promise<void> {
    const closed = once(this.#socket, 'close')
    this.#socket.end(Uint8Array.of(0, 0, 0, 0x80))
    this.#socket.resume()
    await closed
  }

  #send(message: Uint8Array): void {
    this.#socket.write(Buffer.concat([lengthOf(message), message]))
  }

  async #receive(): Promise<Buffer> {
    await this.#read(4)
    const length = this.#arrived.readUInt32LE(0)
    await this.#read(4 + length)
    const message = Buffer.from(this.#arrived.subarray(4, 4 + length))
    this.#arrived = this.#arrived.subarray(4 + length)
    return message
  }

  async #read(bytes: number): Promise<void> {
    while (this.#arrived.length < bytes) {
      const chunk = this.#socket.read() as Buffer | null
      if (chunk === null) await once(this.#socket, 'readable')
      else this.#arrived = Buffer.concat([this.#arrived, chunk])
    }
  }
}
