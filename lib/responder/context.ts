/** The context of a call for its handler. What most handlers do not use is created only when it is read. */

import { createSharedController, FollowingSignal } from '../base/abort.ts'
import type { Remote } from '../base/remote.ts'
import type { Metadata } from '../codec/metadata.ts'
import { decodeMetadata, noMetadata } from '../codec/metadata.ts'
import type { Failure } from '../errors/failure.ts'
import type { HandlerContext, Kind } from '../hooks/call-info.ts'
import { type HandlerEntry, HandlerKind } from '../wire/frame.ts'

/** What a context needs of its session. */
export interface ContextPort {
  readonly remote: Remote
  /** Aborts when the session begins to drain. */
  readonly draining: AbortSignal
}

export class CallContext implements HandlerContext {
  readonly #port: ContextPort
  readonly #entry: HandlerEntry
  /** Its `deadlineMs` is of `performance.now()`; 0 for no deadline. */
  readonly #call: { readonly deadlineMs: number }
  readonly #metadataBytes: Uint8Array | undefined
  #metadata: Metadata | undefined
  #controller: AbortController | undefined
  #aborted: Failure | undefined
  #draining: FollowingSignal | undefined
  #isOver = false

  constructor(
    port: ContextPort,
    entry: HandlerEntry,
    call: { readonly deadlineMs: number },
    metadata: Uint8Array | undefined
  ) {
    this.#port = port
    this.#entry = entry
    this.#call = call
    this.#metadataBytes = metadata
  }

  get side(): 'handler' {
    return 'handler'
  }

  get kind(): Kind {
    return this.#entry.kind === HandlerKind.single ? 'single' : 'streaming'
  }

  get host(): string {
    return this.#port.remote.host
  }

  get instance(): string {
    return this.#port.remote.instance
  }

  get remote(): Remote {
    return this.#port.remote
  }

  get handler(): string {
    return this.#entry.id
  }

  get subroute(): string {
    return this.#entry.subroute
  }

  get deadline(): number | undefined {
    const { deadlineMs } = this.#call
    return deadlineMs === 0 ? undefined : Math.floor(Date.now() + deadlineMs - performance.now())
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = createSharedController()
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted.reason)
    }
    return this.#controller.signal
  }

  get draining(): AbortSignal {
    this.#draining ??= new FollowingSignal().follow(this.#port.draining)
    if (this.#isOver) this.#draining.end()
    return this.#draining.signal
  }

  /** @throws {CodecError} when the caller did not send valid metadata */
  get metadata(): Metadata {
    this.#metadata ??= this.#metadataBytes === undefined ? noMetadata : decodeMetadata(this.#metadataBytes)
    return this.#metadata
  }

  /** The answer is no longer needed. */
  abort(failure: Failure): void {
    this.#aborted = failure
    this.#controller?.abort(failure.reason)
  }

  /** The handler has ended, and hears nothing more of its session. */
  end(): void {
    this.#isOver = true
    this.#draining?.end()
  }
}
