/**
 * The handler tables: the handlers of this server in the order of registration, and those that a remote server advertised.
 *
 * The index of a handler is its place in the table.
 */

import { RareMap } from '../base/rare.ts'
import { HandlerExistsError, InvalidOptionError, ProtocolError, RejectedError } from '../errors/errors.ts'
import type { Figures } from '../figures/figures.ts'
import { GridFigures } from '../figures/grid-figures.ts'
import type { Hooks } from '../hooks/hooks.ts'
import type { HandlerInterceptor } from '../hooks/interceptor.ts'
import { authorize } from '../rules/authorize.ts'
import { type HandlerEntry, HandlerKind } from '../wire/frame.ts'
import {
  type AnyDefinition,
  type AnySingle,
  type AnyStreaming,
  checkCapacity,
  checkId,
  checkName
} from './definition.ts'
import { fingerprintOf } from './fingerprint.ts'
import type { SingleHandler, StreamingHandler } from './handler.ts'
import { nameHandler, toHandlerName } from './info.ts'
import type { Mismatches } from './mismatches.ts'
import type { Mistakes } from './mistakes.ts'
import { RunningByPeer } from './running.ts'
import type { Serving } from './serving.ts'

/** A handler of this server. */
export type LocalHandler = {
  readonly entry: HandlerEntry
  /** Set when it is registered. */
  figures?: Figures
  /** Undefined where nothing can stand around it. */
  readonly hooks?: Hooks<HandlerInterceptor>
} & (
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
  /** Of the calls of this server; set by the first one. */
  figures?: Figures
  /** Its fingerprint was compared with that of a call of this server. */
  isCompared?: boolean
}

/** Joins static subroutes: `disk1` and `meta` make `disk1/meta`. */
export function joinSubroute(base: string, name: string): string {
  return base === '' ? name : name === '' ? base : `${base}/${name}`
}

/** One key for subroute and id, separated by NUL, which neither may contain. */
function toKey(subroute: string, id: string): string {
  return subroute === '' ? id : `${subroute}\0${id}`
}

/** One key for all that peers know of a handler. */
function toShape({ subroute, id, kind, inCapacity, outCapacity }: HandlerEntry): string {
  return `${kind} ${inCapacity} ${outCapacity} ${toKey(subroute, id)}`
}

/** A table entry must fit into a batch with its two names, whatever the peer accepts. */
const maxSentNameBytes = 16 * 1024

/** A handler of this server as peers know it: with the same name, kind and capacities it is the same when it comes back. */
export interface HandlerPlace {
  /** With the fingerprint of the handler that it has now, or had last. */
  entry: HandlerEntry
  /** Undefined while it is withdrawn. */
  handler: LocalHandler | undefined
}

/** Places of withdrawn handlers that are remembered, the latest. One that is forgotten comes back as another handler. */
const maxWithdrawn = 4096

/** The handlers of this server: one table for all its sessions, how many of them run, and what they came to. */
export class LocalHandlers {
  readonly running = new RunningByPeer()
  readonly serving: Serving | undefined
  /** Of what this server calls, too. */
  readonly figures: GridFigures
  /** Hears of the mistakes of handlers. */
  mistakes: Pick<Mistakes, 'tell'> | undefined
  /** Stands around each handler where a guest calls it. Default: no guest may. */
  guard: HandlerInterceptor = authorize(() => false)
  /** Hears of handlers of peers that are called by other codecs here. */
  mismatches: Pick<Mismatches, 'tell'> | undefined
  /** By name. */
  readonly #places = new Map<string, HandlerPlace>()
  /** By name, kind and capacities. */
  readonly #withdrawn = new Map<string, HandlerPlace>()
  readonly #listeners = new Set<(place: HandlerPlace) => void>()
  readonly #maxNameBytes: number

  /** @param serving holds calls of peers back; without it none is */
  constructor(maxNameBytes: number, serving?: Serving, figures = new GridFigures()) {
    this.#maxNameBytes = maxNameBytes
    this.serving = serving
    this.figures = figures
  }

  get size(): number {
    return this.#places.size
  }

  /** Those that are offered now, in the order of registration. */
  list(): HandlerPlace[] {
    return [...this.#places.values()]
  }

  find(subroute: string, id: string): HandlerEntry | undefined {
    return this.#places.get(toKey(subroute, id))?.entry
  }

  /**
   * @throws {HandlerExistsError} when the id is taken under this subroute
   * @throws {InvalidOptionError} when the id is empty, or the id or subroute is too long, contains NUL or is no Unicode
   */
  add(handler: LocalHandler): void {
    const { entry } = handler
    checkId(entry.id)
    checkName('subroute', entry.subroute)
    this.#checkLength('handler id', entry.id)
    this.#checkLength('subroute', entry.subroute)
    const key = toKey(entry.subroute, entry.id)
    if (this.#places.has(key)) throw new HandlerExistsError(`the ${nameHandler(entry)} is already registered`)
    const shape = toShape(entry)
    const place: HandlerPlace = this.#withdrawn.get(shape) ?? { entry, handler: undefined }
    this.#withdrawn.delete(shape)
    handler.figures = this.figures.served.of(toHandlerName(entry), true)
    place.handler = handler
    place.entry = entry
    this.#places.set(key, place)
    for (const listener of this.#listeners) listener(place)
  }

  /** Withdraws a handler: calls that run go on. Returns whether there was one. */
  remove(subroute: string, id: string): boolean {
    const key = toKey(subroute, id)
    const place = this.#places.get(key)
    if (place === undefined) return false
    this.#places.delete(key)
    place.handler = undefined
    this.#withdrawn.set(toShape(place.entry), place)
    const [oldest = ''] = this.#withdrawn.keys()
    if (this.#withdrawn.size > maxWithdrawn) this.#withdrawn.delete(oldest)
    for (const listener of this.#listeners) listener(place)
    return true
  }

  /** Calls `listener` with each handler that is registered or withdrawn; returns a function that removes it. */
  onChanged(listener: (place: HandlerPlace) => void): () => void {
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
  readonly #subroutes = new RareMap<string, Map<string, RemoteHandler>>()
  /** What was found last, and by which string of its id: most calls are at the same one, which two lookups would find again. */
  #found: RemoteHandler | undefined
  #foundId = ''
  /** By index, also those that were withdrawn. */
  readonly #all: RemoteHandler[] = []
  readonly #maxHandlers: number
  readonly #toldOfChanges: boolean
  readonly #local: Pick<LocalHandlers, 'find' | 'mismatches'> | undefined
  readonly #host: string

  /**
   * @param toldOfChanges the remote says which of its handlers it withdraws and offers again
   * @param local the handlers of this server, which those of the remote of the same names are compared with
   */
  constructor(
    maxHandlers: number,
    toldOfChanges = false,
    host = '',
    local?: Pick<LocalHandlers, 'find' | 'mismatches'>
  ) {
    this.#maxHandlers = maxHandlers
    this.#toldOfChanges = toldOfChanges
    this.#host = host
    this.#local = local
  }

  /** Whether a call failed by this because its handler was withdrawn while it was on its way: `change` tells when it is back. */
  isWithdrawal(error: unknown): boolean {
    return this.#toldOfChanges && RejectedError.is(error) && error.reason === 'unknownHandler'
  }

  /** How many more entries the remote may advertise. */
  get room(): number {
    return this.#maxHandlers - this.#all.length
  }

  /** @throws {ProtocolError} when the remote advertises a handler twice */
  add(entries: readonly HandlerEntry[]): void {
    for (const entry of entries) {
      // Not spread first: V8 makes a hidden class of 280 B for each object that begins so.
      const handler = { index: this.#all.length, ...entry }
      this.#offer(handler)
      this.#all.push(handler)
      const own = this.#local?.find(entry.subroute, entry.id)
      if (own?.kind === entry.kind) this.#tellIfOther(handler, own.fingerprint)
    }
  }

  /** Compares a handler with the definition of a call at it, once: one by the id alone has no codecs. */
  compare(handler: RemoteHandler, definition: AnyDefinition): void {
    const own = fingerprintOf(definition)
    handler.isCompared = own !== undefined
    this.#tellIfOther(handler, own)
  }

  #tellIfOther(handler: RemoteHandler, own: string | undefined): void {
    if (own === undefined || handler.fingerprint === undefined || handler.fingerprint === own) return
    this.#local?.mismatches?.tell(this.#host, handler, own)
  }

  /**
   * Withdraws handlers, or offers them again.
   *
   * @param changes twice the index of each, plus 1 where it is offered again
   * @throws {ProtocolError} when there is none with this index, or its name is that of another one by now
   */
  change(changes: readonly number[]): void {
    for (const change of changes) {
      const handler = this.#all[Math.floor(change / 2)]
      if (handler === undefined) throw new ProtocolError('a change of a handler that was not advertised')
      const handlers = this.#subroutes.get(handler.subroute)
      if (handlers?.get(handler.id) === handler) {
        if (change % 2 === 0) handlers.delete(handler.id)
        this.#found = undefined
      } else if (change % 2 === 1) {
        this.#offer(handler)
      }
    }
  }

  #offer(handler: RemoteHandler): void {
    const handlers = this.#subroutes.get(handler.subroute) ?? new Map<string, RemoteHandler>()
    if (handlers.has(handler.id)) throw new ProtocolError('a handler that was advertised before')
    handlers.set(handler.id, handler)
    this.#subroutes.set(handler.subroute, handlers)
  }

  find(subroute: string, id: string): RemoteHandler | undefined {
    if (this.#found === undefined || id !== this.#foundId || subroute !== this.#found.subroute) this.#look(subroute, id)
    return this.#found
  }

  #look(subroute: string, id: string): void {
    this.#found = this.#subroutes.get(subroute)?.get(id)
    this.#foundId = id
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
  const fingerprint = fingerprintOf(definition)
  const told = fingerprint === undefined ? {} : { fingerprint }
  if (kind === 'single') return { kind: HandlerKind.single, inCapacity: 0, outCapacity: 1, subroute, id, ...told }
  return {
    kind: HandlerKind.streaming,
    inCapacity: checkCapacity('inCapacity', definition.inCapacity),
    outCapacity: checkCapacity('outCapacity', definition.outCapacity),
    ...{ subroute, id, ...told }
  }
}
