/** `grid.all`: the same call at many peers, whose answers and errors are one async iterable. */

import { listenToAbort } from '../base/abort.ts'
import type { CallArguments, Callable } from '../call/callable.ts'
import type { CallOptions } from '../call/options.ts'
import { checkMetadata } from '../codec/metadata.ts'
import { aFunction, aWholeNumber, optionsReader } from '../errors/check.ts'
import { DeadlineError, InvalidOptionError } from '../errors/errors.ts'
import { defaultRequestTimeoutMs, maxLimit } from '../errors/options.ts'
import type { Answer } from '../errors/quorum-error.ts'
import {
  type AnyDefinition,
  type AnySingle,
  type AnyStreaming,
  checkDefinition,
  type PayloadOf,
  type RequestOf,
  type ResponseOf
} from '../handler/definition.ts'
import { type PeersCallOptions, type PeersPort, peersCallKinds, selectPeers } from '../network/selection.ts'
import type { Producer } from '../producer/producer.ts'
import type { Messages } from '../stream/source.ts'
import { countDown } from '../time/count-down.ts'
import { Gathering, type Pull, type Pulled } from './gathering.ts'

/** Options of `grid.all`. `timeout` and `signal` are of all calls together. */
export type AllOptions<D = AnyDefinition> = PeersCallOptions & {
  /** Peers that are asked, and whose answers are not all taken, at once. Default all. */
  readonly concurrency?: number
} & (D extends AnyStreaming
    ? {
        /** The requests of each stream. What it throws is the error of that peer. Default: none, they end at once. */
        readonly requests?: (host: string) => Producer<RequestOf<D>>
      }
    : unknown)

const readAll = optionsReader<PeersCallOptions & AllOptions<AnyStreaming>>('all()', {
  ...{ ...peersCallKinds, concurrency: aWholeNumber(1, maxLimit), requests: aFunction }
})

/** @throws as `Manager.all` */
export function askAll<D extends string | AnyDefinition>(
  port: PeersPort,
  definition: D,
  args: CallArguments<PayloadOf<D>, AllOptions<D>>
): Messages<Answer<ResponseOf<D>>>
export function askAll(
  port: PeersPort,
  definition: string | AnyDefinition,
  [payload, given]: [payload?: unknown, options?: AllOptions<AnyStreaming>]
): Messages<Answer<unknown>> {
  if (typeof definition !== 'string') checkDefinition(definition, 'all()', undefined, 'notSent')
  const options = readAll(given, 'notSent')
  const { signal, requests, metadata, subroute = '', waitForReady } = options
  const stream = typeof definition !== 'string' && definition.kind === 'streaming' ? definition : undefined
  if (requests !== undefined && !((stream?.inCapacity ?? 0) > 0)) {
    throw new InvalidOptionError('requests of all() is for handlers that take some', { delivery: 'notSent' })
  }
  checkMetadata(metadata)
  const connections = new Map(selectPeers(port, options, 'all()').map((connection) => [connection.host, connection]))
  const { timeout = stream === undefined ? defaultRequestTimeoutMs : Number.POSITIVE_INFINITY } = options
  const left = countDown(timeout)
  const cancelling = new AbortController()
  let unlisten = () => {}
  const gathering = new Gathering<unknown>({
    hosts: [...connections.keys()],
    concurrency: options.concurrency ?? Math.max(1, connections.size),
    ask: (host) => {
      const peer = (connections.get(host) as Callable).subroute(subroute)
      const leftMs = left()
      if (leftMs === 0) throw new DeadlineError(`${host} was not asked within ${timeout} ms`, { delivery: 'notSent' })
      const common = { timeout: leftMs, signal: cancelling.signal, metadata, waitForReady } as CallOptions
      if (stream !== undefined) return openAt(peer, stream, payload, common, requests?.(host) ?? [])
      return requestAt(peer, definition as AnySingle, payload, common)
    },
    onStopped: (reason) => cancelling.abort(reason),
    onOver: () => unlisten()
  })
  if (signal !== undefined) unlisten = listenToAbort(signal, (reason) => gathering.fail(reason))
  gathering.start()
  return gathering
}

function requestAt(peer: Callable, definition: AnySingle, payload: unknown, options: CallOptions): Pull<unknown> {
  const answer = peer.request(definition, payload, options).then((value) => ({ values: [value], isLast: true }))
  return () => answer
}

function openAt(
  peer: Callable,
  definition: AnyStreaming,
  payload: unknown,
  options: CallOptions,
  requests: Producer<unknown>
): Pull<unknown> {
  const { sink, responses } = peer.newStream(definition, payload, options)
  // Its failure is that of the responses.
  if (definition.inCapacity > 0) sink(requests)
  const batches = responses.batches()
  return async (inBatches): Promise<Pulled<unknown>> => {
    if (!inBatches) {
      const { done, value } = await responses.next()
      return done === true ? end : { values: [value], isLast: false }
    }
    const { done, value } = await batches.next()
    return done === true ? end : { values: value, isLast: false }
  }
}

const end: Pulled<never> = { values: [], isLast: true }
