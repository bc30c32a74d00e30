/**
 * What the servers of a test grid have open, each with the line of the user's code that made it.
 *
 * Calls are learned from the channel `it-grid:call`, handlers by the functions that are registered, listeners from the
 * connections. It changes nothing of what they do.
 */

import { EventEmitter } from 'node:events'
import { type CallMessage, type Connection, channels, type Manager } from '../../index.ts'
import { type Place, placeNow } from './place.ts'
import { Timers } from './timers.ts'

interface Entry {
  /** With the name of its server. */
  readonly what: string
  readonly manager: Manager
  readonly made: Place
  readonly startMs: number
}

type Fn = (...args: unknown[]) => unknown

const events = ['state', 'restart', 'handlers'] as const

export class Ledger implements Disposable {
  /** By their canonical names: a message names its server by that. */
  readonly #managers = new Map<string, Manager>()
  readonly #calls = new Map<CallMessage, Entry>()
  readonly #handlers = new Set<Entry>()
  readonly #listeners = new Map<unknown, Place>()
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
      ...[...this.#managers.values()].flatMap((manager) => this.#left(manager)),
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
    this.#calls.set(message, { what, manager, made: placeNow(), startMs: performance.now() })
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
      const entry = { what, manager, made, startMs: performance.now() }
      const result = this.#note(entry, () => fn(...args))
      if (result instanceof Promise) result.then((value) => this.#watchGenerator(entry, value)).catch(() => {})
      else this.#watchGenerator(entry, result)
      return result
    }
  }

  /** A generator runs while it is pulled; between two pulls its call is what is open. */
  #watchGenerator(entry: Entry, result: unknown): void {
    if (Object.prototype.toString.call(result) !== '[object AsyncGenerator]') return
    const generator = result as Record<string, Fn>
    for (const name of ['next', 'return', 'throw']) {
      const method = (generator[name] as Fn).bind(generator)
      generator[name] = (...args) => this.#note({ ...entry, startMs: performance.now() }, () => method(...args))
    }
  }

  #note(entry: Entry, run: () => unknown): unknown {
    const result = this.#timers.run(entry.manager, run)
    if (!(result instanceof Promise)) return result
    this.#handlers.add(entry)
    const end = () => this.#handlers.delete(entry)
    result.then(end, end)
    return result
  }

  #watchListeners(connection: Connection): void {
    const onNew = (_event: unknown, listener: unknown): void => void this.#listeners.set(listener, placeNow())
    EventEmitter.prototype.on.call(connection, 'newListener', onNew)
  }

  /** What its figures know beside that: handlers that raw peers have called, what waits to be sent, listeners. */
  #left(manager: Manager): string[] {
    if (this.#gone.has(manager)) return []
    const lines: string[] = []
    for (const { host, session } of manager.stats().connections) {
      if (session !== undefined && session.sendQueueBytes > 0)
        lines.push(`${session.sendQueueBytes} bytes of ${manager.local} wait to be sent to ${host}`)
    }
    for (const connection of manager.connections) {
      for (const event of events) {
        for (const listener of connection.listeners(event)) {
          const made = this.#listeners.get(listener)?.text ?? ''
          lines.push(`a listener of "${event}" on the connection of ${manager.local} to ${connection.host}${made}`)
        }
      }
    }
    return lines
  }
}

function line({ what, made, startMs }: Entry, verb: string, how: string): string {
  return `${what}, ${verb} for ${Math.round(performance.now() - startMs)} ms, ${how}${made.text}`
}
