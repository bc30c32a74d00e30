/**
 * The client by which a NestJS app sends messages and emits events over a grid: to one of the servers that have the pattern.
 *
 * What was certainly not sent is tried at another one, so that a server may leave at any time. The grid is yours: it is not
 * closed here.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { Logger } from '@nestjs/common'
import { ClientProxy, type ReadPacket, type WritePacket } from '@nestjs/microservices'
import {
  type AnyOptions,
  type AnyStreaming,
  type CallOptions,
  CancelledError,
  ClosedError,
  GridError,
  type Manager,
  type PeerSelection,
  RejectedError,
  UnknownHostError
} from '../../index.ts'
import { checkNames, checkOption, type SharedOptions, toEvent, toEventSubroute, toMessage } from './definitions.ts'
import { toRpcError } from './errors.ts'

export interface GridClientOptions
  extends PeerSelection,
    SharedOptions,
    Pick<CallOptions, 'timeout' | 'waitForReady'> {}

/** Tries at once, where servers leave while they are asked. */
const attempts = 4
const [firstWaitMs, maxWaitMs] = [10, 500]
/** That of a timer. */
const maxTimeoutMs = 2 ** 31 - 1
/** What comes again wherever it is sent. */
const hopeless = new Set(['ERR_INVALID_OPTION', 'ERR_CODEC', 'ERR_MESSAGE_TOO_LARGE', 'ERR_CLOSED'])

/** `{ provide: 'SUMS', useValue: new GridClient(grid, { hosts }) }`. One of `hosts` for each message and event. */
export class GridClient extends ClientProxy {
  readonly #grid: Manager
  readonly #options: GridClientOptions
  readonly #calls = new Set<AbortController>()
  readonly #logger = new Logger(GridClient.name)

  /** @throws {InvalidOptionError} when the timeout is wrong, or for an option that there is not */
  constructor(grid: Manager, options: GridClientOptions = {}) {
    super()
    checkNames(options, 'GridClient', ['hosts', 'self', 'subroute', 'codec', 'timeout', 'waitForReady'])
    const { timeout = Number.POSITIVE_INFINITY } = options
    checkOption(
      `timeout of GridClient must be a number above 0 and at most ${maxTimeoutMs}, or Infinity`,
      timeout === Number.POSITIVE_INFINITY || (typeof timeout === 'number' && timeout > 0 && timeout <= maxTimeoutMs)
    )
    this.#grid = grid
    this.#options = options
  }

  /** Does nothing: a grid connects by itself. */
  async connect(): Promise<void> {}

  /** Fails what is open. The client may be used again. */
  close(): void {
    const closed = new ClosedError('the GridClient was closed', { delivery: 'maybeRan' })
    for (const call of this.#calls) call.abort(closed)
  }

  /** The grid. */
  unwrap<T>(): T {
    return this.#grid as unknown as T
  }

  protected override publish(packet: ReadPacket, callback: (packet: WritePacket) => void): () => void {
    const call = this.#begin()
    this.#send(packet, call.signal, (response) => callback({ response }))
      .then(
        () => callback({ isDisposed: true }),
        (error) => callback({ err: toRpcError(error) })
      )
      .finally(() => this.#calls.delete(call))
    return () => call.abort(new CancelledError('the observable of the message was unsubscribed'))
  }

  protected override async dispatchEvent<T>(packet: ReadPacket): Promise<T> {
    const { codec: _codec, ...options } = this.#options
    const call = this.#begin()
    try {
      const event = toEvent(this.#toPattern(packet), this.#options)
      const subroute = toEventSubroute(this.#options)
      const { signal } = call
      const here = { ...this.#peers(), subroute, signal, ...metadataOf(packet) }
      return (await this.#grid.any(event, packet.data, { ...options, ...here })) as T
    } catch (error) {
      // Who emits an event seldom subscribes to what becomes of it.
      this.#logger.error(`an event was not delivered: ${error instanceof Error ? error.message : error}`)
      throw error
    } finally {
      this.#calls.delete(call)
    }
  }

  /** Until it is deleted, `close` aborts it. */
  #begin(): AbortController {
    const call = new AbortController()
    this.#calls.add(call)
    return call
  }

  async #send(packet: ReadPacket, signal: AbortSignal, take: (value: unknown) => void): Promise<void> {
    const { codec: _codec, waitForReady = false, timeout = Number.POSITIVE_INFINITY, ...rest } = this.#options
    const message = toMessage(this.#toPattern(packet), this.#options)
    const endMs = performance.now() + timeout
    for (let attempt = 1, waitMs = firstWaitMs; ; attempt++) {
      const left = Math.max(1, endMs - performance.now())
      const given: AnyOptions<AnyStreaming> = { ...rest, ...metadataOf(packet), signal, timeout: left }
      try {
        const options = { ...given, ...this.#peers() }
        const stream = this.#grid.any(message, packet.data, options)
        for await (const values of stream.batches()) for (const value of values) take(value)
        return
      } catch (error) {
        if (!mayTryAgain(error)) throw error
        if (attempt < attempts) continue
        if (!waitForReady || waitMs >= left) throw error
        await delay(waitMs, undefined, { signal }).catch(() => Promise.reject(signal.reason))
        waitMs = Math.min(2 * waitMs, maxWaitMs)
      }
    }
  }

  /** Of the hosts that were named, those that are in the grid now: discovery drops one that is down. All where it has none. */
  #peers(): Pick<PeerSelection, 'hosts'> {
    const { hosts } = this.#options
    // What is no list is for the call to refuse.
    if (typeof hosts !== 'object' || hosts === null || !(Symbol.iterator in hosts)) return { hosts }
    const known = [...hosts].filter((host) => isKnown(this.#grid, host))
    return { hosts: known.length === 0 ? hosts : known }
  }

  #toPattern({ pattern }: ReadPacket): unknown {
    return this.normalizePattern(pattern)
  }
}

/** What is no name is for the call to refuse. */
function isKnown(grid: Manager, host: string): boolean {
  try {
    grid.connection(host)
    return true
  } catch (error) {
    return !UnknownHostError.is(error)
  }
}

function mayTryAgain(error: unknown): boolean {
  if (!GridError.is(error) || error.delivery !== 'notSent' || hopeless.has(error.code)) return false
  return !RejectedError.is(error) || error.reason !== 'denied'
}

/** What `setOnDispatchHook` has set. */
function metadataOf({ metadata }: ReadPacket): Pick<CallOptions, 'metadata'> {
  return metadata === undefined ? {} : { metadata }
}
