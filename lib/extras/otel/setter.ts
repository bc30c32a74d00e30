/**
 * Puts what a propagator gives into the metadata of a call: text, and no more than peers take. A call must not fail by what
 * follows it: baggage, which anybody may have sent to this server from outside, can be as large as all metadata together.
 */

import { diag, type TextMapSetter } from '@opentelemetry/api'
import { type CallMessage, defaultLimits } from '../../index.ts'

type Metadata = CallMessage['metadata']

/** What the encoding adds to a key and its value, at most. */
const perEntryBytes = 16

/** One for all calls: each is injected into at once. */
export class Setter implements TextMapSetter<Metadata> {
  #roomBytes = 0

  /** From now on this one is set. */
  of(metadata: Metadata): this {
    this.#roomBytes = defaultLimits.maxMetadataBytes - perEntryBytes
    for (const key in metadata) this.#roomBytes -= sizeOf(key, metadata[key])
    return this
  }

  set(metadata: Metadata, key: string, value: unknown): void {
    if (typeof value !== 'string') return leaveOut(key, 'it is no text')
    const bytes = sizeOf(key, value)
    if (bytes > this.#roomBytes) return leaveOut(key, 'the metadata of the call would be too large')
    this.#roomBytes -= bytes
    metadata[key] = value
  }
}

function sizeOf(key: string, value: Metadata[string] | undefined): number {
  return byteLength(key) + byteLength(value) + perEntryBytes
}

function byteLength(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value)
  return value instanceof Uint8Array ? value.length : 0
}

function leaveOut(key: string, why: string): void {
  diag.warn(`it-grid/otel: ${key} is left out: ${why}`)
}
