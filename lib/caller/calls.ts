/**
 * How calls are made: the methods that a connection and its subroutes share.
 *
 * Finds the handler in the table of the remote host and encodes the payload; `request.ts` and `grid-stream.ts` do the rest.
 */

import { setImmediate } from 'node:timers/promises'
import { listenToAbort } from '../base/abort.ts'
import type { CallArguments, Callable } from '../call/callable.ts'
import { GridStream, type StreamOf } from '../call/grid-stream.ts'
import { type CallOptions, parseTimeout, type ReadCallOptions, readCallOptions } from '../call/options.ts'
import { sendRequest } from '../call/request.ts'
import { StreamCall } from '../call/stream-call.ts'
import { checkMetadata } from '../codec/metadata.ts'
import { encodePayload, keepLength } from '../codec/payload.ts'
import { aString, check } from '../errors/check.ts'
import { defaultRequestTimeoutMs } from '../errors/options.ts'
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
import { joinSubroute } from '../handler/table.ts'
import type { Kind } from '../hooks/call-info.ts'
import { channels } from '../hooks/channels.ts'
import { type Hooks, standsAround } from '../hooks/hooks.ts'
import type { CallerInterceptor } from '../hooks/interceptor.ts'
import type { Session } from '../session/session.ts'
import { HandlerKind } from '../wire/frame.ts'
import { requestAround, type SendRequest } from './around-request.ts'
import { streamAround } from './around-stream.ts'
import { CallMade } from './call-made.ts'
import type { CallPort } from './call-port.ts'
import { countUnsent, createUnknownError, findHandler } from './find-handler.ts'

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
      const { hooks } = this.#port
      if (standsAround(hooks, channels.call)) return this.#requestAround(hooks, definition, given, givenOptions)
      const payload = encodePayload(definition.request, given, 'payload', 'notSent')
      const options = readCallOptions(givenOptions, 'notSent')
      return this.#request(definition, payload, parseTimeout(options.timeout, defaultRequestTimeoutMs), options)
    } catch (error) {
      this.#countUnsent(target, 'single', 0, error)
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
    const given = value === undefined && typeof target === 'string' ? noPayload : value
    const { hooks } = this.#port
    if (standsAround(hooks, channels.call))
      return this.#streamAround(hooks, definition, takesRequests, given, givenOptions)
    const stream = this.#createStream(definition, takesRequests)
    try {
      const payload = encodePayload(definition.payload, given, 'payload', 'notSent')
      const options = readCallOptions(givenOptions, 'notSent')
      const timeoutMs = parseTimeout(options.timeout, Number.POSITIVE_INFINITY)
      this.#newStream(stream.call, definition, payload, timeoutMs, options)
    } catch (error) {
      stream.call.fail(error, true)
    }
    return stream
  }

  subroute(name: string): Callable {
    // A peer may have names that this side would not register.
    check('a subroute', name, aString)
    return new Calls(this.#port, joinSubroute(this.#subroute, name))
  }

  /** @param timeoutMs what is left, 0 for no limit */
  #request(definition: AnySingle, payload: Uint8Array, timeoutMs: number, options: ReadCallOptions): Promise<unknown> {
    const session = this.#port.usableSession()
    if (session !== undefined && options.waitForReady !== true) {
      return this.#send(session, definition, payload, timeoutMs, options)
    }
    checkMetadata(options.metadata)
    if (!this.#waits(options)) throw this.#port.createNotConnectedError()
    return this.#sendWhenUsable(session, definition, keepLength(payload), timeoutMs, options)
  }

  /** Opens `stream`, at once or when it can be. @param timeoutMs what is left, 0 for no limit */
  #newStream(
    stream: StreamCall<unknown, unknown>,
    definition: AnyStreaming,
    payload: Uint8Array,
    timeoutMs: number,
    options: ReadCallOptions
  ): void {
    const session = this.#port.usableSession()
    if (session !== undefined && options.waitForReady !== true) {
      return this.#open(stream, session, definition, payload, timeoutMs, options)
    }
    checkMetadata(options.metadata)
    if (!this.#waits(options)) throw this.#port.createNotConnectedError()
    stream.waitsSinceMs = performance.now()
    const kept = keepLength(payload)
    const deadlineMs = toDeadlineMs(timeoutMs)
    const open = (ready: Session, leftMs: number) => this.#open(stream, ready, definition, kept, leftMs, options)
    const wait = (first?: Session) => this.#whenReady(stream, first, definition, deadlineMs, timeoutMs, options, open)
    if (options.waitForReady === true) stream.whenWithdrawn = () => void setImmediate().then(() => wait())
    wait(session)
  }

  #createStream(definition: AnyStreaming, takesRequests: boolean): GridStream<unknown, unknown> {
    const onUnsent = (reason: unknown, sinceMs: number) => this.#countUnsent(definition, 'streaming', sinceMs, reason)
    return new GridStream(new StreamCall(definition, takesRequests, onUnsent))
  }

  #streamAround(
    hooks: Hooks<CallerInterceptor>,
    definition: AnyStreaming,
    takesRequests: boolean,
    given: unknown,
    givenOptions: CallOptions | undefined
  ): unknown {
    try {
      const options = readCallOptions(givenOptions, 'notSent')
      const timeoutMs = parseTimeout(options.timeout, Number.POSITIVE_INFINITY)
      const made = this.#createMade(definition, given, options, timeoutMs)
      const create = (counted: AnyStreaming, onUnsent: () => void) =>
        new GridStream<unknown, unknown>(new StreamCall(counted, takesRequests, onUnsent))
      return streamAround(hooks, made, definition, takesRequests, create, (...call) => this.#newStream(...call))
    } catch (error) {
      const stream = this.#createStream(definition, takesRequests)
      stream.call.fail(error, true)
      return stream
    }
  }

  #requestAround(
    hooks: Hooks<CallerInterceptor>,
    definition: AnySingle,
    given: unknown,
    givenOptions: CallOptions | undefined
  ): Promise<unknown> {
    const options = readCallOptions(givenOptions, 'notSent')
    const timeoutMs = parseTimeout(options.timeout, defaultRequestTimeoutMs)
    const made = this.#createMade(definition, given, options, timeoutMs)
    const send: SendRequest = (counted, ...rest) => {
      try {
        return this.#request(counted, ...rest)
      } catch (error) {
        this.#countUnsent(definition, 'single', 0, error)
        throw error
      }
    }
    return requestAround(hooks, made, definition, send)
  }

  #createMade(definition: AnyDefinition, given: unknown, options: ReadCallOptions, timeoutMs: number): CallMade {
    return new CallMade(this.#port, this.#subroute, definition, given, options, timeoutMs)
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
    const handler = findHandler(session, this.#port, this.#subroute, definition, HandlerKind.single)
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
    const send = async (session: Session, leftMs: number) => {
      const response = this.#send(session, definition, payload, leftMs, options)
      isSent = true
      try {
        return await response
      } catch (error) {
        // It is made again, and may not be sent then.
        if (options.waitForReady === true && session.remoteHandlers.isWithdrawal(error)) isSent = false
        throw error
      }
    }
    try {
      return await this.#whenUsable(first, definition, toDeadlineMs(timeoutMs), timeoutMs, options, send)
    } catch (error) {
      if (!isSent) this.#countUnsent(definition, 'single', sinceMs, error)
      throw error
    }
  }

  #countUnsent(target: string | AnyDefinition, kind: Kind, sinceMs: number, reason: unknown): void {
    countUnsent(this.#port, this.#subroute, target, kind, sinceMs, reason)
  }

  /** A stream that ends while it waits stops waiting. */
  #whenReady(
    stream: StreamCall<unknown, unknown>,
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
          createUnknownError(session, this.#subroute, definition.id)
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
    stream: StreamCall<unknown, unknown>,
    session: Session,
    definition: AnyStreaming,
    payload: Uint8Array,
    timeoutMs: number,
    options: ReadCallOptions
  ): void {
    try {
      const handler = findHandler(session, this.#port, this.#subroute, definition, HandlerKind.streaming)
      stream.open(session, handler, payload, timeoutMs, options)
    } catch (error) {
      stream.fail(error)
    }
  }

  /** A raw stream has the capacities that the remote host advertised. */
  #rawStreaming(session: Session | undefined, id: string): AnyStreaming {
    const { inCapacity = 1, outCapacity = 1 } = session?.remoteHandlers.find(this.#subroute, id) ?? {}
    return rawStreaming(id, inCapacity, outCapacity)
  }
}
