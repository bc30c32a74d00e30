/**
 * A dialer made by hand from a bare WebSocket and the handshake's messages, so that it can say what a manager never would.
 */

import { randomBytes } from 'node:crypto'
import { WebSocket } from 'ws'
import { announcedLimits, encodeHello, helloKinds, readReject, transcriptOf } from '../../lib/hello.ts'
import { type Auth, defaultLimits } from '../../lib/index.ts'
import { subprotocol } from '../../lib/options.ts'
import { secret } from './servers.ts'

export interface RawHello {
  readonly host: string
  readonly remote: string
  readonly versions?: readonly number[]
  readonly limits?: object
  readonly auth?: Auth
}

/** A WebSocket that reads message by message. */
export class RawDialer {
  readonly ws: WebSocket
  readonly #inbox: Uint8Array[] = []
  #wake = () => {}
  closed = false

  private constructor(ws: WebSocket) {
    this.ws = ws
    ws.on('message', (data: Buffer) => {
      this.#inbox.push(data)
      this.#wake()
    })
    ws.on('error', () => ws.terminate())
    ws.on('close', () => {
      this.closed = true
      this.#wake()
    })
  }

  /** Resolves when the upgrade is done. */
  static async open(url: string): Promise<RawDialer> {
    const ws = new WebSocket(`${url.replace('http', 'ws')}/grid/v1`, subprotocol)
    await new Promise<void>((resolve, reject) => {
      ws.once('open', resolve)
      ws.once('error', reject)
    })
    return new RawDialer(ws)
  }

  /** The next message; undefined when the conn was closed. */
  async read(): Promise<Uint8Array | undefined> {
    while (this.#inbox.length === 0 && !this.closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return this.#inbox.shift()
  }

  /** Says hello and proves itself; returns the answer to that. */
  async shakeHands({ host, remote, versions = [1], limits, auth = secret }: RawHello): Promise<Uint8Array | undefined> {
    const hello = encodeHello(helloKinds.hello, {
      ...{ host, remote, versions, checksum: false, nonce: randomBytes(32), instance: randomBytes(16) },
      limits: { ...announcedLimits(defaultLimits), ...limits }
    })
    this.ws.send(hello)
    const challenge = await this.read()
    if (challenge?.[0] !== helloKinds.challenge) return challenge
    const context = { prover: 'dialer' as const, local: host, remote, transcript: transcriptOf(hello, challenge) }
    const signal = new AbortController().signal
    const proof = await auth.prove({ ...context, signal, conn: undefined as never })
    this.ws.send(encodeHello(helloKinds.proof, { proof }))
    return this.read()
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
    dialer.ws.terminate()
  }
}
