/**
 * The tracing channels of calls (`node:diagnostics_channel`), and what is published on them.
 *
 * They are outside of all interceptors. Nothing is made for a call where nobody has subscribed.
 */

import type { AsyncLocalStorage } from 'node:async_hooks'
import { tracingChannel } from 'node:diagnostics_channel'
import { nextTick } from 'node:process'
import type { Codec } from '../codec/codec.ts'
import type { MetadataValue } from '../codec/metadata.ts'
import type { Delivery } from '../errors/errors.ts'
import { type Failure, readCode, readDelivery } from '../errors/failure.ts'
import { type EventChannel, eventChannels } from '../report/event-channels.ts'
import type { ConnectionEvent, RefusedEvent, ResetEvent } from '../report/events.ts'
import type { Stream } from '../stream/stream.ts'
import type { CallInfo } from './call-info.ts'
import { Counted } from './counted.ts'

/** How a call ended. */
export interface CallOutcome {
  readonly durationMs: number
  /** Of a stream, until its first response was read by its caller, or given by its handler; none where none was. */
  readonly firstResponseMs?: number
  /** `OK`, or the `code` of the error: `ERR_CANCELLED` for a cancelled call, and `_OTHER` where an error has none. */
  readonly code: string
  /** Of the error, at a caller. */
  readonly delivery: Delivery | undefined
  /** Responses for a caller, requests for a handler: those that have arrived, whoever has read them. */
  readonly messagesIn: number
  /** Requests of a caller, responses of a handler. */
  readonly messagesOut: number
  /** Of the payload and all messages, encoded, without what the wire adds, and without errors. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** How often a caller sent it: more than 1 where an interceptor tried again, 0 where none came to that. At a handler 1. */
  readonly attempts: number
}

/** The message of both tracing channels: one object for all events of a call. */
export interface CallMessage extends Omit<CallInfo, 'metadata'> {
  /** This server: a process may have several managers. */
  readonly local: string
  /** May be changed at the caller until `start` is out: it is what is sent. */
  readonly metadata: Record<string, MetadataValue>
  /** Undefined until the call has ended: it is there for `error`, `asyncStart` and `asyncEnd`. */
  readonly outcome: CallOutcome | undefined
  /** What the call failed with. */
  readonly error?: unknown
  /**
   * Set at `start` by who runs the code of the call within a function of its own, as its context is in no store that could be
   * bound: `context.with` of OpenTelemetry. One that was set before is to be called inside of it.
   */
  run?: (<R>(fn: () => R) => R) | undefined
}

type CallPart = 'start' | 'end' | 'asyncStart' | 'asyncEnd' | 'error'

/** One of the channels of a tracing channel, with the type of its messages. */
export interface CallPartChannel extends EventChannel<CallMessage> {
  publish(message: CallMessage): void
  bindStore<Store>(store: AsyncLocalStorage<Store>, transform?: (message: CallMessage) => Store): void
  unbindStore<Store>(store: AsyncLocalStorage<Store>): boolean
  runStores<This, Args extends unknown[], Result>(
    message: CallMessage,
    fn: (this: This, ...args: Args) => Result,
    thisArg?: This,
    ...args: Args
  ): Result
}

/** A `TracingChannel` of Node, whose own type has its parameters in another order from the types of Node 26 on. */
export interface CallChannel extends Readonly<Record<CallPart, CallPartChannel>> {
  subscribe(subscribers: Partial<Record<CallPart, (message: CallMessage) => void>>): void
  unsubscribe(subscribers: Partial<Record<CallPart, (message: CallMessage) => void>>): void
}

const traced = (name: string) => tracingChannel(name) as unknown as CallChannel

/** The same channels as those of `node:diagnostics_channel` by their names, with types. */
export const channels: {
  /** `it-grid:call`, at the caller: outside of all interceptors, so that a call that was tried again is one call. */
  readonly call: CallChannel
  /** `it-grid:handle`, at the handler, whose code runs in the stores that are bound to `start`. */
  readonly handle: CallChannel
  /** `it-grid:connection`: states, dials, hellos, go-aways, ends, jumps of the round trip. */
  readonly connection: EventChannel<ConnectionEvent>
  /** `it-grid:refused`: handshakes and calls that were refused. */
  readonly refused: EventChannel<RefusedEvent>
  /** `it-grid:reset`: calls that were reset. */
  readonly reset: EventChannel<ResetEvent>
} = Object.freeze({
  ...eventChannels,
  call: traced('it-grid:call'),
  handle: traced('it-grid:handle')
})

/** Node has this on the channel itself, but not in each version. */
export function isObserved({ start, end, asyncStart, asyncEnd, error }: CallChannel): boolean {
  return (
    start.hasSubscribers ||
    asyncEnd.hasSubscribers ||
    error.hasSubscribers ||
    end.hasSubscribers ||
    asyncStart.hasSubscribers
  )
}

class Message implements CallMessage {
  readonly side: 'caller' | 'handler'
  readonly local: string
  readonly host: string
  instance: string | undefined
  readonly kind: CallInfo['kind']
  readonly handler: string
  readonly subroute: string
  readonly metadata: Record<string, MetadataValue>
  outcome: CallOutcome | undefined = undefined
  error?: unknown
  run?: CallMessage['run']
  readonly #call: Pick<CallInfo, 'deadline' | 'signal'>

  constructor(call: CallInfo, local: string, metadata: Record<string, MetadataValue>) {
    this.side = call.side
    this.local = local
    this.host = call.host
    this.instance = call.instance
    this.kind = call.kind
    this.handler = call.handler
    this.subroute = call.subroute
    this.metadata = metadata
    this.#call = call
  }

  /** It takes two looks at the clock, and few subscribers ask for it. */
  get deadline(): number | undefined {
    return this.#call.deadline
  }

  get signal(): AbortSignal {
    return this.#call.signal
  }
}

/** What is told of a stream that has ended. */
type Arrived = Pick<Stream, 'receiveWindow' | 'bytesIn'>

/** One call that is published. */
export class Trace {
  attempts = 0
  bytesIn = 0
  bytesOut = 0
  messagesIn = 0
  messagesOut = 0
  readonly message: Message
  readonly #channel: CallChannel
  readonly #startMs = performance.now()
  #firstResponseMs: number | undefined
  /** `end` is published. */
  #isBegun = false
  #isFinished = false
  /** It has ended before. */
  #finish: (() => void) | undefined

  constructor(channel: CallChannel, call: CallInfo, local: string, metadata: Record<string, MetadataValue>) {
    this.#channel = channel
    this.message = new Message(call, local, metadata)
  }

  /** Publishes `start` and `end` around `fn`, which runs in the stores that are bound to `start`. */
  run<R>(fn: () => R): R {
    const { message } = this
    const { start, end } = this.#channel
    try {
      return start.runStores(message, this.#runWithin<R>, this, fn)
    } finally {
      end.publish(message)
      this.#isBegun = true
      this.#finish?.()
    }
  }

  /** One that throws when it is read does so when it is called. */
  get #hasRun(): boolean {
    try {
      return this.message.run !== undefined
    } catch {
      return true
    }
  }

  /**
   * Runs `fn` within `run` of the message, once, whatever that does. As with a subscriber that throws, the process hears of one
   * that throws, or does not call its function, and the call goes on.
   */
  #runWithin<R>(fn: () => R): R {
    if (!this.#hasRun) return fn()
    let ran: { readonly value: R } | undefined
    const once = (): R => {
      ran ??= { value: fn() }
      return ran.value
    }
    try {
      this.message.run?.(once)
      if (ran === undefined) throw new TypeError('run of a call message must call the function that it is given')
    } catch (error) {
      nextTick(() => {
        throw error
      })
    }
    return once()
  }

  /** The same codec, which counts what it encodes. */
  countOut<T>(codec: Codec<T>): Codec<T> {
    return new Counted(this, codec, 'out')
  }

  /** A message of so many bytes is about to be sent. */
  countEncoded(bytes: number): void {
    this.#noteResponse('handler')
    this.countSent(bytes)
  }

  /** A message of so many bytes is sent. */
  countSent(bytes: number): void {
    this.messagesOut++
    this.bytesOut += bytes
  }

  /** The same codec, which counts what it decodes. */
  countIn<T>(codec: Codec<T>): Codec<T> {
    return new Counted(this, codec, 'in')
  }

  /** A message of so many bytes has arrived. */
  countReceived(bytes: number): void {
    this.#noteResponse('caller')
    this.messagesIn++
    this.bytesIn += bytes
  }

  /** So much of a stream has arrived: it may end before anybody reads it. */
  noteArrived({ receiveWindow, bytesIn }: Arrived): void {
    this.messagesIn = receiveWindow?.describe().totalMessages ?? 0
    this.bytesIn = bytesIn
  }

  /** The call has ended. */
  finish(failure: Failure | undefined, isCancelled: boolean): void {
    if (this.#isFinished) return
    this.#isFinished = true
    this.#tell(this.#createOutcome(failure, isCancelled), failure)
    if (this.#isBegun) this.#publishEnd(failure !== undefined)
    else this.#finish = () => this.#publishEnd(failure !== undefined)
  }

  /** A session of this process of the peer has taken the call. */
  onSent(instance: string): void {
    this.attempts++
    try {
      this.message.instance = instance
    } catch {
      // A subscriber has frozen it.
    }
  }

  /** A message is one, where it is counted at this side. */
  #noteResponse(side: CallInfo['side']): void {
    if (this.message.side !== side || this.message.kind === 'single') return
    this.#firstResponseMs ??= performance.now() - this.#startMs
  }

  #tell(outcome: CallOutcome, failure: Failure | undefined): void {
    try {
      this.message.outcome = outcome
      if (failure !== undefined) this.message.error = failure.reason
    } catch {
      // A subscriber has frozen it.
    }
  }

  #publishEnd(isFailed: boolean): void {
    const { error, asyncStart, asyncEnd } = this.#channel
    if (isFailed) error.publish(this.message)
    // Without stores that are bound to it, which would be counted as subscribers, a function would be made for nothing.
    if (!asyncStart.hasSubscribers) return asyncEnd.publish(this.message)
    asyncStart.runStores(this.message, () => asyncEnd.publish(this.message))
  }

  #createOutcome(failure: Failure | undefined, isCancelled: boolean): CallOutcome {
    const { attempts, messagesIn, messagesOut, bytesIn, bytesOut } = this
    const reason = failure?.reason
    const firstResponseMs = this.#firstResponseMs
    const outcome: CallOutcome = {
      durationMs: performance.now() - this.#startMs,
      code: failure === undefined ? 'OK' : (readCode(reason) ?? (isCancelled ? 'ERR_CANCELLED' : '_OTHER')),
      delivery: readDelivery(reason),
      messagesIn,
      messagesOut,
      bytesIn,
      bytesOut,
      attempts
    }
    return firstResponseMs === undefined ? outcome : { firstResponseMs, ...outcome }
  }
}
