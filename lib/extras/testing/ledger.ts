/**
 * What the servers of a test grid have open, each with the line of the user's code that made it.
 *
 * Calls are learned from the channel `it-grid:call`, handlers by the functions that are registered, listeners from the
 * connections. It changes nothing of what they do.
 */

import { EventEmitter } from 'node:events'
import { type CallMessage, type Connection, channels, type HandlerCall, type Manager } from '../../index.ts'
import { type Place, placeNow } from './place.ts'
import { Timers } from './timers.ts'

interface Entry {
  /** With the name of its server. */
  readonly what: string
  readonly manager: Manager
  readonly made: Place
  readonly startMs: number
  /** Of a call the server that serves it, of a handler the one that has called it. */
  readonly host: string | undefined
}

type Fn = (...args: unknown[]) => unknown

const events = ['state', 'restart', 'handlers'] as const

export class Ledger implements Disposable {
  /** By their canonical names: a message names its server by that. */
  readonly #managers = new Map<string, Manager>()
  readonly #calls = new Map<CallMessage, Entry>()
  readonly #handlers = new Set<Entry>()
  readonly #listeners = new WeakMap<Connection, Map<unknown, WeakMap<object, Place>>>()
  readonly #gone = new WeakSet<Manager>()
  readonly #timers = new Timers()

  constructor() {
    channels.call.start.subscribe(this.#onCall)
    channels.call.asyncEnd.subscribe(this.#onEnd)
  }

  /** Learns of no more calls. */
  [Symbol.dispose](): void {
    channels.call.start.unsubscribe(this.#onCall)
    channels.call.asyncEnd.unsubscribe(this.#onEnd)
    this.#timers[Symbol.dispose]()
  }

  /** From now on what this manager opens is noted. */
  watch(manager: Manager): void {
    this.#managers.set(manager.local, manager)
    const handle = manager.handle.bind(manager) as Fn
    const watched: Fn = (definition, fn, ...rest) => {
      handle(definition, typeof fn === 'function' ? this.#watched(manager, definition, fn as Fn) : fn, ...rest)
    }
    manager.handle = watched as Manager['handle']
    for (const connection of manager.connections) this.#watchListeners(connection)
  }

  /** Its process is gone: what it had open is not counted. */
  forget(manager: Manager): void {
    this.#gone.add(manager)
  }

  /** What is open now, in lines of text. */
  describe(): string[] {
    const isThere = ({ manager }: Entry) => !this.#gone.has(manager)
    const calls = [...this.#calls.values()].filter(isThere)
    const handlers = [...this.#handlers].filter(isThere)
    return [
      ...calls.map((entry) => line(entry, 'open', 'made')),
      ...handlers.map((entry) => line(entry, 'running', 'registered')),
      ...[...this.#managers.values()].flatMap((manager) => this.#left(manager, calls, handlers)),
      ...this.#timers.describe((manager) => !this.#gone.has(manager as Manager))
    ]
  }

  readonly #onCall = (given: unknown): void => {
    const message = given as CallMessage
    const manager = this.#managers.get(message.local)
    if (manager === undefined) return
    const { kind, handler, subroute, host } = message
    const name = subroute === '' ? handler : `${subroute}/${handler}`
    const what = `a ${kind === 'single' ? 'request' : 'stream'} "${name}" of ${message.local} to ${host}`
    this.#calls.set(message, { what, manager, host, made: placeNow(), startMs: performance.now() })
  }

  readonly #onEnd = (message: unknown): void => {
    this.#calls.delete(message as CallMessage)
  }

  /** The same handler, whose runs are noted. */
  #watched(manager: Manager, definition: unknown, fn: Fn): Fn {
    const id = typeof definition === 'string' ? definition : (definition as { readonly id: string }).id
    const what = `the handler "${id}" of ${manager.local}`
    const made = placeNow()
    return (...args) => {
      const host = (args.at(-1) as Partial<HandlerCall> | undefined)?.remote?.host
      const entry = { what, manager, host, made, startMs: performance.now() }
      const result = this.#timers.run(manager, () => fn(...args))
      if (!isPromise(result)) return this.#watchGenerator(entry, result)
      this.#handlers.add(entry)
      const end = () => this.#handlers.delete(entry)
      // One that begins its work when it is awaited shall do it once.
      const promise = result instanceof Promise ? result : Promise.resolve(result)
      promise.then((value) => this.#watchGenerator(entry, value)).then(end, end)
      return promise
    }
  }

  /** A generator runs until it is at its end: at a pull, or because its call is over. */
  #watchGenerator(entry: Entry, result: unknown): unknown {
    if (Object.prototype.toString.call(result) !== '[object AsyncGenerator]') return result
    const generator = result as Record<string, Fn>
    const running = { ...entry }
    this.#handlers.add(running)
    const end = () => this.#handlers.delete(running)
    for (const name of ['next', 'return', 'throw']) {
      const method = (generator[name] as Fn).bind(generator)
      generator[name] = (...args) => {
        const step = this.#timers.run(entry.manager, () => method(...args)) as Promise<IteratorResult<unknown>>
        step.then(({ done }) => done === true && end(), end)
        return step
      }
    }
    return result
  }

  #watchListeners(connection: Connection): void {
    const places = new Map(events.map((event) => [event as unknown, new WeakMap<object, Place>()]))
    this.#listeners.set(connection, places)
    const onNew = (event: unknown, listener: unknown): void =>
      void places.get(event)?.set(listener as object, placeNow())
    EventEmitter.prototype.on.call(connection, 'newListener', onNew)
  }

  /** What its figures know beside that: calls that only this end has open, what waits to be sent, listeners. */
  #left(manager: Manager, calls: readonly Entry[], handlers: readonly Entry[]): string[] {
    if (this.#gone.has(manager)) return []
    const { local } = manager
    const lines: string[] = []
    for (const { host, session, served } of manager.stats().connections) {
      const isNamed = (call: Entry) => call.manager.local === host && call.host === local
      const isRun = (handler: Entry) => handler.manager === manager && handler.host === host
      const others = served.running - Math.max(calls.filter(isNamed).length, handlers.filter(isRun).length)
      if (others > 0) lines.push(`${others} of the calls of ${host} that ${local} serves, open at this end`)
      if (session !== undefined && session.sendQueueBytes > 0)
        lines.push(`${session.sendQueueBytes} bytes of ${local} wait to be sent to ${host}`)
    }
    for (const connection of manager.connections) {
      for (const event of events) {
        for (const listener of connection.listeners(event)) {
          const made = this.#listeners.get(connection)?.get(event)?.get(listener)?.text ?? ''
          lines.push(`a listener of "${event}" on the connection of ${local} to ${connection.host}${made}`)
        }
      }
    }
    return lines
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as Partial<PromiseLike<unknown>> | null | undefined)?.then === 'function'
}

function line({ what, made, startMs }: Entry, verb: string, how: string): string {
  return `${what}, ${verb} for ${Math.round(performance.now() - startMs)} ms, ${how}${made.text}`
}
