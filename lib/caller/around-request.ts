/** A request with interceptors around it: it ends by its own deadline and signal, whatever they do. */

import { abortReason, listenToAbort } from '../base/abort.ts'
import { whenSettled } from '../base/promise.ts'
import type { ReadCallOptions } from '../call/options.ts'
import { encodePayload, keepLength } from '../codec/payload.ts'
import { isWorse, tellDelivery } from '../errors/cancellation.ts'
import { CancelledError, ClosedError, type Delivery } from '../errors/errors.ts'
import { type Failure, readDelivery } from '../errors/failure.ts'
import type { AnySingle } from '../handler/definition.ts'
import { Chain } from '../hooks/chain.ts'
import type { Hooks } from '../hooks/hooks.ts'
import type { CallChanges, CallerInterceptor } from '../hooks/interceptor.ts'
import type { Session } from '../session/session.ts'
import type { CallMade } from './call-made.ts'
import { CallerView } from './caller-view.ts'
import { CallDeadline, createLateError, toLeftMs } from './deadline.ts'

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
  const run = async (wrong?: Failure): Promise<unknown> => {
    if (wrong !== undefined) throw wrong.reason
    const { trace } = made
    const payload = keepLength(encodePayload(definition.request, made.payload, 'payload', 'notSent'))
    if (trace !== undefined) {
      trace.messagesOut = 1
      trace.bytesOut = payload.length
    }
    const { response } = definition
    const counted = trace === undefined ? definition : { ...definition, response: trace.countIn(response) }
    if (interceptors === undefined) {
      return await send(counted, payload, made.timeoutMs, { ...made.options, onSession: made.onSession })
    }
    const { signal } = made.options
    if (signal?.aborted === true) throw abortReason(signal)
    const sendOne = (timeoutMs: number, options: ReadCallOptions) => send(counted, payload, timeoutMs, options)
    return await new AroundRequest(interceptors, made, sendOne).run()
  }
  const result = made.publish(local, run)
  whenSettled(
    result,
    () => made.finish(undefined, false),
    (reason) => made.finish({ reason }, made.options.signal?.aborted === true)
  )
  return result
}

type SendOne = (timeoutMs: number, options: ReadCallOptions) => Promise<unknown>

class AroundRequest {
  readonly #made: CallMade
  readonly #send: SendOne
  readonly #view: CallerView
  readonly #chain: Chain<CallerView, CallChanges>
  readonly #deadline: CallDeadline
  /** How many tries were sent and have no answer. */
  #sent = 0
  #delivery: Delivery = 'notSent'
  readonly #unlisten: (() => void)[] = []
  #isOver = false
  #reject!: (reason: unknown) => void

  constructor(interceptors: readonly CallerInterceptor[], made: CallMade, send: SendOne) {
    this.#made = made
    this.#send = send
    this.#view = CallerView.of(made, null)
    this.#deadline = new CallDeadline(
      () => this.#sent > 0,
      () => this.#fail(createLateError(this.#view, this.#delivery))
    )
    this.#chain = new Chain<CallerView, CallChanges>(interceptors, {
      repeats: true,
      change: (call, changes) => {
        const changed = call.with(changes)
        this.#deadline.extend(changed.endsMs)
        return changed
      }
    })
  }

  run(): Promise<unknown> {
    const { signal } = this.#made.options
    return new Promise((resolve, reject) => {
      this.#reject = reject
      if (signal !== undefined) this.#unlisten.push(listenToAbort(signal, (reason) => this.#fail(reason)))
      this.#unlisten.push(this.#made.whenClosed((text) => this.#onClosed(text)))
      if (this.#isOver) return
      this.#deadline.extend(this.#view.endsMs)
      const result = this.#chain.single(this.#view, (call) => this.#try(call))
      whenSettled(
        result,
        (value) => {
          this.#end(new CancelledError('the call has ended'))
          resolve(value)
        },
        (reason) => {
          this.#end(new CancelledError('the call has ended'))
          reject(reason)
        }
      )
    })
  }

  async #try(call: CallerView): Promise<unknown> {
    const timeoutMs = toLeftMs(call)
    const { ownSignal, options } = call
    const own = new AbortController()
    const leave = [this.#made.signal, ownSignal].map((signal) =>
      signal === undefined ? undefined : listenToAbort(signal, (reason) => own.abort(reason))
    )
    this.#sent++
    let hasSession = false
    const onSession = (session: Session): void => {
      hasSession = true
      options.onSession?.(session)
    }
    try {
      const value = await this.#send(timeoutMs, { ...options, signal: own.signal, onSession })
      this.#note('ran')
      return value
    } catch (error) {
      this.#note(readDelivery(error) ?? (hasSession ? 'maybeRan' : 'notSent'))
      throw error
    } finally {
      this.#sent--
      for (const each of leave) each?.()
      this.#deadline.onEnded()
    }
  }

  #note(delivery: Delivery): void {
    if (isWorse(delivery, this.#delivery)) this.#delivery = delivery
  }

  /** What was sent ends with its session. Without an answer nothing can be sent any more. */
  #onClosed(text: string): void {
    if (this.#sent > 0 || this.#delivery === 'ran') return
    this.#fail(new ClosedError(text, { delivery: this.#delivery }))
  }

  /** The call is cancelled, or too late. */
  #fail(reason: unknown): void {
    if (this.#isOver) return
    // The try that is under way, if there is one, tells of itself.
    this.#made.abort(reason)
    if (this.#sent === 0 || this.#delivery !== 'notSent') tellDelivery(reason, this.#delivery)
    this.#end(reason)
    this.#reject(reason)
  }

  #end(reason: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#deadline.clear()
    for (const unlisten of this.#unlisten) unlisten()
    this.#chain.end(reason)
    if (this.#sent > 0) this.#made.abort(reason)
  }
}
