/** A call that interceptors stand around, or that is published: what is known of it when it is made. */

import { type AnySignal, createSharedController, InnerSignal, listenToAbort } from '../base/abort.ts'
import { errorText } from '../base/text.ts'
import type { ReadCallOptions } from '../call/options.ts'
import { checkMetadata, copyMetadata, hasKeys, type Metadata, noMetadata } from '../codec/metadata.ts'
import { DeadlineError } from '../errors/errors.ts'
import { type Failure, readCode } from '../errors/failure.ts'
import { type Figures, failureCode, otherName } from '../figures/figures.ts'
import type { AnyDefinition } from '../handler/definition.ts'
import type { CallInfo, Kind } from '../hooks/call-info.ts'
import { channels, isObserved, Trace } from '../hooks/channels.ts'
import type { Session } from '../session/session.ts'
import { toTicks } from '../time/ticks.ts'
import type { CallPort } from './call-port.ts'

/** The code of what interceptors have failed a call with, which may be any error; the reason for a cancel is none. */
function codeOf(reason: unknown, isCancelled: boolean): string {
  if (isCancelled) return failureCode(reason)
  return readCode(reason) ?? otherName
}

export class CallMade implements CallInfo {
  readonly side = 'caller'
  readonly kind: Kind
  readonly handler: string
  readonly subroute: string
  readonly host: string
  readonly #closing: AnySignal
  readonly #figures: CallPort['figures']
  /** So many tries of it count as calls. Where none does, it counts itself, once it has ended. */
  #tries = 0
  readonly payload: unknown
  readonly timeoutMs: number
  readonly idempotent: boolean
  /** Those that it has when it is sent. */
  options: ReadCallOptions
  instance: string | undefined
  trace: Trace | undefined
  readonly #startMs = performance.now()
  #leaving: InnerSignal | undefined
  #controller: AbortController | undefined

  /** @param timeoutMs 0 for none */
  constructor(
    { host, closing, figures }: Pick<CallPort, 'host' | 'closing' | 'figures'>,
    subroute: string,
    definition: AnyDefinition,
    payload: unknown,
    options: ReadCallOptions,
    timeoutMs: number
  ) {
    this.host = host
    this.#closing = closing
    this.#figures = figures
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

  /** The options that it is sent with. */
  get sentOptions(): ReadCallOptions {
    return new SentOptions(this)
  }

  /** Aborts when the answer is not wanted any more. */
  get leaving(): InnerSignal {
    this.#leaving ??= new InnerSignal()
    return this.#leaving
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
   * Runs `fn`, which makes the call, as the published call `local` where anybody has subscribed. It is to begin with
   * `takePublished`.
   *
   * @throws {InvalidOptionError} when its metadata is wrong; {CodecError} when it cannot be read
   */
  publish<R>(local: string, fn: () => R): R {
    const { metadata } = this.options
    checkMetadata(metadata)
    if (!isObserved(channels.call)) return fn()
    const trace = new Trace(channels.call, this, local, copyMetadata(metadata))
    this.trace = trace
    return trace.run(fn)
  }

  /** The connection is closed: it cannot be sent any more. */
  get isClosed(): boolean {
    return this.#closing.aborted
  }

  /** Calls `onClosed` with why, when the connection is closed, or is so already. Returns what ends that. */
  whenClosed(onClosed: (text: string) => void): () => void {
    return listenToAbort(this.#closing, (reason) => onClosed(errorText(reason)))
  }

  /** Whether its user does not want the answer any more. A signal that is not one of Node may throw. */
  get isCancelled(): boolean {
    try {
      return this.options.signal?.aborted === true
    } catch {
      return false
    }
  }

  /** It has ended. */
  finish(failure: Failure | undefined, isCancelled: boolean): void {
    if (failure !== undefined) this.leave(failure.reason, isCancelled)
    this.trace?.finish(failure, isCancelled)
    this.countUntried(failure, isCancelled)
  }

  /** It is sent now, or fails to be: either is counted as a call. */
  onTry(): void {
    if (this.#tries++ > 0) for (const each of this.#listFigures()) each.retries++
  }

  /** The try was none. */
  onUntried(): void {
    this.#tries--
  }

  /** It has ended: it is counted now, unless a try of it was, or it was itself. */
  countUntried(failure: Failure | undefined, isCancelled = this.isCancelled): void {
    if (this.#tries > 0) return
    this.#tries = 1
    const code = failure === undefined ? undefined : codeOf(failure.reason, isCancelled)
    const ticks = toTicks(performance.now() - this.#startMs)
    for (const each of this.#listFigures()) each.addUnsent(ticks, code)
  }

  #listFigures(): Figures[] {
    const { kind, handler, subroute } = this
    return [this.#figures.all.of({ kind, handler, subroute }, false), this.#figures.peer]
  }

  /** It has failed by `reason`: its signal tells of that where the answer is not wanted any more. */
  leave(reason: unknown, isCancelled = this.isCancelled): void {
    if (isCancelled || DeadlineError.is(reason)) this.leaving.abort(reason)
  }

  /** A session has taken it. */
  onSession({ remote }: Session): void {
    this.instance = remote.instance
    this.trace?.onSent(remote.instance)
  }

  /**
   * Takes what subscribers of `start` have put into its metadata: it is what is sent.
   *
   * @throws {InvalidOptionError} when that is none; {CodecError} when it cannot be read
   */
  takePublished(): void {
    if (this.trace === undefined) return
    const { metadata } = this.trace.message
    checkMetadata(metadata)
    const { timeout, signal, waitForReady, metadata: own } = this.options
    if (own !== undefined || hasKeys(metadata))
      this.options = { timeout, signal, metadata: copyMetadata(metadata), waitForReady }
  }
}

/** Of one class, and with a method: for a spread and a further key V8 makes a hidden class each time, and a closure costs more. */
class SentOptions implements ReadCallOptions {
  readonly timeout: number | undefined
  readonly signal: ReadCallOptions['signal']
  readonly metadata: Metadata | undefined
  readonly waitForReady: boolean | undefined
  readonly #made: CallMade

  constructor(made: CallMade) {
    const { timeout, signal, metadata, waitForReady } = made.options
    this.timeout = timeout
    this.signal = signal
    this.metadata = metadata
    this.waitForReady = waitForReady
    this.#made = made
  }

  onSession(session: Session): void {
    this.#made.onSession(session)
  }
}
