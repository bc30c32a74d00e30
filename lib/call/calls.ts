/**
 * How calls are made: the methods that a connection and its subroutes share.
 *
 * Finds the handler in the table of the remote host and encodes the payload; `request.ts` and `grid-stream.ts` do the rest.
 */

import { setImmediate } from 'node:timers/promises'
import { listenToAbort } from '../base/abort.ts'
import { aString, check } from '../base/check.ts'
import { UnknownHandlerError } from '../base/errors.ts'
import type { Figures } from '../base/figures.ts'
import type { HandlerFigures } from '../base/grid-figures.ts'
import { defaultRequestTimeoutMs } from '../base/options.ts'
import type { HandlerName } from '../base/stats.ts'
import { toTicks } from '../base/ticks.ts'
import { checkMetadata } from '../codec/metadata.ts'
import { encodePayload, keepLength } from '../codec/payload.ts'
import {
  type AnyDefinition,
  type AnySingle,
  type AnyStreaming,
  checkDefinition,
  type PayloadOf,
  type ResponseOf,
  rawSingle,
  rawStreaming
} from '../handler/definition.ts'
import { findNear, nameHandler, toHandlerName } from '../handler/info.ts'
import { joinSubroute, type RemoteHandler } from '../handler/table.ts'
import type { Session } from '../session/session.ts'
import { HandlerKind } from '../wire/frame.ts'
import { GridStream, type StreamOf } from './grid-stream.ts'
import { type CallOptions, parseTimeout, type ReadCallOptions, readCallOptions } from './options.ts'
import { sendRequest } from './request.ts'

/** The payload and the options of a call. The payload may be left out when the definition takes none. */
export type CallArguments<Payload, Options = CallOptions> = undefined extends Payload
  ? [payload?: Payload, options?: Options]
  : [payload: Payload, options?: Options]

/** Makes calls: a connection, or a subroute of it. */
export interface Callable {
  /**
   * One request, one response. `definition` is a single one, or the string id of a raw handler: `Uint8Array` both ways. A raw payload may be reused once the promise has settled. A raw response is yours to keep.
   *
   * @throws {UnknownHandlerError} the remote host has no such single handler
   * @throws {DisconnectedError} not connected (`delivery: 'notSent'`), or the conn was lost during the call
   * @throws {RemoteError} the handler threw
   * @throws {DeadlineError} no answer within the timeout
   * @throws {RejectedError} the remote host refused the call before the handler ran
   * @throws {CodecError} a value cannot be encoded or decoded
   * @throws {InvalidOptionError} an option is wrong
   * @throws {MessageTooLargeError} the payload is larger than the remote host accepts
   * @throws `signal.reason` when the signal aborted
   */
  request<D extends string | AnySingle>(definition: D, ...args: CallArguments<PayloadOf<D>>): Promise<ResponseOf<D>>

  /** A two-way stream. Returns at once. Each failure is thrown by the first `next()`, with the errors of `request`. */
  newStream<D extends string | AnyStreaming>(definition: D, ...args: CallArguments<PayloadOf<D>>): StreamOf<D>

  /** The handlers of the same host under a static subroute. Subroutes of subroutes are joined with `/`. */
  subroute(name: string): Callable
}

/** What calls need from their connection. */
export interface CallPort {
  /** `waitForReady` of calls that do not set it. */
  readonly callsWait: boolean
  /** Where its calls are counted: by handler, and together. */
  readonly figures: { readonly all: HandlerFigures; readonly peer: Figures }
  /** The session that can take a call, if there is one. */
  usableSession(): Session | undefined
  /** The error of a call while there is no such session. */
  createNotConnectedError(): Error
  /** Resolves with such a session; rejects at the deadline or when the signal aborts. */
  waitForSession(deadlineMs: number, signal: AbortSignal | undefined, timeoutMs: number): Promise<Session>
  /** Resolves when the handlers of the remote host have changed; rejects as above, with `createError` if only those are missing. */
  waitForHandlers(
    deadlineMs: number,
    signal: AbortSignal | undefined,
    timeoutMs: number,
    createError: () => Error
  ): Promise<unknown>
}

const noPayload = new Uint8Array(0)

/** Of `performance.now()`; 0 for none, as of the timeout. */
function toDeadlineMs(timeoutMs: number): number {
  return timeoutMs === 0 ? 0 : performance.now() + timeoutMs
}

export class Calls implements Callable {
  readonly #port: CallPort
  readonly #subroute: string

  constructor(port: CallPort, subroute: string) {
    this.#port = port
    this.#subroute = subroute
  }

  request<D extends string | AnySingle>(definition: D, ...args: CallArguments<PayloadOf<D>>): Promise<ResponseOf<D>>
  request(target: string | AnySingle, value?: unknown, givenOptions?: CallOptions): Promise<unknown> {
    try {
      const definition = typeof target === 'string' ? rawSingle(target) : target
      if (definition?.kind !== 'single') checkDefinition(definition, 'request()', 'single')
      const given = value === undefined && typeof target === 'string' ? noPayload : value
      const payload = encodePayload(definition.request, given, 'payload', 'notSent')
      const options = readCallOptions(givenOptions, 'notSent')
      const timeoutMs = parseTimeout(options.timeout, defaultRequestTimeoutMs)
      const session = this.#port.usableSession()
      if (session !== undefined && options.waitForReady !== true) {
        return this.#send(session, definition, payload, timeoutMs, options)
      }
      checkMetadata(options.metadata)
      if (!this.#waits(options)) throw this.#port.createNotConnectedError()
      return this.#sendWhenUsable(session, definition, keepLength(payload), timeoutMs, options)
    } catch (error) {
      this.#countUnsent('single', target, 0, error)
      return Promise.reject(error)
    }
  }

  newStream<D extends string | AnyStreaming>(definition: D, ...args: CallArguments<PayloadOf<D>>): StreamOf<D>
  newStream(target: string | AnyStreaming, value?: unknown, givenOptions?: CallOptions): unknown {
    const session = this.#port.usableSession()
    const definition = typeof target === 'string' ? this.#rawStreaming(session, target) : target
    if (definition?.kind !== 'streaming') checkDefinition(definition, 'newStream()', 'streaming')
    // By its type a raw stream takes requests. When the handler takes none, a push throws.
    const takesRequests = typeof target === 'string' || definition.inCapacity > 0
    let sinceMs = 0
    const stream = new GridStream<unknown, unknown>(definition, takesRequests, (reason) =>
      this.#countUnsent('streaming', target, sinceMs, reason)
    )
    try {
      const given = value === undefined && typeof target === 'string' ? noPayload : value
      const payload = encodePayload(definition.payload, given, 'payload', 'notSent')
      const options = readCallOptions(givenOptions, 'notSent')
      const timeoutMs = parseTimeout(options.timeout, Number.POSITIVE_INFINITY)
      if (session !== undefined && options.waitForReady !== true) {
        this.#open(stream, session, definition, payload, timeoutMs, options)
        return stream
      }
      checkMetadata(options.metadata)
      if (!this.#waits(options)) throw this.#port.createNotConnectedError()
      sinceMs = performance.now()
      const kept = keepLength(payload)
      const deadlineMs = toDeadlineMs(timeoutMs)
      const open = (ready: Session, leftMs: number) => this.#open(stream, ready, definition, kept, leftMs, options)
      const wait = (first?: Session) => this.#whenReady(stream, first, definition, deadlineMs, timeoutMs, options, open)
      if (options.waitForReady === true) stream.whenWithdrawn = () => void setImmediate().then(() => wait())
      wait(session)
    } catch (error) {
      stream.fail(error)
    }
    return stream
  }

  subroute(name: string): Callable {
    // A peer may have names that this side would not register.
    check('a subroute', name, aString)
    return new Calls(this.#port, joinSubroute(this.#subroute, name))
  }

  #waits(options: ReadCallOptions): boolean {
    return options.waitForReady ?? this.#port.callsWait
  }

  /** It asked to wait, and the handler may be about to be registered. */
  #waitsForHandler(session: Session, { id }: AnyDefinition, { waitForReady }: ReadCallOptions): boolean {
    return waitForReady === true && session.remoteHandlers.find(this.#subroute, id) === undefined
  }

  #send(
    session: Session,
    definition: AnySingle,
    payload: Uint8Array,
    timeoutMs: number,
    options: ReadCallOptions
  ): Promise<unknown> {
    const handler = this.#find(session, definition.id, HandlerKind.single)
    return sendRequest(session, handler, payload, definition.response, timeoutMs, options)
  }

  async #sendWhenUsable(
    first: Session | undefined,
    definition: AnySingle,
    payload: Uint8Array,
    timeoutMs: number,
    options: ReadCallOptions
  ): Promise<unknown> {
    const sinceMs = performance.now()
    let isSent = false
    const send = (session: Session, leftMs: number) => {
      const response = this.#send(session, definition, payload, leftMs, options)
      isSent = true
      return response
    }
    try {
      return await this.#whenUsable(first, definition, toDeadlineMs(timeoutMs), timeoutMs, options, send)
    } catch (error) {
      if (!isSent) this.#countUnsent('single', definition, sinceMs, error)
      throw error
    }
  }

  /** Counts a call that has failed without a stream, made at `sinceMs` if it has waited. */
  #countUnsent(kind: HandlerName['kind'], target: string | AnyDefinition, sinceMs: number, reason: unknown): void {
    const handler = typeof target === 'string' ? target : target?.id
    if (typeof handler !== 'string') return
    const { all, peer } = this.#port.figures
    const ticks = sinceMs === 0 ? 0 : toTicks(performance.now() - sinceMs)
    for (const each of [all.of({ kind, handler, subroute: this.#subroute }, false), peer]) {
      each.addUnsent(ticks, reason)
    }
  }

  /** A stream that ends while it waits stops waiting. */
  #whenReady(
    stream: GridStream<unknown, unknown>,
    first: Session | undefined,
    definition: AnyDefinition,
    deadlineMs: number,
    timeoutMs: number,
    options: ReadCallOptions,
    open: (session: Session, leftMs: number) => void
  ): void {
    const { signal } = options
    const waiting = new AbortController()
    const unlisten = signal === undefined ? undefined : listenToAbort(signal, (reason) => stream.cancel(reason))
    stream.closed.then(() => {
      unlisten?.()
      waiting.abort()
    })
    this.#whenUsable(first, definition, deadlineMs, timeoutMs, { ...options, signal: waiting.signal }, open)
      .catch((error) => stream.fail(error))
      .finally(unlisten)
  }

  /**
   * Waits again when the session has ended before this call learns of it, or has no such handler: not yet, or not any more,
   * where the peer took it back while the call was on its way.
   *
   * @param first is used at once
   */
  async #whenUsable<T>(
    first: Session | undefined,
    definition: AnyDefinition,
    deadlineMs: number,
    timeoutMs: number,
    options: ReadCallOptions,
    use: (session: Session, leftMs: number) => T
  ): Promise<Awaited<T>> {
    for (let at = first; ; at = undefined) {
      const session = at ?? (await this.#port.waitForSession(deadlineMs, options.signal, timeoutMs))
      const leftMs = deadlineMs === 0 ? 0 : Math.max(1, deadlineMs - performance.now())
      if (!session.usable) continue
      if (this.#waitsForHandler(session, definition, options)) {
        await this.#port.waitForHandlers(deadlineMs, options.signal, timeoutMs, () =>
          this.#createUnknownError(session, definition.id)
        )
        continue
      }
      try {
        return await use(session, leftMs)
      } catch (error) {
        if (options.waitForReady !== true || !session.remoteHandlers.isWithdrawal(error)) throw error
        await setImmediate()
      }
    }
  }

  #open(
    stream: GridStream<unknown, unknown>,
    session: Session,
    definition: AnyStreaming,
    payload: Uint8Array,
    timeoutMs: number,
    options: ReadCallOptions
  ): void {
    try {
      const handler = this.#find(session, definition.id, HandlerKind.streaming)
      stream.open(session, handler, payload, timeoutMs, options)
    } catch (error) {
      stream.fail(error)
    }
  }

  #find(session: Session, id: string, kind: number): RemoteHandler {
    const handler = session.remoteHandlers.find(this.#subroute, id)
    if (handler?.kind === kind) {
      handler.figures ??= this.#port.figures.all.of(toHandlerName(handler), true)
      return handler
    }
    if (handler === undefined) throw this.#createUnknownError(session, id)
    const isSingle = handler.kind === HandlerKind.single
    const mismatch = isSingle ? 'it is single; this was a stream' : 'it is streaming; this was a request'
    throw new UnknownHandlerError(`${session.remote.host} has a ${nameHandler(handler)}, but ${mismatch}`)
  }

  #createUnknownError({ remote, remoteHandlers }: Session, id: string): UnknownHandlerError {
    const subroute = this.#subroute
    const near = findNear(remoteHandlers.list(), subroute, id)
    const hint = near === undefined ? '' : `; it has a ${nameHandler(near)}`
    return new UnknownHandlerError(`${remote.host} has no ${nameHandler({ id, subroute })}${hint}`)
  }

  /** A raw stream has the capacities that the remote host advertised. */
  #rawStreaming(session: Session | undefined, id: string): AnyStreaming {
    const { inCapacity = 1, outCapacity = 1 } = session?.remoteHandlers.find(this.#subroute, id) ?? {}
    return rawStreaming(id, inCapacity, outCapacity)
  }
}
