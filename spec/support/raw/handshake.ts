/**
 * Two ends of a handshake in memory, and everything a spec needs to listen in, to change a message, or to be one end.
 *
 * It asserts nothing by itself but that an outcome is the kind that was asked for.
 */

import assert from 'node:assert/strict'
import type { Conn } from '../../../lib/conn/conn.ts'
import { defaultLimits } from '../../../lib/errors/options.ts'
import { decodeMsgpack, encodeMsgpack } from '../../../lib/msgpack/msgpack.ts'
import { sharedSecret } from '../../../lib/peer/auth.ts'
import {
  createInstance,
  dialHandshake,
  type GuestTerms,
  type HandshakeInit,
  type HandshakeResult,
  type HostTerms,
  listenHandshake
} from '../../../lib/peer/handshake.ts'
import type { HandshakeWire } from '../../../lib/wire/wire.ts'

export const dialer = 'https://a:9000'
export const listener = 'https://b:9000'
export const secret = sharedSecret('correct horse battery')
export const conn: Conn = {
  source: (async function* () {})(),
  sink: async () => {},
  secure: true,
  remoteAddress: '10.0.0.7:41234',
  close() {},
  abort() {}
}

/** One direction of a conn: messages in order, then the end. */
export class Mailbox {
  readonly sent: Uint8Array[] = []
  #queue: (Uint8Array | undefined)[] = []
  #take: ((message: Uint8Array | undefined) => void) | undefined
  put(message: Uint8Array | undefined) {
    if (message !== undefined) this.sent.push(message)
    const take = this.#take
    this.#take = undefined
    if (take === undefined) this.#queue.push(message)
    else take(message)
  }
  take(): Promise<Uint8Array | undefined> {
    if (this.#queue.length > 0) return Promise.resolve(this.#queue.shift())
    return new Promise((resolve) => {
      this.#take = resolve
    })
  }
}

export type DialInit = HandshakeInit & { remote: string }
export type ListenInit = HandshakeInit & HostTerms & { guests?: GuestTerms }
/** Changes a message on its way: `index` counts those of one direction. */
export type Tamper = (from: 'dialer' | 'listener', index: number, message: Uint8Array) => Uint8Array

export class Wire {
  readonly toListener = new Mailbox()
  readonly toDialer = new Mailbox()
  readonly dialerEnd: HandshakeWire
  readonly listenerEnd: HandshakeWire
  constructor(tamper: Tamper = (_from, _index, message) => message) {
    const { toListener, toDialer } = this
    const end = (from: 'dialer' | 'listener', inbox: Mailbox, outbox: Mailbox): HandshakeWire => ({
      conn,
      read: () => inbox.take(),
      write: (message) => outbox.put(tamper(from, outbox.sent.length, message.slice()))
    })
    this.dialerEnd = end('dialer', toDialer, toListener)
    this.listenerEnd = end('listener', toListener, toDialer)
  }
  dial(changes: Partial<DialInit> = {}): Promise<HandshakeResult> {
    return dialHandshake({ ...base(this.dialerEnd, dialer), remote: listener, ...changes }).finally(() =>
      this.toListener.put(undefined)
    )
  }
  async listen(changes: Partial<ListenInit> = {}): Promise<HandshakeResult> {
    const given = { ...base(this.listenerEnd, listener), admit: () => undefined, ...changes }
    const result = await listenHandshake(given).finally(() => this.toDialer.put(undefined))
    assert.ok(result !== undefined, 'nobody has knocked')
    return result
  }
}

export function base(wire: HandshakeWire, local: string): HandshakeInit {
  const signal = new AbortController().signal
  const instance = createInstance()
  return { wire, local, instance, auth: secret, limits: defaultLimits, wantChecksum: false, signal }
}

export interface Options {
  dial?: Partial<DialInit>
  listen?: Partial<ListenInit>
  tamper?: Tamper
}

/** Both ends to their end, whatever it is. */
export async function exchange({ dial, listen, tamper }: Options = {}) {
  const wire = new Wire(tamper)
  const [dialed, listened] = await Promise.allSettled([wire.dial(dial), wire.listen(listen)])
  return { wire, dialed, listened }
}

export function errorOf(
  outcome: PromiseSettledResult<HandshakeResult>
): Error & { reason?: string; delivery?: string } {
  assert.equal(outcome.status, 'rejected', 'it succeeded')
  return (outcome as PromiseRejectedResult).reason
}

export function resultOf(outcome: PromiseSettledResult<HandshakeResult>): HandshakeResult {
  if (outcome.status === 'rejected') throw outcome.reason
  return outcome.value
}

export function message(kind: number, fields: unknown): Uint8Array {
  return Uint8Array.from([kind, ...encodeMsgpack(fields)])
}

export function fieldsOf(bytes: Uint8Array | undefined): Record<string, unknown> {
  assert.ok(bytes !== undefined)
  return decodeMsgpack(bytes.subarray(1)) as Record<string, unknown>
}

/** Rewrites the fields of one message; the kind byte stays. */
export function rewrite(from: string, index: number, change: (fields: Record<string, unknown>) => object): Tamper {
  return (side, count, bytes) =>
    side === from && count === index ? message(bytes[0] as number, change(fieldsOf(bytes))) : bytes
}

/** What the dialer is told when the listener refuses before the proof, and what the wire says then. */
export const unproven =
  'https://b:9000 refused the handshake without a proof of its identity: secrets, or certificates and names, may differ; its log has the reason'
export const claim = 'a dialer that claims to be https://a:9000 at 10.0.0.7:41234'
export const generic = { reason: 'authFailed', message: 'the handshake failed' }
