/** A call that interceptors stand around, or that is published: what is known of it when it is made. */

import { createSharedController, InnerSignal, listenToAbort } from '../base/abort.ts'
import { errorText } from '../base/text.ts'
import type { ReadCallOptions } from '../call/options.ts'
import { checkMetadata, type Metadata, noMetadata } from '../codec/metadata.ts'
import { DeadlineError } from '../errors/errors.ts'
import type { Failure } from '../errors/failure.ts'
import type { AnyDefinition } from '../handler/definition.ts'
import type { CallInfo, Kind } from '../hooks/call-info.ts'
import { channels, isObserved, Trace } from '../hooks/channels.ts'
import type { Session } from '../session/session.ts'
import type { CallPort } from './call-port.ts'

export class CallMade implements CallInfo {
  readonly side = 'caller'
  readonly kind: Kind
  readonly handler: string
  readonly subroute: string
  readonly host: string
  readonly #closing: AbortSignal
  readonly payload: unknown
  readonly timeoutMs: number
  readonly idempotent: boolean
  /** Those that it has when it is sent. */
  options: ReadCallOptions
  instance: string | undefined
  trace: Trace | undefined
  readonly #startMs = performance.now()
  /** Aborts when the answer is not wanted any more. */
  readonly leaving = new InnerSignal()
  #controller: AbortController | undefined

  /** @param timeoutMs 0 for none */
  constructor(
    { host, closing }: Pick<CallPort, 'host' | 'closing'>,
    subroute: string,
    definition: AnyDefinition,
    payload: unknown,
    options: ReadCallOptions,
    timeoutMs: number
  ) {
    this.host = host
    this.#closing = closing
    this.subroute = subroute
    this.kind = definition.kind
    this.idempotent = definition.kind === 'single' && definition.idempotent === true
    this.handler = definition.id
    this.payload = payload
    this.options = options
    this.timeoutMs = timeoutMs
  }

  /** In ms, `Infinity` for none. */
  get timeout(): number {
    return this.timeoutMs === 0 ? Number.POSITIVE_INFINITY : this.timeoutMs
  }

  /** Of `performance.now()`, or `Infinity`. */
  get endsMs(): number {
    return this.#startMs + this.timeout
  }

  get deadline(): number | undefined {
    return this.timeoutMs === 0 ? undefined : Date.now() + this.endsMs - performance.now()
  }

  get metadata(): Metadata {
    return this.options.metadata ?? noMetadata
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = createSharedController()
      this.#controller = controller
      listenToAbort(this.leaving, (reason) => controller.abort(reason))
    }
    return this.#controller.signal
  }

  /**
   * Runs `fn`, which makes the call, as the published call `local` where anybody has subscribed. What subscribers of `start`
   * put into its metadata is sent; `fn` is told if that is none.
   *
   * @throws {InvalidOptionError} when its metadata is wrong
   */
  publish<R>(local: string, fn: (wrong?: Failure) => R): R {
    const { metadata } = this.options
    checkMetadata(metadata)
    if (!isObserved(channels.call)) return fn()
    const trace = new Trace(channels.call, this, local, { ...metadata })
    this.trace = trace
    return trace.run(() => fn(this.#takeMetadata(trace)))
  }

  /** The connection is closed: it cannot be sent any more. */
  get isClosed(): boolean {
    return this.#closing.aborted
  }

  /** Calls `onClosed` with why, when the connection is closed, or is so already. Returns what ends that. */
  whenClosed(onClosed: (text: string) => void): () => void {
    return listenToAbort(this.#closing, (reason) => onClosed(errorText(reason)))
  }

  /** Whether its user does not want the answer any more. */
  get isCancelled(): boolean {
    return this.options.signal?.aborted === true
  }

  /** It has ended. */
  finish(failure: Failure | undefined, isCancelled: boolean): void {
    if (failure !== undefined) this.leave(failure.reason, isCancelled)
    this.trace?.finish(failure, isCancelled)
  }

  /** It has failed by `reason`: its signal tells of that where the answer is not wanted any more. */
  leave(reason: unknown, isCancelled = this.isCancelled): void {
    if (isCancelled || DeadlineError.is(reason)) this.leaving.abort(reason)
  }

  /** A session has taken it. */
  readonly onSession = ({ remote }: Session): void => {
    this.instance = remote.instance
    this.trace?.onSent(remote.instance)
  }

  #takeMetadata({ message }: Trace): Failure | undefined {
    try {
      const { metadata } = message
      checkMetadata(metadata)
      if (this.options.metadata !== undefined || Object.keys(metadata).length > 0)
        this.options = { ...this.options, metadata: { ...metadata } }
      return undefined
    } catch (reason) {
      return { reason }
    }
  }
}
