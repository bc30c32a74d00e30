/**
 * `grid.quorum`: the same call at many peers, until so many of them have given an acceptable answer, or cannot any more.
 *
 * Then the others are cancelled. What has been done at peers that do not count is for the user's `undo`.
 */

import { listenToAbort } from '../base/abort.ts'
import { rejectToCaller, shield } from '../base/promise.ts'
import type { CallOptions } from '../call/options.ts'
import { checkMetadata } from '../codec/metadata.ts'
import type { Connection } from '../connection/connection.ts'
import { createCancellation, isWorse } from '../errors/cancellation.ts'
import { aFunction, aWholeNumber, optionsReader, required } from '../errors/check.ts'
import { type Delivery, InvalidOptionError } from '../errors/errors.ts'
import { readDelivery, toError } from '../errors/failure.ts'
import { type Logger, logThrown } from '../errors/logger.ts'
import { defaultRequestTimeoutMs, maxLimit } from '../errors/options.ts'
import { type Answer, describeAnswers, QuorumError } from '../errors/quorum-error.ts'
import { type AnySingle, checkDefinition, type PayloadOf, type ResponseOf } from '../handler/definition.ts'
import { type PeersCallOptions, type PeersPort, peersCallKinds, selectPeers } from '../network/selection.ts'

export interface QuorumOptions<T> extends PeersCallOptions {
  /** Acceptable answers that are needed. More than there are peers is refused. */
  readonly need: number
  /** Default: every value is. A throw is logged, and counts as no. */
  readonly accept?: (value: T, host: string) => boolean
  /**
   * Called once for each peer whose handler ran or may have run and whose answer is not among `accepted`: those that were
   * cancelled, those that were not acceptable, and all of them where there was no quorum. What it throws is logged.
   */
  readonly undo?: (answer: Answer<T>) => unknown
}

export interface Quorum<T> {
  /** The `need` first acceptable ones, in the order in which they came. */
  readonly accepted: readonly { readonly host: string; readonly value: T }[]
  /** All until then, errors too. */
  readonly answers: readonly Answer<T>[]
}

const readQuorum = optionsReader<QuorumOptions<unknown>>('quorum()', {
  ...{ ...peersCallKinds, need: required(aWholeNumber(1, maxLimit)), accept: aFunction, undo: aFunction }
})

/** @throws as `Manager.quorum` */
export function askQuorum<D extends string | AnySingle>(
  port: PeersPort,
  definition: D,
  payload: PayloadOf<D>,
  given: QuorumOptions<ResponseOf<D>>
): Promise<Quorum<ResponseOf<D>>>
export async function askQuorum(
  port: PeersPort,
  definition: AnySingle,
  payload: unknown,
  given: QuorumOptions<unknown>
): Promise<Quorum<unknown>> {
  if (typeof definition !== 'string') checkDefinition(definition, 'quorum()', 'single')
  const options = readQuorum(given, 'notSent')
  const { need, signal, metadata, subroute = '', waitForReady, timeout = defaultRequestTimeoutMs } = options
  checkMetadata(metadata)
  const connections = selectPeers(port, options, 'quorum()')
  if (need > connections.length) {
    const text = `need of quorum() must be at most the number of peers, ${connections.length}; it is ${need}`
    throw new InvalidOptionError(text, { delivery: 'notSent' })
  }
  const hosts = connections.map(({ host }) => host)
  const ballot = new Ballot(need, hosts, options, port.logger)
  const unlisten = signal === undefined ? undefined : listenToAbort(signal, (reason) => ballot.fail(reason))
  const isAbsent = ({ host, usable }: Connection) => host !== port.local && usable === undefined
  const absent = waitForReady === true ? [] : connections.filter(isAbsent)
  if (connections.length - absent.length < need)
    for (const each of absent) ballot.onAnswer({ host: each.host, error: each.createNotConnectedError() })
  for (const connection of connections) {
    if (ballot.isOver) break
    const { host } = connection
    connection
      .subroute(subroute)
      .request(definition, payload, { timeout, metadata, waitForReady, signal: ballot.begin(host) } as CallOptions)
      .then(
        (value) => ballot.onAnswer({ host, value }),
        (reason) => ballot.onAnswer({ host, error: toError(reason) })
      )
  }
  try {
    return await ballot.result
  } finally {
    unlisten?.()
  }
}

/** The answers so far, and what they come to. */
class Ballot {
  readonly result: Promise<Quorum<unknown>>
  readonly #need: number
  readonly #options: Pick<QuorumOptions<unknown>, 'accept' | 'undo'>
  readonly #logger: Logger
  readonly #answers: Answer<unknown>[] = []
  readonly #accepted: { readonly host: string; readonly value: unknown }[] = []
  /** Those that have not answered, and what cancels the call at each that was asked. */
  readonly #pending: Map<string, AbortController | undefined>
  #isOver = false
  /** What `accept` threw first. */
  #cause: { readonly cause?: unknown } = {}
  #resolve!: (quorum: Quorum<unknown> | Promise<never>) => void

  constructor(
    need: number,
    hosts: readonly string[],
    options: Pick<QuorumOptions<unknown>, 'accept' | 'undo'>,
    logger: Logger
  ) {
    this.#need = need
    this.#pending = new Map(hosts.map((host) => [host, undefined]))
    this.#options = options
    this.#logger = logger
    this.result = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** The peer is being asked, until the signal aborts. */
  begin(host: string): AbortSignal {
    const cancelling = new AbortController()
    this.#pending.set(host, cancelling)
    return cancelling.signal
  }

  onAnswer(answer: Answer<unknown>): void {
    if (this.#isOver) return this.#undo(answer)
    this.#pending.delete(answer.host)
    this.#answers.push(answer)
    if (answer.error === undefined && this.#accepts(answer.value, answer.host)) this.#accepted.push(answer)
    // `accept` may have aborted the signal.
    if (this.#isOver) return
    const accepted = this.#accepted.length
    if (accepted >= this.#need) this.#succeed()
    else if (accepted + this.#pending.size < this.#need)
      this.#giveUp((cancelled) => rejectToCaller(this.#createError(cancelled)))
  }

  /** Nobody wants a quorum any more. */
  fail(reason: unknown): void {
    if (!this.#isOver) this.#giveUp(() => Promise.reject(reason))
  }

  #giveUp(rejectBy: (cancelled: readonly Answer<unknown>[]) => Promise<never>): void {
    const cancelled = this.#end('there is no quorum')
    for (const answer of this.#answers) this.#undo(answer)
    this.#resolve(rejectBy(cancelled))
  }

  #succeed(): void {
    this.#end('enough peers have answered')
    const accepted = new Set(this.#accepted.map(({ host }) => host))
    for (const answer of this.#answers) if (!accepted.has(answer.host)) this.#undo(answer)
    this.#resolve({ accepted: this.#accepted, answers: this.#answers })
  }

  /** Cancels the calls that have no answer. Each tells in its error whether it was sent. */
  #end(why: string): Answer<unknown>[] {
    this.#isOver = true
    return [...this.#pending].map(([host, cancelling]) => {
      const error = createCancellation(
        `the call was cancelled: ${why}`,
        cancelling === undefined ? 'notSent' : 'maybeRan'
      )
      cancelling?.abort(error)
      return { host, error }
    })
  }

  #accepts(value: unknown, host: string): boolean {
    try {
      const answer: unknown = this.#options.accept?.(value, host) ?? true
      if (typeof answer === 'boolean') return answer
      shield(answer)
      throw new TypeError('accept of quorum() must return a boolean')
    } catch (error) {
      if (!('cause' in this.#cause)) this.#cause = { cause: error }
      logThrown(this.#logger, `accept of quorum() threw at the answer of ${host}`, error, { host })
      return false
    }
  }

  #undo(answer: Answer<unknown>): void {
    const { undo } = this.#options
    if (undo === undefined || deliveryOf(answer) === 'notSent') return
    const run = async () => await undo(answer)
    const { host } = answer
    run().catch((error) => logThrown(this.#logger, `undo of quorum() at ${host} failed`, error, { host }))
  }

  /** With an entry for each peer. */
  #createError(cancelled: readonly Answer<unknown>[]): QuorumError {
    const answers = [...this.#answers, ...cancelled]
    const delivery = answers.map(deliveryOf).reduce((worst, each) => (isWorse(each, worst) ? each : worst), 'notSent')
    const accepted = new Set(this.#accepted.map(({ host }) => host))
    const told = answers.map((answer) =>
      answer.error !== undefined || accepted.has(answer.host)
        ? answer
        : { host: answer.host, error: new Error('the answer was not accepted') }
    )
    return new QuorumError(this.#need, answers, { delivery, text: describeAnswers(this.#need, told), ...this.#cause })
  }
}

/** An error that says nothing about the handler says nothing against it. */
function deliveryOf({ error }: Answer<unknown>): Delivery {
  if (error === undefined) return 'ran'
  return readDelivery(error) ?? 'maybeRan'
}
