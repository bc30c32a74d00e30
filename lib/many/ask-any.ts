/**
 * `grid.any`: a call at one of many peers, and at another one where it certainly did not run, or may run twice.
 *
 * Which peers can take it, and which one does, is in `candidates.ts`.
 */

import { listenToAbort } from '../base/abort.ts'
import { rejectFurther } from '../base/promise.ts'
import type { CallArguments } from '../call/callable.ts'
import { GridStream, type StreamOf } from '../call/grid-stream.ts'
import type { CallOptions } from '../call/options.ts'
import { StreamCall } from '../call/stream-call.ts'
import { checkMetadata } from '../codec/metadata.ts'
import type { Connection } from '../connection/connection.ts'
import { tellMaybeRan } from '../errors/cancellation.ts'
import { aFunction, type Kind, optionsReader } from '../errors/check.ts'
import { CancelledError, GridError, InvalidOptionError } from '../errors/errors.ts'
import { defaultRequestTimeoutMs, maxTimeoutMs } from '../errors/options.ts'
import {
  type AnyDefinition,
  type AnySingle,
  type AnyStreaming,
  checkDefinition,
  type PayloadOf,
  type ResponseOf
} from '../handler/definition.ts'
import { type PeersCallOptions, type PeersPort, peersCallKinds } from '../network/selection.ts'
import { countDown } from '../time/count-down.ts'
import { HandlerKind } from '../wire/frame.ts'
import { Candidates } from './candidates.ts'
import { mayRepeat } from './may-repeat.ts'

/** Options of `grid.any`. `timeout` and `signal` are of all tries together. */
export type AnyOptions<D = AnySingle> = PeersCallOptions & {
  /** Takes one of the peers that can take the call. Default: of two random ones the one with fewer open calls. */
  readonly pick?: (peers: readonly Connection[]) => Connection | undefined
} & (D extends AnyStreaming
    ? {
        /** A stream is opened at a peer that is there. */
        readonly waitForReady?: false
      }
    : {
        /**
         * Asks a second peer after so long, in ms; the first answer counts, the other call is cancelled. Only where the handler
         * may run twice. Default: none.
         */
        readonly hedgeAfterMs?: number
      })

/** What a call at any peer gives. */
export type AnyAnswer<D extends string | AnyDefinition> = D extends AnyStreaming ? StreamOf<D> : Promise<ResponseOf<D>>

type Options = AnyOptions<AnySingle>

const aDelay: Kind = {
  must: `must be from 0 to ${maxTimeoutMs} ms`,
  is: (value) => typeof value === 'number' && value >= 0 && value <= maxTimeoutMs
}
const readAny = optionsReader<Options>('any()', { ...peersCallKinds, pick: aFunction, hedgeAfterMs: aDelay })

/** @throws as `Manager.any` */
export function askAny<D extends string | AnyDefinition>(
  port: PeersPort,
  definition: D,
  args: CallArguments<PayloadOf<D>, AnyOptions<D>>
): AnyAnswer<D>
export function askAny(
  port: PeersPort,
  definition: AnyDefinition,
  [payload, given]: [payload?: unknown, options?: Options]
): unknown {
  if (definition?.kind === 'streaming') return openAtAny(port, definition, payload, given)
  return requestAtAny(port, definition, payload, given)
}

function openAtAny(port: PeersPort, definition: AnyStreaming, payload: unknown, given: Options | undefined) {
  checkDefinition(definition, 'any()', undefined, 'notSent')
  try {
    const options = readAny(given, 'notSent')
    const { hosts, self, subroute = '', pick, hedgeAfterMs, waitForReady, ...call } = options
    for (const [name, value] of Object.entries({ hedgeAfterMs, waitForReady })) {
      if (value === undefined || value === false) continue
      throw new InvalidOptionError(`${name} of any() is for single handlers; "${definition.id}" is streaming`, {
        delivery: 'notSent'
      })
    }
    const wanted = { subroute, id: definition.id, kind: HandlerKind.streaming }
    const candidates = new Candidates(port, wanted, options, pick)
    const connection = candidates.take()
    if (connection === undefined) throw candidates.createError()
    return connection.subroute(subroute).newStream(definition, payload, call as CallOptions)
  } catch (error) {
    const stream = new GridStream(new StreamCall(definition, definition.inCapacity > 0, () => undefined))
    stream.call.fail(error, true)
    return stream
  }
}

async function requestAtAny(
  port: PeersPort,
  definition: string | AnySingle,
  payload: unknown,
  given: Options | undefined
): Promise<unknown> {
  if (typeof definition !== 'string') checkDefinition(definition, 'any()', undefined, 'notSent')
  const options = readAny(given, 'notSent')
  const { signal, subroute = '', pick, waitForReady, timeout = defaultRequestTimeoutMs } = options
  checkMetadata(options.metadata)
  const id = typeof definition === 'string' ? definition : definition.id
  const candidates = new Candidates(port, { subroute, id, kind: HandlerKind.single }, options, pick)
  const left = countDown(timeout)
  const first = candidates.take() ?? (waitForReady === true ? await candidates.wait(timeout, signal) : undefined)
  if (first === undefined) throw candidates.createError()
  const asking = new Asking({
    next: () => (left() === 0 || candidates.areGone ? undefined : candidates.take()),
    // A second one is asked only once the first has failed: then nobody cancels a call.
    isCancelled: signal !== undefined || options.hedgeAfterMs !== undefined,
    ask: (connection, cancelled) => {
      const { metadata } = options
      const call = { timeout: Math.max(1, left()), signal: cancelled, metadata } as CallOptions
      return connection.subroute(subroute).request(definition, payload, call)
    },
    mayRunTwice:
      options.hedgeAfterMs !== undefined || (typeof definition !== 'string' && definition.idempotent === true)
  })
  const unlisten = signal === undefined ? undefined : listenToAbort(signal, (reason) => asking.stop(reason))
  const hedge = options.hedgeAfterMs
  const timer = hedge === undefined ? undefined : setTimeout(() => asking.askNext(), hedge)
  asking.start(first)
  try {
    return await asking.result
  } finally {
    unlisten?.()
    clearTimeout(timer)
  }
}

interface AskingInit {
  /** The next peer to ask; undefined where there is none. */
  readonly next: () => Connection | undefined
  /** A call may be cancelled before it has ended. */
  readonly isCancelled: boolean
  readonly ask: (connection: Connection, cancelled: AbortSignal | undefined) => Promise<unknown>
  readonly mayRunTwice: boolean
}

/** One answer, of the peers that were asked for it. */
class Asking {
  readonly result: Promise<unknown>
  readonly #init: AskingInit
  readonly #cancelling: AbortController | undefined
  #running = 0
  /** At one of those that have failed. */
  #mayHaveRun = false
  #isOver = false
  #resolve!: (value: unknown) => void
  #reject!: (reason: unknown) => void

  constructor(init: AskingInit) {
    this.#init = init
    this.#cancelling = init.isCancelled ? new AbortController() : undefined
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  start(connection: Connection): void {
    if (this.#isOver) return
    this.#running++
    this.#init.ask(connection, this.#cancelling?.signal).then(
      (value) => {
        this.#running--
        this.#resolve(value)
        this.#isOver = true
        if (this.#running > 0) this.#cancelling?.abort(new CancelledError('another peer has answered'))
      },
      (reason) => this.#onFailed(reason)
    )
  }

  /** Returns whether there was one to ask. */
  askNext(): boolean {
    if (this.#isOver) return false
    try {
      const connection = this.#init.next()
      if (connection === undefined) return false
      this.start(connection)
      return true
    } catch (reason) {
      if (this.#running > 0 || this.#mayHaveRun) tellMaybeRan(reason)
      this.stop(reason)
      return true
    }
  }

  stop(reason: unknown): void {
    this.#reject(reason)
    this.#isOver = true
    this.#cancelling?.abort(reason)
  }

  #fail(reason: unknown): void {
    this.#resolve(rejectFurther(reason))
    this.stop(reason)
  }

  #onFailed(reason: unknown): void {
    if (this.#isOver) return
    this.#running--
    const delivery = GridError.is(reason) ? reason.delivery : undefined
    if (delivery === 'maybeRan') this.#mayHaveRun = true
    if (this.#mayHaveRun) tellMaybeRan(reason)
    if (mayRepeat(reason, this.#init.mayRunTwice)) {
      if (!this.askNext() && this.#running === 0) this.#fail(reason)
    } else if (delivery !== 'notSent' || this.#running === 0) this.#fail(reason)
  }
}
