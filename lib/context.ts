/**
 * What a handler knows of its call. Everything that a handler may not ask for is made only when it is asked for.
 */

import type { HandlerContext, Metadata, Remote } from './definition.ts'
import { CodecError } from './errors.ts'
import type { HandlerEntry } from './frame.ts'
import { decodeMsgpack } from './msgpack.ts'

const noMetadata: Metadata = Object.freeze({})

export class CallContext implements HandlerContext {
  readonly remote: Remote
  readonly #entry: HandlerEntry
  /** Of `performance.now()`; 0 for none. */
  readonly #deadlineMs: number
  readonly #metadataBytes: Uint8Array | undefined
  #metadata: Metadata | undefined
  #controller: AbortController | undefined
  #aborted: { readonly reason: unknown } | undefined

  constructor(remote: Remote, entry: HandlerEntry, deadlineMs: number, metadata: Uint8Array | undefined) {
    this.remote = remote
    this.#entry = entry
    this.#deadlineMs = deadlineMs
    this.#metadataBytes = metadata
  }

  get handler(): string {
    return this.#entry.id
  }

  get subroute(): string {
    return this.#entry.subroute
  }

  get deadline(): number | undefined {
    return this.#deadlineMs === 0 ? undefined : Date.now() + this.#deadlineMs - performance.now()
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted.reason)
    }
    return this.#controller.signal
  }

  /** @throws {CodecError} when the caller sent something that is no metadata */
  get metadata(): Metadata {
    this.#metadata ??= this.#metadataBytes === undefined ? noMetadata : decodeMetadata(this.#metadataBytes)
    return this.#metadata
  }

  /** The answer is no longer wanted. */
  abort(reason: unknown): void {
    this.#aborted = { reason }
    this.#controller?.abort(reason)
  }
}

function decodeMetadata(bytes: Uint8Array): Metadata {
  const decoded = decodeMsgpack(bytes)
  if (!isMap(decoded) || !Object.values(decoded).every(isMetadataValue)) {
    throw new CodecError('the metadata of the call is not a map of plain values')
  }
  return decoded
}

function isMap(value: unknown): value is Metadata {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

function isMetadataValue(value: unknown): boolean {
  return value === null || value instanceof Uint8Array || ['string', 'number', 'boolean'].includes(typeof value)
}
