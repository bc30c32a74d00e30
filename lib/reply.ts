/** The receiving half of a single request: one message, one promise. */

import { CodecError, errorText, ProtocolError } from './errors.ts'
import type { Decoder } from './source.ts'
import type { Receiver } from './stream-port.ts'

export class Reply<T> implements Receiver {
  readonly promise: Promise<T>
  readonly #decoder: Decoder<T>
  #resolve!: (value: T) => void
  #reject!: (reason: unknown) => void
  #answered = false

  constructor(decoder: Decoder<T>) {
    this.#decoder = decoder
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get readsInPlace(): boolean {
    return this.#decoder.readsInPlace === true
  }

  onMessage(payload: Uint8Array): void {
    this.#answered = true
    try {
      this.#resolve(this.#decoder.decode(payload))
    } catch (cause) {
      this.#reject(new CodecError(`the response cannot be decoded: ${errorText(cause)}`, { delivery: 'ran', cause }))
    }
  }

  onEnd(): void {
    if (!this.#answered)
      this.#reject(new ProtocolError('the request was answered without a message', { delivery: 'ran' }))
  }

  onRemoteError(error: Error): void {
    this.#reject(error)
  }

  onAbort(reason: unknown): void {
    this.#reject(reason)
  }
}
