/**
 * The model of one call: what each end may see of it, whoever made it and whatever became of the conn.
 *
 * The actors (`caller.ts`, `answerer.ts`) tell it what they see; it calls `fail` with the rule that was broken.
 */

import {
  CancelledError,
  ClosedError,
  DeadlineError,
  DisconnectedError,
  GridError,
  type GridStream,
  MessageTooLargeError,
  RejectedError,
  RemoteError,
  type StreamEnd
} from '../../../lib/index.ts'
import { type Half, newHalf } from './half.ts'
import { type CallPlan, maxMessageBytes } from './plan.ts'
import type { World } from './world.ts'

/** What the handlers of the model throw. */
export class ModelError extends Error {
  readonly code = 'ERR_MODEL'
}

/** The callers' end and the handlers' count in ms differently by this much: a call is over one tick after its deadline. */
const deadlineToleranceMs = 2
const failingEnds = ['throw', 'bad', 'huge', 'refuse']

export class Call {
  readonly world: World
  readonly number: number
  readonly plan: CallPlan
  readonly requests: Half
  readonly responses: Half
  readonly sourceError = new ModelError('the source of the requests throws')
  stream: GridStream<Uint8Array, Uint8Array> | undefined
  /** Cancels it, where its plan has a way. */
  cancel: ((reason: unknown) => void) | undefined
  cancelled: { readonly reason: unknown } | undefined
  /** The consumer of the responses broke off. */
  isBrokenOff = false
  /** A response was handed out that was asked for after the cancel. */
  wasFedAfterCancel = false
  /** Lets a handler that hangs end. */
  releaseHandler: (() => void) | undefined
  handlerRuns = 0
  handlersLeft = 0
  producersEntered = 0
  producersLeft = 0
  /** The handler takes no more requests. */
  hasStoppedReading = false
  isSettled = false
  closed: StreamEnd | undefined
  readonly #startedMs: number
  readonly #faultsAtStart: number
  /** Both ends were connected and knew it. */
  #wasCalm: boolean
  #mustNotRun = false

  constructor(number: number, plan: CallPlan, world: World) {
    const { definition, from } = plan
    const [inCapacity, outCapacity] =
      definition.kind === 'single' ? [0, 1] : [definition.inCapacity, definition.outCapacity]
    const { ends } = world.plan
    this.number = number
    this.plan = plan
    this.world = world
    this.#startedMs = world.nowMs
    this.#faultsAtStart = world.faults
    this.#wasCalm = world.isCalm
    this.requests = newHalf(this, 0, inCapacity, ends[from === 0 ? 1 : 0].windowBytes)
    this.responses = newHalf(this, 1, outCapacity, ends[from].windowBytes)
  }

  get name(): string {
    return `call ${this.number} (${this.plan.definition.id} from end ${this.plan.from})`
  }

  fail(text: string): void {
    this.world.fail(`${this.name}: ${text}`)
  }

  log(text: string): void {
    this.world.log(`${this.name}: ${text}`)
  }

  /** A fault befell the conn, a process or an identity since it began, or it began in the wake of one. */
  get isDisturbed(): boolean {
    return !this.#wasCalm || this.world.faults > this.#faultsAtStart
  }

  /** Late by now: the deadline has passed and it is not settled. */
  get isOverdue(): boolean {
    const { timeoutMs } = this.plan
    if (timeoutMs === undefined || this.isSettled) return false
    return this.world.nowMs > this.#startedMs + timeoutMs + deadlineToleranceMs
  }

  onCancel(reason: unknown): void {
    if (this.isSettled) return
    this.log('cancelled')
    this.cancelled ??= { reason }
  }

  onHandler(): void {
    this.handlerRuns++
    this.log('its handler runs')
    if (this.handlerRuns > 1) this.fail('its handler ran twice')
    if (this.#mustNotRun) this.fail('its handler ran after the caller was told notSent')
  }

  onHandlerLeft(): void {
    this.handlersLeft++
    this.log('its handler has ended')
  }

  /** The consumer of the requests, in the handler, saw an error: something must have ended the call. */
  onRequestsFailed(error: unknown): void {
    this.log(`its requests failed: ${error}`)
    this.requests.outcome = 'failed'
    if (!(error instanceof GridError)) this.fail(`its requests ended with ${error}, which is no GridError`)
    if (!this.mayHaveEnded) this.fail(`its requests failed for no reason: ${error}`)
  }

  /** A request was not taken: the sender is told, and there must be a reason. */
  onRequestRefused(index: number, error: unknown): void {
    this.requests.refused.add(index)
    this.checkSendError(error, `request ${index} was refused`)
  }

  /** The sender of requests saw an error. */
  checkSendError(error: unknown, what: string): void {
    const isKnown = this.mayHaveEnded || this.hasStoppedReading || this.#explains(error) || this.#isTooLarge
    if (!isKnown) this.fail(`${what} for no reason: ${describe(error)}`)
  }

  /** The consumer of the responses, or of the single one, saw an error. */
  onFailed(error: unknown): void {
    this.log(`failed: ${error}`)
    if (this.responses.outcome !== undefined) this.fail(`failed a second time: ${error}`)
    this.responses.outcome = 'failed'
    const isKnown = this.#explains(error)
    if (!isKnown) this.fail(`failed for no reason: ${describe(error)}`)
    if (error instanceof RemoteError) this.responses.checkComplete('an error of the handler')
    this.#checkDelivery(error)
  }

  onClosed(end: StreamEnd): void {
    this.log(`closed: ${end.how}`)
    this.isSettled = true
    this.closed = end
  }

  /** Nothing of it goes on. */
  get isOver(): boolean {
    return this.isSettled && this.handlerRuns === this.handlersLeft && this.producersEntered === this.producersLeft
  }

  /** Something ended it, or may have, that its caller or its handler need not have seen yet. */
  get mayHaveEnded(): boolean {
    const { end } = this.plan.answers
    const threw = this.handlerRuns > 0 && (failingEnds.includes(end) || this.handlersLeft > 0)
    const sourceThrew = this.plan.sends.end === 'throw'
    const isStopped = this.cancelled !== undefined || this.isBrokenOff
    return this.isSettled || isStopped || this.isDisturbed || this.#isLate || threw || sourceThrew
  }

  get #isTooLarge(): boolean {
    return this.plan.payloadBytes > maxMessageBytes
  }

  get #isLate(): boolean {
    const { timeoutMs } = this.plan
    return timeoutMs !== undefined && this.world.nowMs >= this.#startedMs + timeoutMs
  }

  #explains(error: unknown): boolean {
    const { cancelled, plan } = this
    if (cancelled !== undefined && error === cancelled.reason) return true
    if (error instanceof RemoteError) return this.handlerRuns === 1 && failingEnds.includes(plan.answers.end)
    if (error === this.sourceError) return plan.sends.end === 'throw'
    if (error instanceof CancelledError) return cancelled !== undefined && cancelled.reason === undefined
    if (error instanceof DeadlineError) return this.#isLate
    if (error instanceof MessageTooLargeError) return this.#isTooLarge && this.handlerRuns === 0
    if (error instanceof RejectedError && error.reason === 'tooManyStreams') return this.world.isCrowded
    const isOfLink =
      error instanceof DisconnectedError || error instanceof ClosedError || error instanceof RejectedError
    if (!isOfLink) return false
    return this.isDisturbed || this.#isOfRenewal(error)
  }

  /**
   * A renewal that comes late, as the clock here may have it, fails what has not been sent; that it has not run is checked.
   * After several at once, the oldest session that ends its calls, or its conn, may be cut.
   */
  #isOfRenewal(error: GridError): boolean {
    const { renewals } = this.world
    const isCut = error instanceof DisconnectedError && ['lost', 'replaced'].includes(error.reason)
    return renewals > 0 && (error.delivery === 'notSent' || (isCut && renewals > 2))
  }

  #checkDelivery(error: unknown): void {
    const isOwn = error === this.cancelled?.reason || error === this.sourceError
    if (isOwn || !(error instanceof GridError)) return
    const { delivery } = error
    if (delivery === undefined) this.fail(`failed without a delivery: ${describe(error)}`)
    if (delivery === 'ran' && this.handlerRuns === 0) this.fail(`said to have run, and did not: ${describe(error)}`)
    if (delivery !== 'notSent') return
    this.#mustNotRun = true
    if (this.handlerRuns > 0) this.fail(`said not to have been sent, and ran: ${describe(error)}`)
  }

  /** What must hold when nothing goes on any more. */
  checkOver(): void {
    const { closed, responses, cancelled } = this
    if (!this.isSettled) this.fail('never settled')
    if (this.handlerRuns !== this.handlersLeft) this.fail('its handler has not ended')
    if (this.producersEntered !== this.producersLeft) this.fail('the finally of a generator did not run')
    if (closed === undefined) return
    const { how, error } = closed
    const isStopped = cancelled !== undefined || this.isBrokenOff
    if (how === 'ended' && responses.outcome === 'failed') this.fail('ended well, and its consumer saw an error')
    if (how === 'cancelled' && !isStopped) this.fail(`said to be cancelled, and nobody did: ${describe(error)}`)
    if (how === 'cancelled' && this.wasFedAfterCancel) this.fail('a response was delivered after the cancel')
    if (how === 'failed' && responses.outcome === undefined) this.fail('its consumer saw no end')
  }
}

function describe(error: unknown): string {
  if (!(error instanceof GridError)) return String(error)
  return `${error.name} ${error.code} (${error.delivery}): ${error.message}`
}
