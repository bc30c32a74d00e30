/** A request with interceptors around it: it ends by its own deadline and signal, whatever they do. */

import { type AnySignal, abortReason, InnerSignal, listenToAbort } from '../base/abort.ts'
import { giveStack, rejectToCaller, whenSettled } from '../base/promise.ts'
import type { ReadCallOptions } from '../call/options.ts'
import { encodePayload, keepLength } from '../codec/payload.ts'
import { isWorse, tellDelivery, tellMaybeRan } from '../errors/cancellation.ts'
import { ClosedError, type Delivery, GridError } from '../errors/errors.ts'
import { type Failure, readDelivery } from '../errors/failure.ts'
import type { AnySingle } from '../handler/definition.ts'
import { Chain, type ChainRules, createEnd } from '../hooks/chain.ts'
import type { Hooks } from '../hooks/hooks.ts'
import type { CallChanges, CallerInterceptor } from '../hooks/interceptor.ts'
import type { Session } from '../session/session.ts'
import type { CallMade } from './call-made.ts'
import { CallerView } from './caller-view.ts'
import { CallDeadline, createLateError, type DeadlineOwner, toLeftMs } from './deadline.ts'

/** Sends a request, as without interceptors. `timeoutMs` is what is left, 0 for no limit. */
export type SendRequest = (
  definition: AnySingle,
  payload: Uint8Array,
  timeoutMs: number,
  options: ReadCallOptions
) => Promise<unknown>

/** Makes a call that interceptors stand around, or that is published. */
export function requestAround(
  { local, interceptors }: Hooks<CallerInterceptor>,
  made: CallMade,
  definition: AnySingle,
  send: SendRequest
): Promise<unknown> {
  const run = (): Promise<unknown> => {
    try {
      made.takePublished()
      const { trace } = made
      const payload = keepLength(encodePayload(definition.request, made.payload, 'payload', 'notSent'))
      if (trace !== undefined) {
        trace.messagesOut = 1
        trace.bytesOut = payload.length
      }
      const { kind, id, request, response } = definition
      const counted = trace === undefined ? definition : { kind, id, request, response: trace.countIn(response) }
      if (interceptors !== undefined) {
        const sendOne = (timeoutMs: number, options: ReadCallOptions) => send(counted, payload, timeoutMs, options)
        return new AroundRequest(interceptors, made, sendOne).run()
      }
      made.onTry()
      return send(counted, payload, made.timeoutMs, made.sentOptions)
    } catch (reason) {
      made.countUntried({ reason })
      // What publishes a call are more frames than V8 shows, and none of an error made here would be of who called.
      if (interceptors === undefined && GridError.is(reason) && !made.isCancelled) giveStack(reason, requestAround)
      return Promise.reject(reason)
    }
  }
  const result = made.publish(local, run)
  if (made.trace === undefined) return result
  // Not beside the code that awaits the call: V8 leads the stack of its error to one that waits, and to none of two.
  return result.then(
    (value) => {
      made.finish(undefined, false)
      return value
    },
    (reason) => {
      made.finish({ reason }, made.isCancelled)
      throw reason
    }
  )
}

type SendOne = (timeoutMs: number, options: ReadCallOptions) => Promise<unknown>

class AroundRequest implements ChainRules<CallerView>, DeadlineOwner {
  readonly repeats = true
  readonly #made: CallMade
  readonly #send: SendOne
  readonly #view: CallerView
  readonly #chain: Chain<CallerView, CallChanges>
  readonly #deadline = new CallDeadline(this)
  /** How many tries were sent and have no answer. */
  #sent = 0
  #delivery: Delivery = 'notSent'
  #unlistenSignal: (() => void) | undefined
  #unlistenClosing: (() => void) | undefined
  #isOver = false
  /** What tries have failed by, unless that is the reason of a signal, which is whose it is. */
  #failures: Set<unknown> | undefined
  #settle!: (result: Promise<never>) => void

  constructor(interceptors: readonly CallerInterceptor[], made: CallMade, send: SendOne) {
    this.#made = made
    this.#send = send
    this.#view = CallerView.of(made, null)
    this.#chain = new Chain<CallerView, CallChanges>(interceptors, this)
  }

  /** @throws the reason of a signal that has aborted */
  run(): Promise<unknown> {
    const { signal } = this.#made.options
    if (signal?.aborted === true) throw abortReason(signal)
    return new Promise((resolve) => {
      this.#settle = resolve
      if (signal !== undefined) this.#obey(signal)
      if (this.#made.isClosed) this.#watchClosing()
      if (this.#isOver) return
      this.#deadline.extend(this.#view.endsMs)
      const result = this.#chain.single(this.#view, (call) => this.#try(call))
      this.#watchClosing()
      whenSettled(
        result,
        (value) => {
          this.#made.countUntried(undefined)
          this.#end(undefined)
          resolve(value)
        },
        (reason) => {
          const isLate = this.#isOver
          const mayHaveRun = this.#mayHaveRun
          this.#made.countUntried({ reason })
          this.#end(undefined)
          this.#made.leave(reason)
          // A promise that nobody gets would end the process.
          if (isLate) return
          const isOurs = this.#failures?.has(reason) === true && GridError.is(reason)
          // It tells of its own try only.
          if (isOurs && mayHaveRun) tellMaybeRan(reason)
          resolve(isOurs && !this.#made.isCancelled ? rejectToCaller(reason) : Promise.reject(reason))
        }
      )
    })
  }

  // ChainRules

  change(call: CallerView, changes: CallChanges): CallerView {
    const changed = this.#changed(call, changes)
    this.#deadline.extend(changed.endsMs)
    return changed
  }

  /** @throws {InvalidOptionError} where they are wrong, which is no try, and leads to who has given them */
  #changed(call: CallerView, changes: CallChanges): CallerView {
    try {
      return call.with(changes)
    } catch (error) {
      if (this.#mayHaveRun) tellMaybeRan(error)
      throw error
    }
  }

  get #mayHaveRun(): boolean {
    return this.#sent > 0 || this.#delivery !== 'notSent'
  }

  // DeadlineOwner

  get isSent(): boolean {
    return this.#sent > 0
  }

  onLate(): void {
    this.#failBy(createLateError(this.#view, this.#delivery))
  }

  #obey(signal: AnySignal): void {
    try {
      this.#unlistenSignal = listenToAbort(signal, (reason) => this.#fail(reason))
    } catch (error) {
      this.#fail(error)
    }
  }

  #try(call: CallerView): Promise<unknown> {
    const timeoutMs = this.#leftMs(call)
    const { ownSignal } = call
    const { leaving } = this.#made
    const own = ownSignal === undefined ? leaving : new InnerSignal()
    const leave =
      ownSignal === undefined
        ? undefined
        : [leaving, ownSignal].map((each) => listenToAbort(each, (reason) => own.abort(reason)))
    this.#sent++
    let hasSession = false
    const onSession = (session: Session): void => {
      hasSession = true
      this.#made.onSession(session)
    }
    const sent = this.#sendNow(timeoutMs, call.toOptions(own, onSession))
    whenSettled(
      sent,
      () => this.#onTried('ran', leave),
      (error) => {
        if (!own.aborted || error !== own.reason) this.#keep(error)
        this.#onTried(readDelivery(error) ?? (hasSession ? 'maybeRan' : 'notSent'), leave)
      }
    )
    return sent
  }

  /** @throws {DeadlineError} when nothing is left, which this try then fails by */
  #leftMs(call: CallerView): number {
    try {
      return toLeftMs(call)
    } catch (error) {
      this.#keep(error)
      throw error
    }
  }

  #keep(failure: unknown): void {
    this.#failures ??= new Set()
    this.#failures.add(failure)
  }

  #sendNow(timeoutMs: number, options: ReadCallOptions): Promise<unknown> {
    this.#made.onTry()
    try {
      return this.#send(timeoutMs, options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #onTried(delivery: Delivery, leave: readonly (() => void)[] | undefined): void {
    if (isWorse(delivery, this.#delivery)) this.#delivery = delivery
    this.#sent--
    if (leave !== undefined) for (const each of leave) each()
    this.#deadline.onEnded()
    // Of a connection that is closed the error of this try says more.
    if (!this.#made.isClosed) this.#watchClosing()
  }

  /** What was sent ends with its session. Without that, and without an answer, nothing can be sent any more. */
  #watchClosing(): void {
    if (this.#isOver || this.#unlistenClosing !== undefined || this.#isSafe) return
    this.#unlistenClosing = this.#made.whenClosed((text) => this.#onClosed(text))
  }

  get #isSafe(): boolean {
    return this.#sent > 0 || this.#delivery === 'ran'
  }

  #onClosed(text: string): void {
    if (!this.#isSafe) this.#failBy(new ClosedError(text, { delivery: this.#delivery }))
  }

  /** The call is too late: by an error that is made where nobody called. */
  #failBy(error: GridError): void {
    this.#fail(error, () => rejectToCaller(error))
  }

  /** The call is cancelled, or too late. */
  #fail(reason: unknown, rejectBy = () => Promise.reject(reason)): void {
    if (this.#isOver) return
    // The try that is under way, if there is one, tells of itself.
    this.#made.leaving.abort(reason)
    if (this.#sent === 0 || this.#delivery !== 'notSent') tellDelivery(reason, this.#delivery)
    this.#made.countUntried({ reason })
    this.#end({ reason })
    this.#settle(rejectBy())
  }

  #end(failure: Failure | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#deadline.clear()
    this.#unlistenSignal?.()
    this.#unlistenClosing?.()
    this.#chain.end(failure)
    if (this.#sent > 0) this.#made.leaving.abort((failure ?? createEnd()).reason)
  }
}
