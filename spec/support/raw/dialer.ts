/**
 * A dialer made by hand from the handshake's messages, so that it can say what a manager never would: over a bare
 * WebSocket, or over the end of a conn. What it says behind the handshake, `RawFrames` says.
 */

import { randomBytes } from 'node:crypto'
import type { Conn } from '../../../lib/conn/conn.ts'
import { type Auth, defaultLimits } from '../../../lib/index.ts'
import {
  encodeHello,
  hashTranscript,
  helloKinds,
  pickLimits,
  readChallenge,
  readReject
} from '../../../lib/peer/hello.ts'
import { secret } from '../grid/manager.ts'
import { RawFrames, type RawFramesOptions } from './frames.ts'
import { connWire, type RawWire, WebSocketWire } from './wire.ts'

export interface RawHello {
  readonly host: string
  readonly remote: string
  readonly versions?: readonly number[]
  readonly limits?: object
  readonly understands?: readonly string[]
  readonly auth?: Auth
}

export class RawDialer {
  readonly wire: RawWire
  #checksum = false

  constructor(wire: RawWire) {
    this.wire = wire
  }

  /** Over a WebSocket; resolves when the upgrade is done. */
  static async open(url: string): Promise<RawDialer> {
    return new RawDialer(await WebSocketWire.open(url))
  }

  /** Over the dialing end of a conn. */
  static over(conn: Conn): RawDialer {
    return new RawDialer(connWire(conn))
  }

  get closed(): boolean {
    return this.wire.closed
  }

  /** Sends bytes as one message. */
  write(message: Uint8Array): void {
    this.wire.write(message)
  }

  /** The next message; undefined when the conn was closed. */
  read(): Promise<Uint8Array | undefined> {
    return this.wire.read()
  }

  cut(): void {
    this.wire.cut()
  }

  /** Says hello and proves itself; returns the answer to that. */
  async shakeHands({
    host,
    remote,
    versions = [1],
    limits,
    understands,
    auth = secret
  }: RawHello): Promise<Uint8Array | undefined> {
    const hello = encodeHello(helloKinds.hello, {
      ...{ host, remote, versions, checksum: false, nonce: randomBytes(32), instance: randomBytes(16) },
      limits: { ...pickLimits(defaultLimits), ...limits },
      ...(understands === undefined ? {} : { understands })
    })
    this.write(hello)
    const challenge = await this.read()
    if (challenge?.[0] !== helloKinds.challenge) return challenge
    this.#checksum = readChallenge(challenge).checksum
    const context = { prover: 'dialer' as const, local: host, remote, transcript: hashTranscript(hello, challenge) }
    const signal = new AbortController().signal
    const proof = await auth.prove({ ...context, signal, conn: undefined as never })
    this.write(encodeHello(helloKinds.proof, { proof }))
    return this.read()
  }

  /** After the handshake: from now on whatever arrives is frames. */
  frames(options: RawFramesOptions = {}): RawFrames {
    return new RawFrames(this.wire, { checksum: this.#checksum, ...options })
  }
}

/** What the listener answers to a hello that it refuses. */
export async function refusalOf(url: string, hello: RawHello): Promise<{ reason: string; message: string }> {
  const dialer = await RawDialer.open(url)
  try {
    const answer = await dialer.shakeHands(hello)
    if (answer === undefined) throw new Error('the conn was closed without an answer')
    const { reason, message } = readReject(answer)
    return { reason, message }
  } finally {
    dialer.cut()
  }
}
