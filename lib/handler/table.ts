/**
 * The handler tables: the handlers of this server in the order of registration, and those that a remote server advertised.
 *
 * The index of a handler is its place in the table.
 */

import { HandlerExistsError, InvalidOptionError, ProtocolError } from '../base/errors.ts'
import { type HandlerEntry, HandlerKind } from '../wire/frame.ts'
import {
  type AnyDefinition,
  type AnySingle,
  type AnyStreaming,
  checkCapacity,
  checkId,
  checkName
} from './definition.ts'
import type { SingleHandler, StreamingHandler } from './handler.ts'
import { RunningByHost } from './running.ts'

/** A handler of this server. */
export type LocalHandler = { readonly entry: HandlerEntry } & (
  | {
      readonly definition: AnySingle
      readonly fn: SingleHandler<unknown, unknown>
    }
  | {
      readonly definition: AnyStreaming
      readonly fn: StreamingHandler<unknown, unknown, unknown>
    }
)

/** A handler of a remote server. */
export interface RemoteHandler extends HandlerEntry {
  readonly index: number
}

/** Joins static subroutes: `disk1` and `meta` make `disk1/meta`. */
export function joinSubroute(base: string, name: string): string {
  return base === '' ? name : name === '' ? base : `${base}/${name}`
}

/** One key for subroute and id, separated by NUL, which neither may contain. */
function toKey(subroute: string, id: string): string {
  return subroute === '' ? id : `${subroute}\0${id}`
}

/** A table entry must fit into a batch with its two names, whatever the peer accepts. */
const maxSentNameBytes = 16 * 1024

/** The handlers of this server: one table for all its sessions, and how many of them run. */
export class LocalHandlers {
  readonly running = new RunningByHost()
  readonly #handlers: LocalHandler[] = []
  readonly #keys = new Set<string>()
  readonly #listeners = new Set<() => void>()
  readonly #maxNameBytes: number

  constructor(maxNameBytes: number) {
    this.#maxNameBytes = maxNameBytes
  }

  get size(): number {
    return this.#handlers.length
  }

  at(index: number): LocalHandler | undefined {
    return this.#handlers[index]
  }

  /**
   * @throws {HandlerExistsError} when the id is taken under this subroute
   * @throws {InvalidOptionError} when the id is empty, or the id or subroute is too long, contains NUL or is no Unicode
   */
  add(handler: LocalHandler): void {
    const { subroute, id } = handler.entry
    checkId(id)
    checkName('subroute', subroute)
    this.#checkLength('handler id', id)
    this.#checkLength('subroute', subroute)
    const key = toKey(subroute, id)
    if (this.#keys.has(key)) {
      throw new HandlerExistsError(
        `the handler "${id}"${subroute === '' ? '' : ` under "${subroute}"`} is already registered`
      )
    }
    this.#keys.add(key)
    this.#handlers.push(handler)
    for (const listener of this.#listeners) listener()
  }

  /** Calls `listener` after each registration; returns a function that removes it. */
  onAdded(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #checkLength(what: string, name: string): void {
    const maxBytes = Math.min(this.#maxNameBytes, maxSentNameBytes)
    if (Buffer.byteLength(name) > maxBytes) throw new InvalidOptionError(`a ${what} must not exceed ${maxBytes} bytes`)
  }
}

/** The handlers that a remote server has advertised. */
export class RemoteHandlers {
  /** By subroute, then by id: a joined key would cost a string for each call. */
  readonly #subroutes = new Map<string, Map<string, RemoteHandler>>()
  readonly #maxHandlers: number
  #size = 0

  constructor(maxHandlers: number) {
    this.#maxHandlers = maxHandlers
  }

  /** How many more entries the remote may advertise. */
  get room(): number {
    return this.#maxHandlers - this.#size
  }

  /** @throws {ProtocolError} when the remote advertises a handler twice */
  add(entries: readonly HandlerEntry[]): void {
    for (const entry of entries) {
      const handlers = this.#subroutes.get(entry.subroute) ?? new Map<string, RemoteHandler>()
      if (handlers.has(entry.id)) throw new ProtocolError('a handler that was advertised before')
      handlers.set(entry.id, { ...entry, index: this.#size++ })
      this.#subroutes.set(entry.subroute, handlers)
    }
  }

  find(subroute: string, id: string): RemoteHandler | undefined {
    return this.#subroutes.get(subroute)?.get(id)
  }

  /** All that the remote offers, by subroutes. */
  list(): RemoteHandler[] {
    return [...this.#subroutes.values()].flatMap((handlers) => [...handlers.values()])
  }
}

/**
 * The table entry of a definition.
 *
 * @throws {InvalidOptionError} when a capacity is one that no peer accepts: a definition may be made by hand
 */
export function toEntry(definition: AnyDefinition, subroute: string): HandlerEntry {
  const { id, kind } = definition
  if (kind === 'single') return { kind: HandlerKind.single, inCapacity: 0, outCapacity: 1, subroute, id }
  return {
    kind: HandlerKind.streaming,
    inCapacity: checkCapacity('inCapacity', definition.inCapacity),
    outCapacity: checkCapacity('outCapacity', definition.outCapacity),
    subroute,
    id
  }
}
