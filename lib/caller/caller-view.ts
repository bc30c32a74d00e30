/** A call as the interceptors of its caller see it, and what they may change of it for the rest of the way. */

import type { AnySignal } from '../base/abort.ts'
import { aSignal, aTimeout, type ReadCallOptions } from '../call/options.ts'
import { checkMetadata, type Metadata, noMetadata } from '../codec/metadata.ts'
import { anObject, anything, optionsReader } from '../errors/check.ts'
import { InvalidOptionError } from '../errors/errors.ts'
import type { CallerCall, Kind } from '../hooks/call-info.ts'
import type { CallChanges, StreamingPart } from '../hooks/interceptor.ts'
import type { Session } from '../session/session.ts'
import type { CallMade } from './call-made.ts'

type Changes = CallChanges & { readonly requests?: AsyncIterable<unknown> }

const readChanges = optionsReader<Changes>('next()', {
  metadata: anything,
  timeout: aTimeout,
  signal: aSignal,
  requests: anObject
})

/** What may differ from one interceptor to the next. */
interface Part extends StreamingPart {
  readonly metadata: Metadata | undefined
  /** In ms, `Infinity` for none. */
  readonly timeout: number
  /** Of `performance.now()`, or `Infinity`. */
  readonly endsMs: number
  /** Another one than that of the call. */
  readonly ownSignal: AbortSignal | undefined
}

export class CallerView implements CallerCall, StreamingPart {
  readonly side = 'caller'
  readonly #made: CallMade
  readonly #part: Part

  constructor(made: CallMade, part: Part) {
    this.#made = made
    this.#part = part
  }

  static of(made: CallMade, requests: AsyncIterable<unknown> | null): CallerView {
    const { options, timeout, endsMs } = made
    return new CallerView(made, { metadata: options.metadata, timeout, endsMs, ownSignal: undefined, requests })
  }

  get kind(): Kind {
    return this.#made.kind
  }

  get handler(): string {
    return this.#made.handler
  }

  get subroute(): string {
    return this.#made.subroute
  }

  get host(): string {
    return this.#made.host
  }

  get instance(): string | undefined {
    return this.#made.instance
  }

  get payload(): unknown {
    return this.#made.payload
  }

  get metadata(): Metadata {
    return this.#part.metadata ?? noMetadata
  }

  get timeout(): number {
    return this.#part.timeout
  }

  get idempotent(): boolean {
    return this.#made.idempotent
  }

  get deadline(): number | undefined {
    const { endsMs } = this.#part
    return endsMs === Number.POSITIVE_INFINITY ? undefined : Date.now() + endsMs - performance.now()
  }

  get signal(): AbortSignal {
    return this.#part.ownSignal ?? this.#made.signal
  }

  get requests(): AsyncIterable<unknown> | null {
    return this.#part.requests
  }

  /** @internal of `performance.now()`, or `Infinity` */
  get endsMs(): number {
    return this.#part.endsMs
  }

  /** @internal the signal that an interceptor gave, if one did */
  get ownSignal(): AbortSignal | undefined {
    return this.#part.ownSignal
  }

  /** @internal the options of the call from here on */
  toOptions(signal: AnySignal | undefined, onSession: (session: Session) => void): ReadCallOptions {
    const { metadata, timeout } = this.#part
    const { waitForReady } = this.#made.options
    return { timeout, signal, metadata, waitForReady, onSession }
  }

  /**
   * @internal the call as it goes on
   *
   * @throws {InvalidOptionError} when a change is wrong
   */
  with(given: Changes): CallerView {
    const before = this.#part
    const { metadata, timeout, signal, requests } = readChanges(given, 'notSent')
    checkMetadata(metadata)
    if (requests !== undefined && before.requests === null) {
      throw new InvalidOptionError('next() was given requests, but the handler takes none', { delivery: 'notSent' })
    }
    return new CallerView(this.#made, {
      metadata: metadata ?? before.metadata,
      timeout: timeout ?? before.timeout,
      endsMs: timeout === undefined ? before.endsMs : performance.now() + timeout,
      ownSignal: signal ?? before.ownSignal,
      requests: requests ?? before.requests
    })
  }
}
