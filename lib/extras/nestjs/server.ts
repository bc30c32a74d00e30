/**
 * The strategy by which a NestJS microservice serves its patterns on a grid.
 *
 * Which controller answers, with which pipes, guards and filters, is up to NestJS: here a pattern becomes a handler, and what
 * a controller returns becomes a stream. The grid is yours: it is not closed here.
 */

import { type CustomTransportStrategy, type MessageHandler, Server } from '@nestjs/microservices'
import { isObservable, lastValueFrom } from 'rxjs'
import { type AnyDefinition, type CloseOptions, type HandlerContext, type Manager, ShutdownError } from '../../index.ts'
import { GridContext } from './context.ts'
import { checkNames, checkOption, type SharedOptions, toEvent, toEventSubroute, toMessage } from './definitions.ts'
import { toGridError } from './errors.ts'
import { isAsyncIterable, orNull, Values } from './values.ts'

/** For `@MessagePattern(pattern, gridTransport)` in an app that has several transports. */
export const gridTransport: unique symbol = Symbol.for('it-grid')

export interface GridServerOptions extends SharedOptions {
  /** Values that an observable may give ahead of its caller. Default 100 000. One more fails the call. */
  readonly maxAhead?: number
  /** Time for what runs when the app closes, as of `grid.close()`. Default 10 000 ms. */
  readonly close?: CloseOptions
}

interface Running {
  readonly closing: AbortController
  /** Those of an observable. */
  values?: Values
}

const defaultMaxAhead = 100_000
const defaultCloseMs = 10_000
/** That of a timer. */
const maxTimeoutMs = 2 ** 31 - 1

/** For `NestFactory.createMicroservice(AppModule, { strategy: new GridServer(grid) })`. */
export class GridServer extends Server implements CustomTransportStrategy {
  override transportId: symbol = gridTransport
  readonly #grid: Manager
  readonly #options: GridServerOptions
  /** What runs. */
  readonly #running = new Map<GridContext, Running>()
  #closed: Promise<void> | undefined
  #onEnd = () => {}
  #withdrawals: (() => void)[] = []

  /** @throws {InvalidOptionError} when an option is wrong, or one that there is not */
  constructor(grid: Manager, options: GridServerOptions = {}) {
    super()
    checkNames(options, 'GridServer', ['subroute', 'codec', 'maxAhead', 'close'])
    const { maxAhead = defaultMaxAhead, close = {} } = options
    checkOption('close of GridServer must be an object', typeof close === 'object' && close !== null)
    checkNames(close, 'close of GridServer', ['timeout'])
    const { timeout = defaultCloseMs } = close
    checkOption(
      'maxAhead of GridServer must be a whole number of at least 1',
      Number.isInteger(maxAhead) && maxAhead > 0
    )
    checkOption(
      'close.timeout of GridServer must be a number of at least 0',
      typeof timeout === 'number' && timeout >= 0
    )
    this.#grid = grid
    this.#options = options
  }

  /** Registers all patterns, or fails with what refused one of them: two handlers of one name, a closed grid. */
  listen(callback: (error?: unknown) => unknown): void {
    this.#closed = undefined
    try {
      for (const [pattern, handler] of this.messageHandlers) this.#serve(pattern, handler)
    } catch (error) {
      this.#withdraw()
      callback(error)
      return
    }
    this._status$.next('connected')
    callback()
  }

  /** Takes the patterns back, so that new calls go elsewhere, and waits for those that run. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#withdraw()
    this._status$.next('disconnected')
    for (const { closing } of this.#running.values()) closing.abort(new ShutdownError('the app is closing'))
    const { timeout = defaultCloseMs } = this.#options.close ?? {}
    await this.#ended(timeout)
    for (const { values } of this.#running.values()) values?.fail(new ShutdownError('the app has closed'))
  }

  /** The grid. */
  unwrap<T>(): T {
    return this.#grid as unknown as T
  }

  on(event: string, _callback?: unknown): never {
    throw new Error(`a GridServer has no event "${event}": those of a grid are told by the connections of unwrap()`)
  }

  #serve(pattern: string, handler: MessageHandler): void {
    if (handler.isEventHandler !== true) {
      const { subroute = '' } = this.#options
      const message = toMessage(pattern, this.#options)
      this.#grid.handle(message, (data, _requests, call) => this.#answer(handler, data, call), { subroute })
      this.#willWithdraw(message, subroute)
    }
    const listener = firstEventHandler(handler)
    if (listener !== undefined) {
      const [event, subroute] = [toEvent(pattern, this.#options), toEventSubroute(this.#options)]
      this.#grid.handle(event, (data, call) => this.#start(listener, data, call), { subroute })
      this.#willWithdraw(event, subroute)
    }
  }

  #willWithdraw(definition: { readonly id: string }, subroute: string): void {
    this.#withdrawals.push(() => this.#grid.unhandle(definition as AnyDefinition, { subroute }))
  }

  #withdraw(): void {
    for (const withdraw of this.#withdrawals.splice(0)) withdraw()
  }

  async *#answer(handler: MessageHandler, data: unknown, call: HandlerContext): AsyncGenerator<unknown> {
    const context = this.#begin(call)
    let unsubscribe = () => {}
    try {
      const result = await this.#run(handler, data, context)
      if (isObservable(result)) {
        const values = new Values(result, this.#options.maxAhead ?? defaultMaxAhead)
        const running = this.#running.get(context)
        if (running !== undefined) running.values = values
        unsubscribe = () => values.fail(call.signal.reason)
        if (call.signal.aborted) unsubscribe()
        call.signal.addEventListener('abort', unsubscribe)
        yield* values.read()
      } else if (isAsyncIterable(result)) {
        for await (const value of result) yield orNull(value)
      } else yield orNull(result)
    } catch (error) {
      throw toGridError(error)
    } finally {
      call.signal.removeEventListener('abort', unsubscribe)
      this.#finish(context)
    }
  }

  /** Answers before its handlers are done: who emits an event does not wait for what becomes of it. */
  #start(handler: MessageHandler, data: unknown, call: HandlerContext): void {
    const context = this.#begin(call)
    const run = async () => {
      const result = await this.#run(handler, data, context)
      if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined })
    }
    run()
      // NestJS has logged what a controller throws; this is what it makes of that.
      .catch((error) => this.logger.debug?.(error))
      .finally(() => this.#finish(context))
  }

  #begin(call: HandlerContext): GridContext {
    // Of each call its own: what a controller adds to a signal of the app would stay there.
    const closing = new AbortController()
    const context = new GridContext([call, closing.signal])
    if (this.#closed !== undefined) closing.abort(new ShutdownError('the app is closing'))
    this.#running.set(context, { closing })
    return context
  }

  #finish(context: GridContext): void {
    this.#running.delete(context)
    this.onProcessingEndHook?.(this.transportId, context)
    this.#onEnd()
  }

  #run(handler: MessageHandler, data: unknown, context: GridContext): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const begin = async () => {
        try {
          resolve(await handler(data, context))
        } catch (error) {
          reject(error)
        }
      }
      this.onProcessingStartHook(this.transportId, context, begin)
    })
  }

  /** Resolves when nothing runs, at most after so long. */
  async #ended(timeoutMs: number): Promise<void> {
    if (this.#running.size === 0) return
    await new Promise<void>((resolve) => {
      const timer = Number.isFinite(timeoutMs) ? setTimeout(resolve, Math.min(timeoutMs, maxTimeoutMs)) : undefined
      this.#onEnd = () => {
        if (this.#running.size > 0) return
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

function firstEventHandler(handler: MessageHandler | undefined): MessageHandler | undefined {
  return handler === undefined || handler.isEventHandler === true
    ? handler
    : firstEventHandler(handler.next as MessageHandler | undefined)
}
