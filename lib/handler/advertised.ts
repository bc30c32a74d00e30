/**
 * The handlers of this server that one peer is told of: those within the limits that it announced.
 *
 * A peer closes the conn over an entry beyond its limits, and each conn after it. So such an entry is never sent, and the
 * index of a handler is its place among those that were.
 */

import { Buffer } from 'node:buffer'
import { RareMap, RareSet } from '../base/rare.ts'
import type { Remote, RemoteLimits } from '../base/remote.ts'
import { printable } from '../base/text.ts'
import type { HandlerInterceptor } from '../hooks/interceptor.ts'
import { type HandlerEntry, maxFingerprintBytes } from '../wire/frame.ts'
import { nameHandler } from './info.ts'
import type { HandlerPlace, LocalHandler, LocalHandlers } from './table.ts'

/** A frame takes no more entries once it has so many bytes of names: with one more name it still fits into a batch. */
const maxFrameBytes = 16 * 1024
/** What an entry has beside its names, at most. */
const entryBytes = 16 + 1 + maxFingerprintBytes

export class AdvertisedHandlers {
  readonly #local: LocalHandlers
  readonly #limits: Pick<RemoteLimits, 'maxHandlers' | 'maxNameBytes'>
  /** The peer can be told that a handler was withdrawn or is back. */
  readonly #tellsChanges: boolean
  /** The peer can be told of fingerprints. */
  readonly tellsFingerprints: boolean
  /** By index. */
  readonly #places: HandlerPlace[] = []
  readonly #indexes = new RareMap<HandlerPlace, number>()
  /** What the peer believes, by index. */
  readonly #isOffered: boolean[] = []
  /** Those that `next` has not dealt with. */
  readonly #waiting: HandlerPlace[]
  /** Indexes of those that `nextChanges` may have to tell of. */
  readonly #changed = new RareSet<number>()
  /** The first that the peer is not told of. */
  #leftOut: HandlerEntry | undefined
  /** Stands around all of them, outermost. */
  readonly #guard: HandlerInterceptor | undefined
  #guarded: WeakMap<LocalHandler, LocalHandler> | undefined

  constructor(
    local: LocalHandlers,
    limits: Pick<RemoteLimits, 'maxHandlers' | 'maxNameBytes'>,
    remoteUnderstands: readonly string[] = [],
    role: Remote['role'] = 'host'
  ) {
    this.#local = local
    this.#guard = role === 'guest' ? local.guard : undefined
    this.#limits = limits
    this.#tellsChanges = remoteUnderstands.includes('handlerChanges')
    this.tellsFingerprints = remoteUnderstands.includes('fingerprints')
    this.#waiting = local.list()
  }

  /** The handler that the peer knows under this index, unless it was withdrawn. */
  at(index: number): LocalHandler | undefined {
    const handler = this.#places[index]?.handler
    return this.#guard === undefined || handler === undefined ? handler : this.#guardedBy(this.#guard, handler)
  }

  #guardedBy(guard: HandlerInterceptor, handler: LocalHandler): LocalHandler {
    const known = this.#guarded?.get(handler)
    if (known !== undefined) return known
    const { local = '', interceptors = [] } = handler.hooks ?? {}
    const guarded = { ...handler, hooks: { local, interceptors: [guard, ...interceptors] } }
    this.#guarded ??= new WeakMap()
    this.#guarded.set(handler, guarded)
    return guarded
  }

  /** Also of one that was withdrawn. */
  entryAt(index: number): HandlerEntry | undefined {
    return this.#places[index]?.entry
  }

  /** For people, also of one that was withdrawn, or that there never was. */
  nameAt(index: number): string {
    const place = this.#places[index]
    return place === undefined ? `handler with the number ${index}` : nameHandler(place.entry)
  }

  /** The peer was told of this index. */
  knows(index: number): boolean {
    return index < this.#places.length
  }

  /** Calls `listener` after each registration and withdrawal; returns a function that removes it. */
  onChanged(listener: () => void): () => void {
    return this.#local.onChanged((place) => {
      const index = this.#indexes.get(place)
      if (index !== undefined) this.#changed.add(index)
      else if (!this.#waiting.includes(place)) this.#waiting.push(place)
      listener()
    })
  }

  /** Nothing is left for `next`. */
  get isComplete(): boolean {
    return this.#waiting.length === 0
  }

  /** What has changed of those that the peer knows, for one frame: as in `RemoteHandlers.change`. */
  nextChanges(): number[] {
    const changes: number[] = []
    for (const index of this.#changed) {
      const isOffered = this.#places[index]?.handler !== undefined
      if (!this.#tellsChanges || this.#isOffered[index] === isOffered) continue
      this.#isOffered[index] = isOffered
      changes.push(2 * index + (isOffered ? 1 : 0))
    }
    this.#changed.clear()
    // In the order in which they changed: one is withdrawn before another one takes its name.
    return changes
  }

  /** The entries of the next frame; none when all that are left are beyond the limits. Changes are told before. */
  next(): HandlerEntry[] {
    const entries: HandlerEntry[] = []
    let dealtWith = 0
    for (let bytes = 0; bytes < maxFrameBytes && dealtWith < this.#waiting.length; ) {
      const place = this.#waiting[dealtWith++] as HandlerPlace
      const { entry } = place
      // It was withdrawn before it was told of, or the peer believes that there is another one of its name.
      if (place.handler === undefined || this.#isTaken(entry)) continue
      const [idBytes, subrouteBytes] = [Buffer.byteLength(entry.id), Buffer.byteLength(entry.subroute)]
      const isWithin =
        this.#places.length < this.#limits.maxHandlers && Math.max(idBytes, subrouteBytes) <= this.#limits.maxNameBytes
      if (isWithin) {
        this.#indexes.set(place, this.#places.length)
        this.#places.push(place)
        this.#isOffered.push(true)
        entries.push(entry)
        bytes += idBytes + subrouteBytes + entryBytes
      } else {
        this.#leftOut ??= entry
      }
    }
    this.#waiting.splice(0, dealtWith)
    return entries
  }

  /** A peer that cannot be told of changes learns of this one in its next session. */
  #isTaken({ subroute, id }: HandlerEntry): boolean {
    if (this.#tellsChanges) return false
    return this.#places.some(({ entry }) => entry.id === id && entry.subroute === subroute)
  }

  /** Why the peer is not told of all handlers; undefined when it is. The same for the same peer and handlers. */
  get warning(): string | undefined {
    if (this.#leftOut === undefined) return undefined
    const { maxHandlers, maxNameBytes } = this.#limits
    const name = printable(this.#leftOut.id, 64)
    const limits = `at most ${maxHandlers} handlers (maxHandlers), with names of at most ${maxNameBytes} bytes (maxNameBytes)`
    return `it accepts ${limits}: "${name}" is not advertised to it, nor are others beyond that`
  }
}
