/**
 * The handlers of this server that one peer is told of: those within the limits that it announced.
 *
 * A peer closes the conn over an entry beyond its limits, and each conn after it. So such an entry is never sent, and the
 * index of a handler is its place among those that were.
 */

import { Buffer } from 'node:buffer'
import type { RemoteLimits } from '../base/remote.ts'
import { printable } from '../base/text.ts'
import type { HandlerEntry } from '../wire/frame.ts'
import type { LocalHandler, LocalHandlers } from './table.ts'

/** A frame takes no more entries once it has so many bytes of names: with one more name it still fits into a batch. */
const maxFrameBytes = 16 * 1024
/** What an entry has beside its names, at most. */
const entryBytes = 16

export class AdvertisedHandlers {
  readonly #local: LocalHandlers
  readonly #limits: Pick<RemoteLimits, 'maxHandlers' | 'maxNameBytes'>
  readonly #handlers: LocalHandler[] = []
  /** How many of the local handlers `next` has dealt with. */
  #dealtWith = 0
  /** The first that the peer is not told of. */
  #leftOut: HandlerEntry | undefined

  constructor(local: LocalHandlers, limits: Pick<RemoteLimits, 'maxHandlers' | 'maxNameBytes'>) {
    this.#local = local
    this.#limits = limits
  }

  /** The handler that the peer knows under this index. */
  at(index: number): LocalHandler | undefined {
    return this.#handlers[index]
  }

  /** Calls `listener` after each registration; returns a function that removes it. */
  onAdded(listener: () => void): () => void {
    return this.#local.onAdded(listener)
  }

  /** Nothing is left for `next`. */
  get isComplete(): boolean {
    return this.#dealtWith === this.#local.size
  }

  /** The entries of the next frame; none when all that are left are beyond the limits. */
  next(): HandlerEntry[] {
    const entries: HandlerEntry[] = []
    for (let bytes = 0; bytes < maxFrameBytes && !this.isComplete; ) {
      const handler = this.#local.at(this.#dealtWith++) as LocalHandler
      const { entry } = handler
      const [idBytes, subrouteBytes] = [Buffer.byteLength(entry.id), Buffer.byteLength(entry.subroute)]
      const isWithin =
        this.#handlers.length < this.#limits.maxHandlers &&
        Math.max(idBytes, subrouteBytes) <= this.#limits.maxNameBytes
      if (isWithin) {
        this.#handlers.push(handler)
        entries.push(entry)
        bytes += idBytes + subrouteBytes + entryBytes
      } else {
        this.#leftOut ??= entry
      }
    }
    return entries
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
