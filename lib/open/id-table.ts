/**
 * Entries by id, where ids rise and most entries live shortly.
 *
 * A ring of slots, indexed by the low bits of the id. An entry that lives until the ring comes round to its slot moves to a
 * map. A map alone would cost more than half the time of a small call: each time it reallocates itself, V8 keeps what
 * its old table pointed to alive until a full collection, so that every short-lived entry grows old.
 */

import { RareMap } from '../base/rare.ts'

const initialSlots = 64
/** Of the same kind as those of a ring. Nothing is written to it. */
const noSlots: undefined[] = new Array(1).fill(undefined)
/** 512 KiB of slots. What is open beyond them at once is in the map. */
const maxSlots = 65_536

export class IdTable<T extends { readonly id: number }> {
  /** Made for the first entry. */
  #slots: (T | undefined)[] = noSlots
  /** Entries in the ring. */
  #inRing = 0
  readonly #elders = new RareMap<number, T>()

  get size(): number {
    return this.#inRing + this.#elders.size
  }

  get(id: number): T | undefined {
    const entry = this.#slots[id & (this.#slots.length - 1)]
    return entry?.id === id ? entry : this.#elders.get(id)
  }

  /** Ids are never added twice. */
  add(entry: T): void {
    const slot = entry.id & (this.#slots.length - 1)
    if (this.#slots[slot] !== undefined || this.#slots === noSlots) {
      this.#makeRoom(slot)
      return this.add(entry)
    }
    this.#slots[slot] = entry
    this.#inRing++
  }

  /** False when there is no such entry. */
  delete(id: number): boolean {
    const slot = id & (this.#slots.length - 1)
    if (this.#slots[slot]?.id !== id) return this.#elders.delete(id)
    this.#slots[slot] = undefined
    this.#inRing--
    return true
  }

  values(): T[] {
    return [...this.#elders.values(), ...this.#slots.filter((entry) => entry !== undefined)]
  }

  /** A ring with many entries grows; in one with few, the entry in the slot is old and moves to the map. */
  #makeRoom(slot: number): void {
    const slots = this.#slots
    if (slots === noSlots) {
      this.#slots = new Array(initialSlots).fill(undefined)
      return
    }
    if (this.#inRing * 4 < slots.length || slots.length >= maxSlots) {
      const elder = slots[slot] as T
      this.#elders.set(elder.id, elder)
      slots[slot] = undefined
      this.#inRing--
      return
    }
    this.#slots = new Array(slots.length * 2).fill(undefined)
    this.#inRing = 0
    for (const entry of slots) if (entry !== undefined) this.add(entry)
  }
}
