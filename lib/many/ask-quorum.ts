/**
 * `grid.quorum`: the same call at many peers, until so many of them have given an acceptable answer, or cannot any more.
 *
 * Then the others are cancelled. What has been done at peers that do not count is for the user's `undo`.
 */

import { listenToAbort } from '../base/abort.ts'
import { shield } from '../base/promise.ts'
import { errorText } from '../base/text.ts'
import type { CallOptions } from '../call/options.ts'
import { checkMetadata } from '../codec/metadata.ts'
import type { Connection } from '../connection/connection.ts'
import { aFunction, aWholeNumber, optionsReader, required } from '../errors/check.ts'
import { CancelledError, type Delivery, InvalidOptionError } from '../errors/errors.ts'
import { readDelivery, toError } from '../errors/failure.ts'
import type { Logger } from '../errors/logger.ts'
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
  else ballot.begin()
  const common = { timeout, signal: ballot.signal, metadata, waitForReady } as CallOptions
  for (const connection of connections) {
    if (ballot.signal.aborted) break
    const { host } = connection
    connection
      .subroute(subroute)
      .request(definition, payload, common)
      .then(
        (value) => ballot.onAnswer({ host, value }),
        (reason) => ballot.onAnswer({ host, error: toError(reason) })
      )
  }
  return await ballot.result.finally(unlisten)
}

/** The answers so far, and what they come to. */
class Ballot {
  readonly result: Promise<Quorum<unknown>>
  readonly #need: number
  readonly #options: Pick<QuorumOptions<unknown>, 'accept' | 'undo'>
  readonly #logger: Logger
  readonly #cancelling = new AbortController()
  readonly #answers: Answer<unknown>[] = []
  readonly #accepted: { readonly host: string; readonly value: unknown }[] = []
  readonly #pending: Set<string>
  #isOver = false
  /** Of the peers that have not answered. */
  #delivery: Delivery = 'notSent'
  /** What `accept` threw first. */
  #cause: { readonly cause?: unknown } = {}
  #resolve!: (quorum: Quorum<unknown>) => void
  #reject!: (reason: unknown) => void

  constructor(
    need: number,
    hosts: readonly string[],
    options: Pick<QuorumOptions<unknown>, 'accept' | 'undo'>,
    logger: Logger
  ) {
    this.#need = need
    this.#pending = new Set(hosts)
    this.#options = options
    this.#logger = logger
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** Aborts once it is over. */
  get signal(): AbortSignal {
    return this.#cancelling.signal
  }

  /** The peers are being asked. */
  begin(): void {
    this.#delivery = 'maybeRan'
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
    else if (accepted + this.#pending.size < this.#need) this.fail(this.#createError())
  }

  /** There is no quorum, and nobody wants one any more. */
  fail(reason: unknown): void {
    if (this.#isOver) return
    this.#end('there is no quorum')
    for (const answer of this.#answers) this.#undo(answer)
    this.#reject(reason)
  }

  #succeed(): void {
    this.#end('enough peers have answered')
    const accepted = new Set(this.#accepted.map(({ host }) => host))
    for (const answer of this.#answers) if (!accepted.has(answer.host)) this.#undo(answer)
    this.#resolve({ accepted: this.#accepted, answers: this.#answers })
  }

  #end(why: string): void {
    this.#isOver = true
    this.#cancelling.abort(cancelled(why))
  }

  #accepts(value: unknown, host: string): boolean {
    try {
      const answer: unknown = this.#options.accept?.(value, host) ?? true
      if (typeof answer === 'boolean') return answer
      shield(answer)
      throw new TypeError('accept of quorum() must return a boolean')
    } catch (error) {
      if (!('cause' in this.#cause)) this.#cause = { cause: error }
      this.#logger.error(`accept of quorum() threw at the answer of ${host}: ${errorText(error)}`)
      return false
    }
  }

  #undo(answer: Answer<unknown>): void {
    const { undo } = this.#options
    if (undo === undefined || deliveryOf(answer) === 'notSent') return
    const run = async () => await undo(answer)
    run().catch((error) => this.#logger.error(`undo of quorum() at ${answer.host} failed: ${errorText(error)}`))
  }

  /** With an entry for each peer. */
  #createError(): QuorumError {
    const error = cancelled('there is no quorum', this.#delivery)
    const pending = [...this.#pending].map((host) => ({ host, error }))
    const answers = [...this.#answers, ...pending]
    const deliveries = answers.map(deliveryOf)
    const delivery = deliveries.includes('maybeRan') ? 'maybeRan' : deliveries.includes('ran') ? 'ran' : 'notSent'
    const accepted = new Set(this.#accepted.map(({ host }) => host))
    const told = answers.map((answer) =>
      answer.error !== undefined || accepted.has(answer.host)
        ? answer
        : { host: answer.host, error: new Error('the answer was not accepted') }
    )
    return new QuorumError(this.#need, answers, { delivery, text: describeAnswers(this.#need, told), ...this.#cause })
  }
}

/** Cancelled calls may have run, where they were made. */
function cancelled(why: string, delivery: Delivery = 'maybeRan'): CancelledError {
  return new CancelledError(`the call was cancelled: ${why}`, { delivery })
}

/** An error that says nothing about the handler says nothing against it. */
function deliveryOf({ error }: Answer<unknown>): Delivery {
  if (error === undefined) return 'ran'
  return readDelivery(error) ?? 'maybeRan'
}
