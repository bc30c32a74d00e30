/**
 * A stream with interceptors around it: to its user the same as one without, but for its responses, which are theirs.
 *
 * It ends by its own deadline, signal and `cancel()`, whatever they do. Where they return `next()` as it is, the stream
 * itself is given, and nothing is lost.
 */

import { type AnySignal, listenToAbort } from '../base/abort.ts'
import { type GridStream, type RequestSink, toCancelReason } from '../call/grid-stream.ts'
import type { ReadCallOptions } from '../call/options.ts'
import type { RequestPipe } from '../call/request-pipe.ts'
import type { StreamCall, StreamEnd } from '../call/stream-call.ts'
import { encodePayload, keepLength } from '../codec/payload.ts'
import { CancelledError, ClosedError } from '../errors/errors.ts'
import type { Failure } from '../errors/failure.ts'
import type { AnyStreaming } from '../handler/definition.ts'
import { Chain, createEnd } from '../hooks/chain.ts'
import type { Gate } from '../hooks/gate.ts'
import type { Hooks } from '../hooks/hooks.ts'
import type { CallChanges, CallerInterceptor } from '../hooks/interceptor.ts'
import { Relay, type RelayOwner } from '../hooks/relay.ts'
import type { Many } from '../producer/many.ts'
import type { Producer } from '../producer/producer.ts'
import type { Messages } from '../stream/source.ts'
import type { CallMade } from './call-made.ts'
import { CallerView } from './caller-view.ts'
import { CallDeadline, createLateError, type DeadlineOwner, toLeftMs } from './deadline.ts'

type AnyStream = GridStream<unknown, unknown>

/** Opens a stream, as without interceptors. `timeoutMs` is what is left, 0 for no limit. */
type OpenStream = (
  stream: StreamCall<unknown, unknown>,
  definition: AnyStreaming,
  payload: Uint8Array,
  timeoutMs: number,
  options: ReadCallOptions
) => void

/** What has arrived of a stream that was never sent. */
const nothing = { receiveWindow: undefined, bytesIn: 0 }

/** Makes a stream that interceptors stand around, or that is published. */
export function streamAround(
  { local, interceptors }: Hooks<CallerInterceptor>,
  made: CallMade,
  definition: AnyStreaming,
  takesRequests: boolean,
  create: (definition: AnyStreaming, onUnsent: () => void) => AnyStream,
  open: OpenStream
): AnyStream | AroundStream {
  return made.publish(local, () => {
    const counted = count(definition, made)
    const stream = create(counted, () => made.onUntried())
    made.onTry()
    const start = (): AnyStream | AroundStream => {
      made.takePublished()
      const payload = keepLength(encodePayload(definition.payload, made.payload, 'payload', 'notSent'))
      if (made.trace !== undefined) made.trace.bytesOut = payload.length
      const openOnce = (timeoutMs: number, options: ReadCallOptions) =>
        open(stream.call, counted, payload, timeoutMs, options)
      if (interceptors !== undefined) {
        return new AroundStream(stream, made, counted, takesRequests).start(interceptors, openOnce)
      }
      openOnce(made.timeoutMs, made.sentOptions)
      return stream
    }
    let given: AnyStream | AroundStream = stream
    try {
      given = start()
    } catch (error) {
      stream.call.fail(error, true)
    }
    given.closed.then(({ how, error }) => {
      made.trace?.noteArrived(stream.call.stream ?? nothing)
      made.finish(how === 'ended' ? undefined : { reason: error }, how === 'cancelled')
    })
    return given
  })
}

function count(definition: AnyStreaming, { trace }: CallMade): AnyStreaming {
  if (trace === undefined) return definition
  const { request, response } = definition
  return { ...definition, request: trace.countOut(request), response: trace.countIn(response) }
}

type OpenOnce = (timeoutMs: number, options: ReadCallOptions) => void

/** All that users have of a stream. */
type Surface = Omit<AnyStream, 'call'>

export class AroundStream implements Surface, RelayOwner, DeadlineOwner {
  readonly closed: Promise<StreamEnd>
  readonly #stream: AnyStream
  readonly #made: CallMade
  readonly #requests: GivenRequests | null
  readonly #view: CallerView
  readonly #deadline = new CallDeadline(this)
  #chain: Chain<CallerView, CallChanges> | undefined
  /** What the outermost interceptor gave. */
  #outermost: Relay | undefined
  /** What the stream gives. */
  #innermost: Relay | undefined
  #innerEnd: StreamEnd | undefined
  readonly #unlisten: (() => void)[] = []
  #resolveClosed!: (end: StreamEnd) => void
  #isOver = false

  constructor(stream: AnyStream, made: CallMade, definition: AnyStreaming, takesRequests: boolean) {
    this.#stream = stream
    this.#made = made
    this.#requests = takesRequests ? new GivenRequests(() => stream.call.divertRequests(definition.request)) : null
    this.#view = CallerView.of(made, this.#requests)
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
  }

  get responses(): Messages<unknown> {
    return this.#outermost as Relay
  }

  get draining(): AbortSignal {
    return this.#stream.draining
  }

  get requests(): RequestSink<unknown> {
    return this.#stream.requests
  }

  get source(): Messages<unknown> {
    return this.responses
  }

  [Symbol.asyncIterator](): Messages<unknown> {
    return this.responses
  }

  batches(): AsyncIterableIterator<unknown[], undefined> {
    return this.responses.batches()
  }

  readonly sink = (source: Producer<unknown>): Promise<void> => this.#stream.sink(source)

  send(value: unknown | Many<unknown>): Promise<void> {
    return this.#stream.send(value)
  }

  cancel(reason?: unknown): void {
    this.#fail(toCancelReason(reason, this.#stream.call.delivery), 'cancelled')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cancel()
    await this.closed
  }

  /** Runs the interceptors, until the first of them waits. Returns what the user gets. */
  start(interceptors: readonly CallerInterceptor[], open: OpenOnce): AnyStream | this {
    const chain = new Chain<CallerView, CallChanges>(interceptors, {
      repeats: false,
      change: (call, changes) => {
        const changed = call.with(changes)
        this.#deadline.extend(changed.endsMs)
        return changed
      }
    })
    this.#chain = chain
    this.#deadline.extend(this.#view.endsMs)
    const outermost = chain.streaming(this.#view, (call, above) => this.#open(open, call, above))
    this.#outermost = outermost
    this.#stream.closed.then((end) => this.#onInnerEnd(end))
    if (outermost === this.#innermost && !outermost.isTouched) {
      outermost.handOver()
      this.#deadline.clear()
      this.#stream.closed.then((end) => this.#finish(end))
      return this.#stream
    }
    this.#obey(this.#made.options.signal)
    outermost.watch(this)
    if (!this.#isOver) this.#unlisten.push(this.#made.whenClosed((text) => this.#onClosed(text)))
    return this
  }

  // RelayOwner

  onEnd(failure: Failure | undefined): void {
    // A stream whose responses have ended is about to end by itself.
    const endsByItself = failure === undefined && this.#innermost?.isOver === true
    if (!endsByItself) this.#stream.cancel((failure ?? createEnd()).reason)
    this.#chain?.end(undefined)
    if (failure !== undefined) return this.#finish({ how: 'failed', error: failure.reason })
    this.#stream.closed.then(() => this.#finish({ how: 'ended' }))
  }

  onStop(failure: Failure | undefined): void {
    if (failure !== undefined) return this.#fail(failure.reason, 'cancelled')
    const { delivery } = this.#stream.call
    this.#fail(new CancelledError('the consumer stopped reading', { delivery }), 'cancelled')
  }

  onIdle(): void {
    if (this.#innerEnd !== undefined && !this.#isTakenOver) this.#finish(this.#innerEnd)
  }

  // DeadlineOwner

  get isSent(): boolean {
    return this.#innermost !== undefined && this.#innerEnd === undefined
  }

  onLate(): void {
    this.#fail(createLateError(this.#view, this.#stream.call.delivery), 'failed')
  }

  /** What was sent has not ended well, and interceptors that left it, or were told of that, go on without it. */
  get #isTakenOver(): boolean {
    return this.#innerEnd !== undefined && this.#innerEnd.how !== 'ended' && this.#innermost?.isOver === true
  }

  #open(open: OpenOnce, call: CallerView, above: Gate | undefined): Relay {
    const stream = this.#stream
    const { ownSignal } = call
    const { signal } = this.#made.options
    this.#innermost = new Relay(stream.responses, above)
    try {
      this.#giveRequests(call)
      open(
        toLeftMs(call),
        call.toOptions(ownSignal ?? signal, (session) => this.#made.onSession(session))
      )
      if (ownSignal !== undefined && signal !== undefined) {
        const leave = listenToAbort(signal, (reason) => stream.cancel(reason))
        stream.closed.then(leave)
      }
    } catch (error) {
      stream.call.fail(error)
    }
    return this.#innermost
  }

  /** What was sent ends with its session. */
  #onClosed(text: string): void {
    if (this.#innermost === undefined) this.#fail(new ClosedError(text, { delivery: 'notSent' }), 'failed')
    // Its consumer may still read what interceptors give, but nothing is kept open for that.
    else if (this.#innerEnd !== undefined) this.#finish(this.#innerEnd)
  }

  /** As they are, unless an interceptor has others, or has looked at them. */
  #giveRequests({ requests }: CallerView): void {
    const own = this.#requests
    if (own === null || requests === null || (requests === own && !own.isTouched)) return
    const pipe = own[Symbol.asyncIterator]()
    this.#stream.call.sendInstead(requests === own ? pipe : requests)
  }

  #obey(signal: AnySignal | undefined): void {
    if (signal === undefined) return
    try {
      this.#unlisten.push(listenToAbort(signal, (reason) => this.#fail(reason, 'cancelled')))
    } catch (error) {
      this.#fail(error, 'failed')
    }
  }

  #onInnerEnd(end: StreamEnd): void {
    this.#innerEnd = end
    this.#deadline.onEnded()
    if (this.#isOver || this.#isTakenOver || this.#outermost?.isAwaited !== false) return
    // What nobody reads ends now, too: so its interceptors get to their end.
    if (!this.#outermost.isTouched) this.#outermost.release()
    this.#finish(end)
  }

  /** Ends it now. */
  #fail(reason: unknown, how: 'failed' | 'cancelled'): void {
    if (!this.#isOver) this.#made.leaving.abort(reason)
    const end = this.#isTakenOver ? undefined : this.#innerEnd
    this.#outermost?.close(reason)
    this.#stream.cancel(reason)
    this.#chain?.end({ reason })
    this.#finish(end ?? { how, error: reason })
  }

  #finish(end: StreamEnd): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#deadline.clear()
    for (const unlisten of this.#unlisten) unlisten()
    this.#resolveClosed(end)
  }
}

/** The requests as interceptors see them: diverted when they are looked at, and only then. */
class GivenRequests implements AsyncIterable<unknown> {
  readonly #divert: () => RequestPipe<unknown>
  #pipe: RequestPipe<unknown> | undefined

  constructor(divert: () => RequestPipe<unknown>) {
    this.#divert = divert
  }

  /** Somebody has looked at them. */
  get isTouched(): boolean {
    return this.#pipe !== undefined
  }

  [Symbol.asyncIterator](): RequestPipe<unknown> {
    this.#pipe ??= this.#divert()
    return this.#pipe
  }
}
